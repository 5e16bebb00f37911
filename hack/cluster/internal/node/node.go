package node

import (
	"context"
	"crypto/tls"
	_ "embed" // the audit policy
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/openfunction/openfunction/hack/cluster/internal/build"
	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
	"github.com/openfunction/openfunction/hack/cluster/internal/netns"
	"github.com/openfunction/openfunction/hack/cluster/internal/pki"
	"github.com/openfunction/openfunction/hack/cluster/internal/process"
)

// Node holds what the descriptions of the daemons need.
type Node struct {
	// Layout says where everything is.
	Layout layout.Layout
	// Netns is the namespace the daemons listen in.
	Netns netns.Namespace
	// Kubernetes, Etcd and Containerd are the binaries.
	Kubernetes, Etcd, Containerd build.Built
}

// etcdPort is on the namespace's loopback.
const etcdPort = 2379

// Secure makes keys, certificates and kubeconfigs. hostAPI is the address of the API server on the host's loopback.
func (n *Node) Secure(hostAPI string) error {
	now := time.Now()
	ca, err := pki.Open(n.pki(), now)
	if err != nil {
		return err
	}
	const masters = "system:masters"
	for _, leaf := range []pki.Leaf{
		{
			Name: "apiserver", User: "kube-apiserver",
			DNS: []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + layout.ClusterDomain, "localhost"},
			IPs: []string{layout.KubernetesIP, layout.NodeIP, "127.0.0.1"},
		},
		{Name: "apiserver-kubelet", User: "kube-apiserver-kubelet", Groups: []string{masters}},
		{Name: "front-proxy", User: frontProxy},
		{Name: "admin", User: "admin", Groups: []string{masters}},
		{Name: "controller-manager", User: "system:kube-controller-manager"},
		{Name: "scheduler", User: "system:kube-scheduler"},
		{Name: "kube-proxy", User: "system:kube-proxy"},
		{
			Name: "kubelet", User: "system:node:" + layout.NodeName, Groups: []string{"system:nodes"},
			DNS: []string{layout.NodeName}, IPs: []string{layout.NodeIP},
		},
	} {
		if err := ca.Issue(leaf, now); err != nil {
			return err
		}
	}
	if _, _, err := ca.SigningKey(); err != nil {
		return err
	}
	inner := fmt.Sprintf("https://%s:%d", layout.NodeIP, layout.APIServerPort)
	for file, k := range map[string]struct{ leaf, server string }{
		n.Layout.Kubeconfig():         {"admin", "https://" + hostAPI},
		n.Layout.InnerKubeconfig():    {"admin", inner},
		n.conf("scheduler"):           {"scheduler", inner},
		n.conf("controller-manager"):  {"controller-manager", inner},
		n.conf("kubelet.kubeconfig"):  {"kubelet", inner},
		n.conf("kube-proxy-kubeconf"): {"kube-proxy", inner},
	} {
		content, err := ca.Kubeconfig(k.leaf, k.server)
		if err != nil {
			return err
		}
		if _, err := layout.WriteIfChanged(file, content, 0o600); err != nil {
			return err
		}
	}
	return n.write(auditPolicyFile, auditPolicy)
}

func (n *Node) pki() string             { return n.Layout.Path("pki") }
func (n *Node) cert(name string) string { return n.Layout.Path("pki", name+".crt") }
func (n *Node) key(name string) string  { return n.Layout.Path("pki", name+".key") }
func (n *Node) conf(name string) string { return n.Layout.Path("conf", name) }

// write puts a configuration file in place.
func (n *Node) write(name, content string) error {
	_, err := layout.WriteIfChanged(n.conf(name), []byte(content), 0o644)
	return err
}

// answers probes an address inside the namespace over http or https until it says 200.
func (n *Node) answers(url string) func(context.Context) error {
	transport := &http.Transport{
		DialContext:       n.dial,
		DisableKeepAlives: true,
		// It only asks whether someone answers.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	if cert, err := tls.LoadX509KeyPair(n.cert("admin"), n.key("admin")); err == nil {
		transport.TLSClientConfig.Certificates = []tls.Certificate{cert}
	}
	client := &http.Client{Transport: transport}
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		answer, err := client.Do(request)
		if err != nil {
			return err
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, answer.Status)
		}
		return nil
	}
}

func (n *Node) dial(_ context.Context, _, address string) (conn net.Conn, err error) {
	err = n.Netns.Do(func() error {
		var err error
		conn, err = net.DialTimeout("tcp", address, 5*time.Second)
		return err
	})
	return conn, err
}

