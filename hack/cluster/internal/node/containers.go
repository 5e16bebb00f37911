package node

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/openfunction/openfunction/hack/cluster/internal/host"
	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
	"github.com/openfunction/openfunction/hack/cluster/internal/process"
)

// CNINetwork is the name of the pods' network.
const CNINetwork = "openfunction"

// LeaseFolder is where the addresses given to pods are noted.
func LeaseFolder(l layout.Layout) string { return l.Path("cni", "leases") }

// ContainerdDaemon runs containers. pause is the reference of the image that holds pods' namespaces.
func (n *Node) ContainerdDaemon(pause string) (process.Daemon, error) {
	config := n.containerdConfig(pause)
	if err := n.mkdirs("containerd/root", "containerd/state", "containerd/s", "containerd/runc", "cni/conf", "run"); err != nil {
		return process.Daemon{}, err
	}
	if err := n.write("containerd.toml", config); err != nil {
		return process.Daemon{}, err
	}
	hosts := fmt.Sprintf("server = \"http://%[1]s:%[2]d\"\n[host.\"http://%[1]s:%[2]d\"]\n  capabilities = [\"pull\", \"resolve\"]\n",
		layout.NodeIP, layout.RegistryPort)
	if err := n.write("certs.d/"+layout.RegistryName+"/hosts.toml", hosts); err != nil {
		return process.Daemon{}, err
	}
	network, err := n.cniConfig()
	if err != nil {
		return process.Daemon{}, err
	}
	if _, err := layout.WriteIfChanged(n.Layout.Path("cni", "conf", "10-openfunction.conflist"), network, 0o644); err != nil {
		return process.Daemon{}, err
	}
	return process.Daemon{
		Name: "containerd", Inside: true,
		Command: []string{n.Containerd.Binary("containerd"), "--config", n.conf("containerd.toml")},
		Inputs:  []string{n.conf("containerd.toml")},
		Ready:   socket(n.Layout.ContainerdSocket()),
	}, nil
}

func (n *Node) containerdConfig(pause string) string {
	l := n.Layout
	return fmt.Sprintf(`version = 3
root = %[1]q
state = %[2]q
imports = []
disabled_plugins = [
  "io.containerd.nri.v1.nri",
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.erofs",
]

[grpc]
  address = %[3]q

[plugins."io.containerd.internal.v1.opt"]
  path = %[11]q

[plugins."io.containerd.shim.v1.manager"]
  socket_dir = %[4]q

[plugins."io.containerd.cri.v1.images"]
  discard_unpacked_layers = true
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = %[5]q
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = %[6]q

[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = [%[7]q]
    conf_dir = %[8]q
    use_internal_loopback = true
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    runtime_path = %[9]q
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
    Root = %[10]q
    SystemdCgroup = false
`, l.Path("containerd", "root"), l.Path("containerd", "state"), l.ContainerdSocket(), l.Path("containerd", "s"), pause,
		n.conf("certs.d"), host.CNIPlugins(), l.Path("cni", "conf"), n.Containerd.Binary("containerd-shim-runc-v2"),
		l.Path("containerd", "runc"), l.Path("containerd", "opt"))
}

// cniConfig gives every pod a link of its own to the node. With a bridge, the answers of a Service's pod to another pod
// would bypass the address translation, unless the kernel sends bridged packets through iptables, which not all can.
func (n *Node) cniConfig() ([]byte, error) {
	return json.MarshalIndent(map[string]any{
		"cniVersion": "1.0.0",
		"name":       CNINetwork,
		"plugins": []any{map[string]any{
			"type": "ptp",
			"ipam": map[string]any{
				"type":    "host-local",
				"dataDir": LeaseFolder(n.Layout),
				"ranges":  []any{[]any{map[string]any{"subnet": layout.PodCIDR}}},
				"routes":  []any{map[string]any{"dst": "0.0.0.0/0"}},
			},
		}},
	}, "", "  ")
}

