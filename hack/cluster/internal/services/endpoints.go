package services

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
)

// Endpoints tell others how to reach the cluster. They are written to endpoints.json and, as shell variables, to env.
type Endpoints struct {
	// Kubeconfig is the path of the administrator's kubeconfig, for use on the host.
	Kubeconfig string `json:"kubeconfig" env:"CLUSTER_KUBECONFIG"`
	// RegistryHost is where the host pushes images, by plain http.
	RegistryHost string `json:"registryHost" env:"CLUSTER_REGISTRY_HOST"`
	// RegistryCluster is the same registry in image references used inside the cluster.
	RegistryCluster string `json:"registryCluster" env:"CLUSTER_REGISTRY"`
	// GitHost is the base URL of repositories for the host; add /public/NAME.git or /private/NAME.git.
	GitHost string `json:"gitHost" env:"CLUSTER_GIT_HOST"`
	// GitCluster is the same for pods.
	GitCluster string `json:"gitCluster" env:"CLUSTER_GIT"`
	// GitSSHHost and GitSSHCluster are the bases for ssh.
	GitSSHHost    string `json:"gitSSHHost" env:"CLUSTER_GIT_SSH_HOST"`
	GitSSHCluster string `json:"gitSSHCluster" env:"CLUSTER_GIT_SSH"`
	// GitDaemonHost and GitDaemonCluster are the bases for the git protocol, which serves the public part; add /NAME.git.
	GitDaemonHost    string `json:"gitDaemonHost" env:"CLUSTER_GIT_DAEMON_HOST"`
	GitDaemonCluster string `json:"gitDaemonCluster" env:"CLUSTER_GIT_DAEMON"`
	// GitUser and GitPassword open the private part over http.
	GitUser     string `json:"gitUser" env:"CLUSTER_GIT_USER"`
	GitPassword string `json:"gitPassword" env:"CLUSTER_GIT_PASSWORD"`
	// GitSSHKey is the file of a private key that may use ssh; GitKnownHosts the file with the server's key.
	GitSSHKey     string `json:"gitSSHKey" env:"CLUSTER_GIT_SSH_KEY"`
	GitKnownHosts string `json:"gitKnownHosts" env:"CLUSTER_GIT_KNOWN_HOSTS"`
	// IngressHost takes http requests for functions on the host; the Host header chooses the function.
	IngressHost string `json:"ingressHost" env:"CLUSTER_INGRESS_HOST"`
	// IngressDomain is the domain of Knative's URLs.
	IngressDomain string `json:"ingressDomain" env:"CLUSTER_INGRESS_DOMAIN"`
	// IngressCluster is the ingress for pods.
	IngressCluster string `json:"ingressCluster" env:"CLUSTER_INGRESS"`
	// Gateway is namespace/name of the default Gateway.
	Gateway string `json:"gateway" env:"CLUSTER_GATEWAY"`
	// GoproxyCluster is a GOPROXY for pods.
	GoproxyCluster string `json:"goproxyCluster" env:"CLUSTER_GOPROXY"`
	// ShellImage is an image with a shell.
	ShellImage string `json:"shellImage" env:"CLUSTER_SHELL_IMAGE"`
	// Kubectl is the path of the kubectl that was built with the cluster.
	Kubectl string `json:"kubectl" env:"CLUSTER_KUBECTL"`
	// Helm is the path of helm, if it was built: with the part helm, or one that needs it.
	Helm string `json:"helm,omitempty" env:"CLUSTER_HELM"`
	// DaprdImage is the image of Dapr's sidecar, if the part dapr is there. It has no entrypoint: the command is /daprd.
	DaprdImage string `json:"daprdImage,omitempty" env:"CLUSTER_DAPRD_IMAGE"`
}

// EndpointsOf fills in what follows from the layout and the ports.
func EndpointsOf(l layout.Layout, p Ports) Endpoints {
	return Endpoints{
		Kubeconfig:       l.Kubeconfig(),
		RegistryHost:     loopback(p["registry"]),
		RegistryCluster:  layout.RegistryName,
		GitHost:          "http://" + loopback(p["git-http"]),
		GitCluster:       "http://" + layout.GitName,
		GitSSHHost:       "ssh://git@" + loopback(p["git-ssh"]),
		GitSSHCluster:    "ssh://git@" + layout.GitName,
		GitDaemonHost:    "git://" + loopback(p["git"]),
		GitDaemonCluster: "git://" + layout.GitName,
		GitUser:          gitUser,
		GitSSHKey:        l.Path("git", "client_key"),
		GitKnownHosts:    l.Path("git", "known_hosts"),
		IngressHost:      loopback(p["ingress"]),
		IngressDomain:    layout.IngressDomain,
		IngressCluster:   "http://traefik.traefik.svc." + layout.ClusterDomain,
		Gateway:          "traefik/openfunction",
		GoproxyCluster:   fmt.Sprintf("http://%s:%d", layout.GoproxyName, layout.GoproxyPort),
	}
}

// Env writes the endpoints as lines of a shell file.
func (e Endpoints) Env() string {
	var b strings.Builder
	v := reflect.ValueOf(e)
	for i := range v.NumField() {
		_, _ = fmt.Fprintf(&b, "%s='%s'\n", v.Type().Field(i).Tag.Get("env"), v.Field(i).String())
	}
	return b.String()
}

// JSON writes the endpoints for programs.
func (e Endpoints) JSON() []byte {
	content, _ := json.MarshalIndent(e, "", "  ") // Strings always encode.
	return append(content, '\n')
}

// Save writes both files. They hold a password, though one that opens nothing but this machine's test repositories.
func (e Endpoints) Save(l layout.Layout) error {
	if _, err := layout.WriteIfChanged(l.Path("endpoints.json"), e.JSON(), 0o600); err != nil {
		return err
	}
	_, err := layout.WriteIfChanged(l.Path("env"), []byte(e.Env()), 0o600)
	return err
}

// LoadEndpoints reads what Save wrote.
func LoadEndpoints(l layout.Layout) (Endpoints, error) {
	content, err := os.ReadFile(l.Path("endpoints.json"))
	if err != nil {
		return Endpoints{}, fmt.Errorf("reading the endpoints: %w; start the cluster with `up`", err)
	}
	var e Endpoints
	if err := json.Unmarshal(content, &e); err != nil {
		return Endpoints{}, fmt.Errorf("reading the endpoints: %w; run `up` again", err)
	}
	return e, nil
}
