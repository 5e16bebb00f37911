// Package layout says where the local cluster keeps its things and which names and addresses it uses. It is the only
// place that knows a path, a port or an address; it creates nothing.
package layout

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// Environment variables that override where things are.
const (
	// StateVariable names the state folder.
	StateVariable = "OPENFUNCTION_CLUSTER_DIR"
	// SourceVariable names the folder of this program's source, which holds components/.
	SourceVariable = "OPENFUNCTION_CLUSTER_SOURCE"
	// OwnerVariable is set in the environment of every process the cluster starts, to the state folder. It is how an
	// orphan is recognised as ours, even when no pid file was written for it.
	OwnerVariable = "OPENFUNCTION_CLUSTER_OWNER"
)

// Names and addresses inside the cluster's network namespace.
const (
	// Netns is the name of the network namespace everything runs in.
	Netns = "openfunction"
	// CgroupRoot is the cgroup, in every hierarchy, below which the kubelet creates those of the pods.
	CgroupRoot = "openfunction-cluster"
	// NodeName is the name of the one node.
	NodeName = "openfunction"
	// NodeIP is the address of the node; the registry, the git server and the API server listen on it.
	NodeIP = "10.241.0.1"
	// PodCIDR is the range pods get their addresses from.
	PodCIDR = "10.244.0.0/16"
	// ServiceCIDR is the range Services get their addresses from.
	ServiceCIDR = "10.96.0.0/16"
	// KubernetesIP is the address of the Service named kubernetes.
	KubernetesIP = "10.96.0.1"
	// DNSIP is the address of CoreDNS.
	DNSIP = "10.96.0.10"
	// IngressIP is the address of Traefik's public Service.
	IngressIP = "10.96.0.80"
	// ClusterDomain is the DNS domain of Services.
	ClusterDomain = "cluster.local"
	// IngressDomain is the domain Knative puts functions under. Inside the cluster it resolves to Traefik.
	IngressDomain = "openfunction.test"
	// RegistryName is the registry in image references. Clients made with go-containerregistry use plain http for a
	// name that ends in .local, so that no tool needs to be told that the registry is insecure.
	RegistryName = "registry.local:5000"
	// GitName is the git server's host name in the cluster.
	GitName = "git.local"
	// GoproxyName is the module proxy's host name in the cluster.
	GoproxyName = "goproxy.local"
)

// Ports inside the network namespace, on NodeIP.
const (
	APIServerPort = 6443
	RegistryPort  = 5000
	GitHTTPPort   = 80
	GitSSHPort    = 22
	GitDaemonPort = 9418
	GoproxyPort   = 8081
	IngressPort   = 80 // on IngressIP
)

// HostPorts are the first choices for the ports on the host's loopback, by the name of what is behind them.
func HostPorts() map[string]int {
	return map[string]int{
		"apiserver": 16443,
		"registry":  15000,
		"git-http":  13080,
		"git-ssh":   13022,
		"git":       13418,
		"ingress":   18080,
	}
}

// Layout holds the folders of one cluster.
type Layout struct {
	// State holds everything that belongs to the running cluster; `down` removes it.
	State string
	// Cache holds built binaries and step times; it survives `down`.
	Cache string
	// Source is the folder of this program's source.
	Source string
}

// Find works out the folders from the environment.
func Find() (Layout, error) {
	state := os.Getenv(StateVariable)
	if state == "" {
		state = "/var/lib/openfunction-cluster"
	}
	if !filepath.IsAbs(state) || len(state) > 60 {
		return Layout{}, fmt.Errorf("%s=%q must be an absolute path of at most 60 bytes, because sockets live in it",
			StateVariable, state)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return Layout{}, fmt.Errorf("finding the cache folder: %w; set HOME or XDG_CACHE_HOME", err)
	}
	source, err := findSource()
	if err != nil {
		return Layout{}, err
	}
	return Layout{
		State:  filepath.Clean(state),
		Cache:  filepath.Join(cache, "openfunction", "cluster"),
		Source: source,
	}, nil
}

// findSource returns the folder that holds components/: the one named by the environment, the working directory, the
// repository around it, or the folder this file was compiled from.
func findSource() (string, error) {
	candidates := []string{os.Getenv(SourceVariable)}
	if wd, err := os.Getwd(); err == nil {
		candidates = append(candidates, wd, filepath.Join(wd, "hack", "cluster"))
	}
	if _, file, _, ok := runtime.Caller(0); ok {
		candidates = append(candidates, filepath.Join(filepath.Dir(file), "..", ".."))
	}
	for _, dir := range candidates {
		if dir == "" {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, "components", "kubernetes", "go.mod")); err == nil {
			return filepath.Abs(dir)
		}
	}
	return "", errors.New("cannot find hack/cluster/components: run from the repository, or set " + SourceVariable)
}

// Path joins names below the state folder.
func (l Layout) Path(names ...string) string {
	return filepath.Join(append([]string{l.State}, names...)...)
}

// Component is the folder of a component's go.mod.
func (l Layout) Component(name string) string { return filepath.Join(l.Source, "components", name) }

// Kubeconfig is the administrator's kubeconfig that works from the host.
func (l Layout) Kubeconfig() string { return l.Path("kubeconfig") }

// InnerKubeconfig is the administrator's kubeconfig that works inside the network namespace.
func (l Layout) InnerKubeconfig() string { return l.Path("conf", "admin.kubeconfig") }

// ContainerdSocket is where containerd answers.
func (l Layout) ContainerdSocket() string { return l.Path("run", "containerd.sock") }

// Timings is the file with the duration of every step of the last run on this machine.
func (l Layout) Timings() string { return filepath.Join(l.Cache, "timings.json") }

// Lock is the file that keeps two commands from changing the cluster at once, and holds the state folder of the machine's
// cluster. It lies outside of the state folder, because `down` removes that.
func (l Layout) Lock() string { return "/run/openfunction-cluster.lock" }
