package parts

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openfunction/openfunction/hack/cluster/internal/manifests"
)

const (
	daprModule    = "github.com/dapr/dapr"
	daprNamespace = "dapr-system"
	// DaprdProgram is the sidecar: our own main package, which has more components than the stable ones.
	DaprdProgram = "cluster.local/components/dapr/daprd"
)

var dapr = Part{
	Name:       "dapr",
	Needs:      []string{"coredns", "helm"},
	Optional:   true,
	Component:  "dapr",
	Build:      6 * time.Minute,
	Install:    20 * time.Second,
	Namespaces: []string{daprNamespace},
	// The injector gives "/daprd" as the first argument, to an image without an entrypoint.
	Paths: map[string]string{
		"daprd": "/daprd", "injector": "/injector", "operator": "/operator", "placement": "/placement",
		"scheduler": "/scheduler", "sentry": "/sentry",
	},
	Objects: func(ctx context.Context, kit Kit) ([]manifests.Object, error) {
		dir, err := kit.Cache.ModuleDir(ctx, "dapr", daprModule)
		if err != nil {
			return nil, err
		}
		args := []string{"template", "dapr", filepath.Join(dir, "charts", "dapr"), "--namespace", daprNamespace, "--include-crds"}
		for _, value := range daprValues() {
			args = append(args, "--set", value)
		}
		objects, err := manifests.Run(ctx, kit.Helm, args...)
		if err != nil {
			return nil, err
		}
		namespace := manifests.Object{}
		namespace.SetAPIVersion("v1")
		namespace.SetKind("Namespace")
		namespace.SetName(daprNamespace)
		objects = append(objects, namespace)
		return manifests.Adapt(objects, withoutScalers, manifests.Frugal, oneScheduler), nil
	},
	Missing: func(ctx context.Context, c *manifests.Client) (string, error) {
		// A pod made before this would silently get no sidecar.
		webhooks := schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingwebhookconfigurations"}
		return c.WithoutAuthority(ctx, webhooks, "dapr-sidecar-injector")
	},
}

// daprValues are the chart's values: our images, and no storage, because the node provides none.
func daprValues() []string {
	values := []string{
		"dapr_sidecar_injector.image.name=ko://" + DaprdProgram,
		"dapr_sidecar_injector.injectorImage.name=ko://" + daprModule + "/cmd/injector",
		"dapr_scheduler.cluster.inMemoryStorage=true",
		"dapr_scheduler.workers=128",
		// Pod Security "restricted" wants it of every container.
		"dapr_sidecar_injector.sidecarDropALLCapabilities=true",
	}
	for _, program := range []string{"operator", "placement", "scheduler", "sentry"} {
		values = append(values, fmt.Sprintf("dapr_%s.image.name=ko://%s/cmd/%s", program, daprModule, program))
	}
	return values
}

// oneScheduler makes the scheduler a cluster of one: the chart has three, for which this one node is no safer.
func oneScheduler(o *manifests.Object) bool {
	if o.GetKind() != "StatefulSet" || o.GetName() != "dapr-scheduler-server" {
		return true
	}
	_ = unstructured.SetNestedField(o.Object, int64(1), "spec", "replicas") // Fails only if spec is no map.
	return manifests.Containers(func(c map[string]any) {
		args, _, _ := unstructured.NestedStringSlice(c, "args")
		for i, arg := range args {
			if i > 0 && args[i-1] == "--etcd-initial-cluster" {
				args[i], _, _ = strings.Cut(arg, ",")
			}
		}
		_ = unstructured.SetNestedStringSlice(c, args, "args")
	})(o)
}
