// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/openfunction/openfunction/test/ports"
)

// Options say what a control plane is started with. The zero value is right for most suites.
type Options struct {
	// CRDs to install; nil means all that the kit knows.
	CRDs []CRDs
	// WithoutGarbageCollector leaves kube-controller-manager out, with the garbage collector and all else it runs, for suites that only
	// ask the API server.
	WithoutGarbageCollector bool
	// Audit makes the API server write every write request to the file AuditLog. Without it the variable OPENFUNCTION_AUDIT may name a folder
	// where to record all that our programs ask for; what is in it stays.
	Audit bool
	// StatusesOnly has the played engines give statuses and make nothing, to measure what our controllers cost.
	StatusesOnly bool
}

// ControlPlane is a running Kubernetes API with garbage collection and the controllers of workloads, and one node that nothing runs on.
type ControlPlane struct {
	// Config is an administrator's, without client-side rate limits.
	Config *rest.Config
	// Client reads and writes without a cache, as the administrator.
	Client client.Client
	// Scheme knows Kubernetes, Tekton, Knative Serving, KEDA, Dapr, Gateway API and our own kinds.
	Scheme *runtime.Scheme
	// Kubeconfig is the path of a file for the administrator.
	Kubeconfig string
	// AuditLog is the path of the audit log, one JSON document a line.
	AuditLog string

	dir      string
	env      *envtest.Environment
	tokens   map[string]string // by the name of the user
	programs map[string]string
	mapper   meta.RESTMapper
	etcd     *clientv3.Client
	worlds   atomic.Int64
	// statusesOnly is the option.
	statusesOnly bool

	mu        sync.Mutex
	collector *process
	server    *process // the API server, once it was killed
	mirror    *mirror
}

// Start starts a control plane. Stop it, also when the test fails.
func Start(ctx context.Context, o Options) (*ControlPlane, error) {
	keepLogs()
	sweep()
	programs, err := binaries(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", dirPrefix, os.Getpid()))
	if err != nil {
		return nil, err
	}
	cp := &ControlPlane{dir: dir, programs: programs, Scheme: newScheme(), statusesOnly: o.StatusesOnly}
	if err := cp.start(ctx, o); err != nil {
		return nil, errors.Join(err, cp.Stop())
	}
	return cp, nil
}

func (cp *ControlPlane) start(ctx context.Context, o Options) error {
	if o.CRDs == nil {
		o.CRDs = []CRDs{OpenFunction, Tekton, Knative, KEDA, KEDAHTTP, Dapr, GatewayAPI}
	}
	if err := cp.startAPIServer(o); err != nil {
		return err
	}
	var err error
	if cp.Client, err = client.New(cp.Config, client.Options{Scheme: cp.Scheme}); err != nil {
		return err
	}
	http, err := rest.HTTPClientFor(cp.Config)
	if err != nil {
		return err
	}
	if cp.mapper, err = apiutil.NewDynamicRESTMapper(cp.Config, http); err != nil {
		return err
	}
	if err := cp.install(ctx, o.CRDs...); err != nil {
		return err
	}
	if o.WithoutGarbageCollector {
		return nil
	}
	if err := cp.makeNode(ctx); err != nil {
		return fmt.Errorf("making the node: %w", err)
	}
	return cp.startCollector(ctx)
}

// makeNode makes a node, because a DaemonSet makes a pod for each there is. A new node has a taint until it is ready.
func (cp *ControlPlane) makeNode(ctx context.Context) error {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "kit"}}
	if err := cp.Client.Create(ctx, node); err != nil {
		return err
	}
	node.Spec.Taints = nil
	return cp.Client.Update(ctx, node)
}

func (cp *ControlPlane) startAPIServer(o Options) error {
	etcd := &envtest.Etcd{Path: cp.programs["etcd"], DataDir: filepath.Join(cp.dir, "etcd")}
	server := &envtest.APIServer{Path: cp.programs["kube-apiserver"], CertDir: filepath.Join(cp.dir, "apiserver")}
	for _, dir := range []string{etcd.DataDir, server.CertDir} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	address, err := ports.Address()
	if err != nil {
		return err
	}
	etcd.URL = &url.URL{Scheme: "http", Host: address}
	port, err := ports.Free()
	if err != nil {
		return err
	}
	server.SecureServing.Address, server.SecureServing.Port = "127.0.0.1", strconv.Itoa(port)
	// Pods have a service account on every cluster, and may ask for a token of it.
	server.Configure().Disable("disable-admission-plugins")
	// Some distributions guard owner references; a role must be enough there too.
	server.Configure().Append("enable-admission-plugins", "OwnerReferencesPermissionEnforcement")
	if err := cp.audit(o, server); err != nil {
		return err
	}
	tokens := filepath.Join(cp.dir, "tokens.csv")
	if err := cp.writeTokens(tokens); err != nil {
		return err
	}
	server.Configure().Set("token-auth-file", tokens)
	// The usual 254 addresses are used up by some hundred worlds.
	server.Configure().Set("service-cluster-ip-range", "10.0.0.0/16")
	cp.env = &envtest.Environment{
		ControlPlane:             envtest.ControlPlane{APIServer: server, Etcd: etcd, KubectlPath: cp.programs["kube-apiserver"]},
		Scheme:                   cp.Scheme,
		ControlPlaneStartTimeout: 3 * time.Minute, // on a busy machine
		ControlPlaneStopTimeout:  time.Minute,
	}
	if _, err := cp.env.Start(); err != nil {
		return fmt.Errorf("starting etcd and kube-apiserver: %w", err)
	}
	if err := cp.dialEtcd(); err != nil {
		return fmt.Errorf("reaching etcd: %w", err)
	}
	cp.Config = cp.configOf(administrator)
	cp.Kubeconfig = filepath.Join(cp.dir, "kubeconfig")
	return writeKubeconfig(cp.Kubeconfig, cp.Config)
}

