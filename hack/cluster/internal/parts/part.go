// Package parts lists what can be installed on the node, one value per part: which component it is built from, which
// objects it consists of and when it is ready. A new part is a new value in All.
package parts

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/openfunction/openfunction/hack/cluster/internal/build"
	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
	"github.com/openfunction/openfunction/hack/cluster/internal/manifests"
)

//go:embed yaml
var files embed.FS

// Part is something that runs on the node as pods.
type Part struct {
	// Name is what `up --with` and `status` call it.
	Name string
	// Needs names the parts that must be installed before.
	Needs []string
	// Optional parts are installed only when asked for.
	Optional bool
	// Component is the component its images are built from.
	Component string
	// Package is the Debian package its image holds, with all it depends on, in place of a component. Its objects call it ko://PACKAGE.
	Package string
	// Paths are where its objects expect programs in their images, by the program's name, if not at /ko-app/NAME. Such an image has no
	// entrypoint, as those that the objects were made for.
	Paths map[string]string
	// Build and Install are how long these take on a machine that has not done them before.
	Build, Install time.Duration
	// Objects returns what it consists of, with image names still as the component has them. A part without it is only built.
	Objects func(context.Context, Kit) ([]manifests.Object, error)
	// Namespaces are those whose Deployments and StatefulSets must be available.
	Namespaces []string
	// Workloads are the names of those that are its own, in a namespace that it shares with other parts; all of them when empty.
	Workloads []string
	// Missing says what else is not ready yet; nothing when nil.
	Missing func(context.Context, *manifests.Client) (string, error)
}

// Kit is what Objects may use.
type Kit struct {
	// Cache finds the source of modules.
	Cache build.Cache
	// ShellImage is the image with a shell.
	ShellImage string
	// Kubectl and Helm are the paths of these programs. Helm is there for parts that need the part of this name.
	Kubectl, Helm string
}

// All lists every part, each after those it needs. Those that take longest to get ready come early, so that they do while the others are
// installed: RabbitMQ boots for long, and Dapr's sentry begins anew when it sees the certificates that it has made.
func All() []Part {
	return []Part{coredns, helm, dapr, rabbitmq, tekton, knative, traefik, keda, kedaHTTP, redis, nats, mosquitto}
}

// Select returns the parts that are always installed, those asked for, and what they need.
func Select(with []string) ([]Part, error) {
	all := All()
	names := make([]string, 0, len(all))
	byName := map[string]Part{}
	for _, p := range all {
		names = append(names, p.Name)
		byName[p.Name] = p
	}
	wanted := map[string]bool{}
	var want func(name string) error
	want = func(name string) error {
		p, ok := byName[name]
		if !ok {
			return fmt.Errorf("there is no part %q; there are %s", name, strings.Join(names, ", "))
		}
		wanted[name] = true
		for _, need := range p.Needs {
			if err := want(need); err != nil {
				return err
			}
		}
		return nil
	}
	for _, p := range all {
		if !p.Optional || slices.Contains(with, p.Name) {
			if err := want(p.Name); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range with {
		if err := want(name); err != nil {
			return nil, err
		}
	}
	var selected []Part
	for _, p := range all {
		if wanted[p.Name] {
			selected = append(selected, p)
		}
	}
	return selected, nil
}

// embedded reads objects from this package's own files, filling in addresses.
func embedded(name string, replace ...string) ([]manifests.Object, error) {
	content, err := files.ReadFile("yaml/" + name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	replace = append(replace, "DNS_IP", layout.DNSIP, "INGRESS_IP", layout.IngressIP)
	return manifests.Parse([]byte(strings.NewReplacer(replace...).Replace(string(content))))
}