// socket probes a unix socket.
func socket(path string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// seldomCollecting has a program collect its garbage a quarter as often as it would, until it has so much memory: a machine that is also
// developed on has more of that than cores.
func seldomCollecting(until string) []string { return []string{"GOGC=400", "GOMEMLIMIT=" + until} }

// EtcdDaemon stores the cluster's objects.
func (n *Node) EtcdDaemon() process.Daemon {
	client := fmt.Sprintf("http://127.0.0.1:%d", etcdPort)
	const peer = "http://127.0.0.1:2380"
	return process.Daemon{
		Name: "etcd", Inside: true, Env: seldomCollecting("1GiB"),
		Command: []string{
			n.Etcd.Binary("etcd"), "--name=node", "--data-dir=" + n.Layout.Path("etcd"),
			"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
			"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=node=" + peer,
			"--log-level=warn", "--auto-compaction-retention=1h", "--quota-backend-bytes=4294967296",
		},
		Ready: n.answers(client + "/health"),
	}
}

const frontProxy = "front-proxy-client"

// auditPolicy has the API server record what the platform's programs ask for.
//
//go:embed audit.yaml
var auditPolicy string

const auditPolicyFile = "audit.yaml"

// APIServerDaemon is the Kubernetes API server.
func (n *Node) APIServerDaemon() process.Daemon {
	return process.Daemon{
		Name: "kube-apiserver", Inside: true, Env: seldomCollecting("3GiB"),
		Command: []string{
			n.Kubernetes.Binary("kube-apiserver"),
			fmt.Sprintf("--etcd-servers=http://127.0.0.1:%d", etcdPort),
			"--bind-address=0.0.0.0", "--advertise-address=" + layout.NodeIP,
			fmt.Sprintf("--secure-port=%d", layout.APIServerPort),
			"--service-cluster-ip-range=" + layout.ServiceCIDR,
			"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
			"--allow-privileged=true", "--anonymous-auth=true", "--profiling=false",
			"--client-ca-file=" + n.cert("ca"),
			"--tls-cert-file=" + n.cert("apiserver"), "--tls-private-key-file=" + n.key("apiserver"),
			"--kubelet-certificate-authority=" + n.cert("ca"),
			"--kubelet-client-certificate=" + n.cert("apiserver-kubelet"), "--kubelet-client-key=" + n.key("apiserver-kubelet"),
			// The node's name resolves nowhere.
			"--kubelet-preferred-address-types=InternalIP",
			"--service-account-issuer=https://kubernetes.default.svc." + layout.ClusterDomain,
			"--service-account-key-file=" + n.Layout.Path("pki", "service-accounts.pub"),
			"--service-account-signing-key-file=" + n.key("service-accounts"),
			// One authority signs everything, so the name has to tell the front proxy from other clients.
			"--requestheader-client-ca-file=" + n.cert("ca"), "--requestheader-allowed-names=" + frontProxy,
			"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
			"--requestheader-extra-headers-prefix=X-Remote-Extra-",
			"--proxy-client-cert-file=" + n.cert("front-proxy"), "--proxy-client-key-file=" + n.key("front-proxy"),
			"--event-ttl=2h",
			"--audit-policy-file=" + n.conf(auditPolicyFile), "--audit-log-path=" + n.Layout.Path("logs", "audit.log"),
			"--audit-log-maxsize=100", "--audit-log-maxbackup=1",
		},
		Inputs:   []string{n.cert("apiserver"), n.cert("ca"), n.conf(auditPolicyFile)},
		Ready:    n.answers(fmt.Sprintf("https://%s:%d/readyz", layout.NodeIP, layout.APIServerPort)),
		Patience: 2 * time.Minute,
	}
}

// ControllerManagerDaemon runs Kubernetes' own controllers.
func (n *Node) ControllerManagerDaemon() process.Daemon {
	kubeconfig := n.conf("controller-manager")
	return process.Daemon{
		Name: "controller-manager", Inside: true,
		Command: []string{
			n.Kubernetes.Binary("kube-controller-manager"), "--kubeconfig=" + kubeconfig,
			"--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
			"--bind-address=127.0.0.1", "--leader-elect=false", "--use-service-account-credentials=true",
			"--root-ca-file=" + n.cert("ca"), "--service-account-private-key-file=" + n.key("service-accounts"),
			"--cluster-signing-cert-file=" + n.cert("ca"), "--cluster-signing-key-file=" + n.key("ca"),
			"--service-cluster-ip-range=" + layout.ServiceCIDR, "--profiling=false",
			// Tests wait for what autoscalers do.
			"--horizontal-pod-autoscaler-sync-period=5s", "--horizontal-pod-autoscaler-downscale-stabilization=15s",
		},
		Inputs: []string{kubeconfig},
		Ready:  n.answers("https://127.0.0.1:10257/healthz"),
	}
}

// SchedulerDaemon assigns pods to the node.
func (n *Node) SchedulerDaemon() process.Daemon {
	kubeconfig := n.conf("scheduler")
	return process.Daemon{
		Name: "scheduler", Inside: true,
		Command: []string{
			n.Kubernetes.Binary("kube-scheduler"), "--kubeconfig=" + kubeconfig,
			"--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
			"--bind-address=127.0.0.1", "--leader-elect=false", "--profiling=false",
		},
		Inputs: []string{kubeconfig},
		Ready:  n.answers("https://127.0.0.1:10259/healthz"),
	}
}

// mkdirs creates folders below the state folder.
func (n *Node) mkdirs(names ...string) error {
	for _, name := range names {
		if err := os.MkdirAll(n.Layout.Path(name), 0o755); err != nil {
			return fmt.Errorf("creating the state folder: %w", err)
		}
	}
	return nil
}
