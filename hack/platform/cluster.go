// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Cluster is what a program needs to know of a cluster. The JSON names are those of `hack/cluster endpoints`.
type Cluster struct {
	// Kubeconfig is the path of an administrator's kubeconfig.
	Kubeconfig string `json:"kubeconfig"`
	// RegistryHost is where this machine pushes images, e.g. "127.0.0.1:15000".
	RegistryHost string `json:"registryHost"`
	// RegistryCluster is the name of the same registry inside the cluster, e.g. "registry.local:5000".
	RegistryCluster string `json:"registryCluster"`
	// PlainRegistry tells that the registry speaks HTTP without TLS, as the local cluster's does.
	PlainRegistry bool `json:"-"`
	// IngressHost is where this machine reaches the HTTP ingress; empty where external addresses resolve by themselves.
	IngressHost string `json:"ingressHost"`
	// GitHost and GitCluster are the base URLs of the git server as this machine and as pods see it; empty without one.
	GitHost    string `json:"gitHost"`
	GitCluster string `json:"gitCluster"`
	// GitSSHCluster and GitDaemonCluster are the base URLs of the same repositories over ssh and the git protocol.
	GitSSHCluster    string `json:"gitSSHCluster"`
	GitDaemonCluster string `json:"gitDaemonCluster"`
	// GitUser, GitPassword, GitSSHKey and GitKnownHosts open its private area; the last two are paths of files.
	GitUser       string `json:"gitUser"`
	GitPassword   string `json:"gitPassword"`
	GitSSHKey     string `json:"gitSSHKey"`
	GitKnownHosts string `json:"gitKnownHosts"`
	// GoProxyCluster is a Go module proxy that pods reach; empty to let builds use the public one.
	GoProxyCluster string `json:"goproxyCluster"`
	// ShellImage is an image with a shell that the cluster can pull; empty where the cluster brings none.
	ShellImage string `json:"shellImage"`
	// DaprdImage is Dapr's sidecar as the cluster's registry has it; empty to use the published one.
	DaprdImage string `json:"daprdImage"`
	// Helm is a helm that was built with the cluster; empty where the cluster brings none.
	Helm string `json:"helm"`
	// Kubectl is a kubectl that fits the cluster.
	Kubectl string `json:"kubectl"`
}

// Find returns the cluster to work on: the one KUBECONFIG names when it answers, else the local one, which is started when it does not
// run, with the parts named by with besides the ones it always has. Progress goes to out. A cluster of the user's own needs the variable
// REGISTRY: a registry that this machine may push to and the cluster may pull from; what engines and brokers it has is its own matter.
func Find(ctx context.Context, root string, out io.Writer, with ...string) (Cluster, error) {
	if path := os.Getenv("KUBECONFIG"); path != "" {
		err := reachable(path)
		if err == nil {
			return own(path)
		}
		fmt.Fprintf(out, "KUBECONFIG=%s does not answer (%v); using the local cluster\n", path, err)
	}
	if os.Geteuid() != 0 {
		return Cluster{}, errors.New("the local cluster needs root: run as root, or point KUBECONFIG at a cluster of yours")
	}
	if err := run(ctx, out, root, "go", "run", "-C", "hack/cluster", ".", "up", "--with="+strings.Join(with, ",")); err != nil {
		return Cluster{}, fmt.Errorf("starting the local cluster: %w", err)
	}
	return Local(ctx, root)
}

// Local returns the local cluster as it runs.
func Local(ctx context.Context, root string) (Cluster, error) {
	command := exec.CommandContext(ctx, "go", "run", "-C", "hack/cluster", ".", "endpoints")
	command.Dir, command.Stderr = root, os.Stderr
	text, err := command.Output()
	if err != nil {
		return Cluster{}, fmt.Errorf("asking the local cluster for its endpoints: %w", err)
	}
	cluster := Cluster{PlainRegistry: true}
	if err := json.Unmarshal(text, &cluster); err != nil {
		return Cluster{}, fmt.Errorf("reading the local cluster's endpoints: %w", err)
	}
	return cluster, nil
}

func own(kubeconfig string) (Cluster, error) {
	registry := os.Getenv("REGISTRY")
	if registry == "" {
		return Cluster{}, errors.New("KUBECONFIG names a cluster of yours: set REGISTRY to a registry, e.g. ghcr.io/you, that this machine may push to " +
			"and the cluster may pull from, or unset KUBECONFIG to use the local cluster")
	}
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		return Cluster{}, errors.New("kubectl is not installed; install it, or unset KUBECONFIG to use the local cluster, which brings its own")
	}
	return Cluster{Kubeconfig: kubeconfig, RegistryHost: registry, RegistryCluster: registry, IngressHost: os.Getenv("INGRESS"), Kubectl: kubectl}, nil
}

// Config returns a client configuration for the cluster.
func (c Cluster) Config() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", c.Kubeconfig, err)
	}
	config.QPS, config.Burst = 50, 100
	return config, nil
}

func reachable(kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.Timeout = 5 * time.Second
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	_, err = client.ServerVersion()
	return err
}

func run(ctx context.Context, out io.Writer, dir, name string, args ...string) error {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir, command.Stdout, command.Stderr = dir, out, out
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s %v: %w", name, args, err)
	}
	return nil
}