// AuditFolder is the variable that names the folder for audit logs.
const AuditFolder = "OPENFUNCTION_AUDIT"

// audit makes the API server keep an audit log if one is wanted.
func (cp *ControlPlane) audit(o Options, server *envtest.APIServer) error {
	policy := filepath.Join(cp.dir, "audit-policy.yaml")
	folder := os.Getenv(AuditFolder)
	switch {
	case o.Audit:
		if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
			return err
		}
		cp.AuditLog = filepath.Join(cp.dir, "audit.log")
	case folder != "":
		root, err := Root()
		if err != nil {
			return err
		}
		policy = filepath.Join(root, "hack/cluster/internal/node/audit.yaml")
		cp.AuditLog = filepath.Join(folder, filepath.Base(cp.dir)+".log")
	default:
		return nil
	}
	server.Configure().Set("audit-log-path", cp.AuditLog).Set("audit-policy-file", policy)
	return nil
}

// auditPolicy records who wrote what, once, when the request is over.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  verbs: [create, update, patch, delete, deletecollection]
- level: None
`

// startCollector runs those controllers of kube-controller-manager that every cluster has and that need no more of a node than its name:
// the pods they make are played.
func (cp *ControlPlane) startCollector(ctx context.Context) error {
	p, err := startProcess(cp.programs["kube-controller-manager"],
		"--kubeconfig="+cp.Kubeconfig,
		"--controllers=garbage-collector-controller,namespace-controller,serviceaccount-controller,"+
			"deployment-controller,replicaset-controller,statefulset-controller,daemonset-controller,job-controller",
		"--leader-elect=false", "--secure-port=0", "--bind-address=127.0.0.1",
		"--use-service-account-credentials=false",
		"--kube-api-qps=1000", "--kube-api-burst=2000", "--concurrent-gc-syncs=20",
	)
	if err != nil {
		return fmt.Errorf("starting kube-controller-manager: %w", err)
	}
	cp.mu.Lock()
	cp.collector = p
	cp.mu.Unlock()
	return nil
}

// Install adds definitions, as an administrator would, and waits until they are served.
func (cp *ControlPlane) Install(ctx context.Context, sets ...CRDs) error {
	if err := cp.install(ctx, sets...); err != nil {
		return err
	}
	return cp.discoverAgain(ctx)
}

// Uninstall removes definitions with all their objects.
func (cp *ControlPlane) Uninstall(ctx context.Context, sets ...CRDs) error {
	crds, err := loadAll(ctx, sets)
	if err != nil {
		return err
	}
	for _, crd := range crds {
		if err := client.IgnoreNotFound(cp.Client.Delete(ctx, crd)); err != nil {
			return err
		}
	}
	if err := poll(ctx, 20*time.Second, "the definitions to go", func() (bool, error) {
		for _, crd := range crds {
			err := cp.Client.Get(ctx, client.ObjectKeyFromObject(crd), &apiextensionsv1.CustomResourceDefinition{})
			if client.IgnoreNotFound(err) != nil || err == nil {
				return false, err
			}
		}
		return true, nil
	}); err != nil {
		return err
	}
	return cp.discoverAgain(ctx)
}

func (cp *ControlPlane) install(ctx context.Context, sets ...CRDs) error {
	crds, err := loadAll(ctx, sets)
	if err != nil {
		return err
	}
	_, err = envtest.InstallCRDs(cp.Config, envtest.CRDInstallOptions{CRDs: crds, MaxTime: time.Minute, PollInterval: 50 * time.Millisecond})
	return err
}

func loadAll(ctx context.Context, sets []CRDs) ([]*apiextensionsv1.CustomResourceDefinition, error) {
	var crds []*apiextensionsv1.CustomResourceDefinition
	for _, set := range sets {
		more, err := set.load(ctx)
		if err != nil {
			return nil, err
		}
		crds = append(crds, more...)
	}
	return crds, nil
}

// discoverAgain restarts what learns the served kinds only now and then, so that no test waits for it.
func (cp *ControlPlane) discoverAgain(ctx context.Context) error {
	cp.mu.Lock()
	collector, mirror := cp.collector, cp.mirror
	cp.mu.Unlock()
	if mirror != nil {
		if err := mirror.discover(ctx); err != nil {
			return err
		}
	}
	if collector == nil {
		return nil
	}
	if err := collector.stop(); err != nil {
		return err
	}
	return cp.startCollector(ctx)
}

// Stop ends every process that Start started and removes their files.
func (cp *ControlPlane) Stop() error {
	cp.mu.Lock()
	collector, server, mirror := cp.collector, cp.server, cp.mirror
	cp.collector, cp.server, cp.mirror = nil, nil, nil
	cp.mu.Unlock()
	var errs []error
	if mirror != nil {
		mirror.stop()
	}
	if collector != nil {
		errs = append(errs, collector.stop())
	}
	if server != nil {
		errs = append(errs, server.stop())
	}
	if cp.etcd != nil {
		errs = append(errs, cp.etcd.Close())
	}
	if cp.env != nil {
		errs = append(errs, cp.env.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(cp.dir))...)
}

// poll asks every few milliseconds until done, and says what it waited for when the time is up.
func poll(ctx context.Context, limit time.Duration, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		ok, err := done()
		if ok && err == nil {
			return nil
		}
		if err != nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return gaveUp(what, limit, last)
		case <-tick.C:
		}
	}
}

func gaveUp(what string, limit time.Duration, last error) error {
	text := strings.TrimSpace(fmt.Sprintf("waited %s for %s", limit, what))
	if last != nil {
		return fmt.Errorf("%s: %w", text, last)
	}
	return errors.New(text)
}