// KubeletDaemon runs pods.
func (n *Node) KubeletDaemon() (process.Daemon, error) {
	if err := n.mkdirs("kubelet", "kubelet/plugins", "logs/pods"); err != nil {
		return process.Daemon{}, err
	}
	config := map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
		"address":                       layout.NodeIP,
		"healthzBindAddress":            "127.0.0.1",
		"clusterDNS":                    []string{layout.DNSIP},
		"clusterDomain":                 layout.ClusterDomain,
		"resolvConf":                    "/dev/null",
		"cgroupDriver":                  "cgroupfs",
		"cgroupRoot":                    "/" + layout.CgroupRoot,
		"failCgroupV1":                  false,
		"failSwapOn":                    false,
		"containerRuntimeEndpoint":      "unix://" + n.Layout.ContainerdSocket(),
		"podLogsDir":                    n.Layout.Path("logs", "pods"),
		"volumePluginDir":               n.Layout.Path("kubelet", "plugins"),
		"maxPods":                       250,
		"serializeImagePulls":           false,
		"registryPullQPS":               0,
		"eventRecordQPS":                50,
		"localStorageCapacityIsolation": true,
		// A full disk of the host is the host's matter; pods that vanish for it are hard to understand.
		"evictionHard":                map[string]string{"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
		"imageGCHighThresholdPercent": 98,
		"imageGCLowThresholdPercent":  95,
		// Changes of Secrets and ConfigMaps, and of pods' state, show up without the usual minute of delay.
		"syncFrequency":  "20s",
		"authentication": map[string]any{"anonymous": map[string]any{"enabled": false}, "webhook": map[string]any{"enabled": true}, "x509": map[string]any{"clientCAFile": n.cert("ca")}},
		"authorization":  map[string]any{"mode": "Webhook"},
		"tlsCertFile":    n.cert("kubelet"), "tlsPrivateKeyFile": n.key("kubelet"),
		"shutdownGracePeriod": "0s",
	}
	if !host.MaySetOOMScore() {
		config["oomScoreAdj"] = 0
		config["featureGates"] = map[string]bool{"KubeletInUserNamespace": true}
	}
	content, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return process.Daemon{}, fmt.Errorf("writing the kubelet's configuration: %w", err)
	}
	if err := n.write("kubelet.json", string(content)); err != nil {
		return process.Daemon{}, err
	}
	return process.Daemon{
		Name: "kubelet", Inside: true,
		Command: []string{
			n.Kubernetes.Binary("kubelet"), "--config=" + n.conf("kubelet.json"), "--kubeconfig=" + n.conf("kubelet.kubeconfig"),
			"--hostname-override=" + layout.NodeName, "--node-ip=" + layout.NodeIP,
			"--root-dir=" + n.Layout.Path("kubelet"), "--cert-dir=" + n.Layout.Path("kubelet", "pki"),
		},
		Inputs: []string{n.conf("kubelet.json"), n.conf("kubelet.kubeconfig")},
		Ready:  n.answers("http://127.0.0.1:10248/healthz"),
	}, nil
}

// ProxyDaemon routes Services. It leaves the connection tracking table's limits alone, because they may be read-only.
func (n *Node) ProxyDaemon() (process.Daemon, error) {
	content, err := json.MarshalIndent(map[string]any{
		"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
		"mode":               "iptables",
		"bindAddress":        layout.NodeIP,
		"healthzBindAddress": "127.0.0.1:10256",
		"metricsBindAddress": "127.0.0.1:10249",
		"hostnameOverride":   layout.NodeName,
		"clusterCIDR":        layout.PodCIDR,
		"clientConnection":   map[string]any{"kubeconfig": n.conf("kube-proxy-kubeconf")},
		"iptables":           map[string]any{"minSyncPeriod": "200ms"},
		"conntrack": map[string]any{
			"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s",
			"udpTimeout": "0s", "udpStreamTimeout": "0s",
		},
	}, "", "  ")
	if err != nil {
		return process.Daemon{}, fmt.Errorf("writing kube-proxy's configuration: %w", err)
	}
	if err := n.write("kube-proxy.json", string(content)); err != nil {
		return process.Daemon{}, err
	}
	return process.Daemon{
		Name: "kube-proxy", Inside: true,
		Command: []string{n.Kubernetes.Binary("kube-proxy"), "--config=" + n.conf("kube-proxy.json")},
		Inputs:  []string{n.conf("kube-proxy.json"), n.conf("kube-proxy-kubeconf")},
		Ready:   n.answers("http://127.0.0.1:10256/livez"),
	}, nil
}

// removeAll removes folders below the state folder.
func removeAll(l layout.Layout, names ...string) error {
	for _, name := range names {
		if err := os.RemoveAll(l.Path(name)); err != nil {
			return fmt.Errorf("removing what a killed node left: %w", err)
		}
	}
	return nil
}
