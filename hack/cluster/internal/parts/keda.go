package parts

import (
	"context"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openfunction/openfunction/hack/cluster/internal/manifests"
)

const (
	kedaModule     = "github.com/kedacore/keda/v2"
	kedaHTTPModule = "github.com/kedacore/http-add-on"
	kedaNamespace  = "keda"
)

var keda = Part{
	Name:       "keda",
	Needs:      []string{"coredns"},
	Optional:   true,
	Component:  "keda",
	Build:      8 * time.Minute,
	Install:    20 * time.Second,
	Namespaces: []string{kedaNamespace},
	Workloads:  []string{"keda-operator", "keda-metrics-apiserver", "keda-admission"},
	Paths: map[string]string{
		"operator": "/keda",
		"adapter":  "/keda-adapter",
		"webhooks": "/keda-admission-webhooks",
	},
	Objects: func(ctx context.Context, kit Kit) ([]manifests.Object, error) {
		objects, err := kit.kustomize(ctx, "keda", kedaModule)
		if err != nil {
			return nil, err
		}
		for image, program := range map[string]string{
			"ghcr.io/kedacore/keda:":                    "operator",
			"ghcr.io/kedacore/keda-metrics-apiserver:":  "adapter",
			"ghcr.io/kedacore/keda-admission-webhooks:": "webhooks",
		} {
			manifests.ReplaceStarting(objects, image, "ko://"+kedaModule+"/cmd/"+program)
		}
		return manifests.Adapt(objects, manifests.Frugal, manifests.Prompt), nil
	},
	Missing: func(ctx context.Context, c *manifests.Client) (string, error) {
		// Without it no ScaledObject scales beyond one replica.
		services := schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}
		return c.MissingCondition(ctx, services, "", "v1beta1.external.metrics.k8s.io", "Available")
	},
}

var kedaHTTP = Part{
	Name:       "keda-http",
	Needs:      []string{"keda"},
	Optional:   true,
	Component:  "keda-http",
	Build:      3 * time.Minute,
	Install:    15 * time.Second,
	Namespaces: []string{kedaNamespace},
	Workloads:  []string{"keda-add-ons-http-operator", "keda-add-ons-http-interceptor", "keda-add-ons-http-scaler"},
	Objects: func(ctx context.Context, kit Kit) ([]manifests.Object, error) {
		objects, err := kit.kustomize(ctx, "keda-http", kedaHTTPModule)
		if err != nil {
			return nil, err
		}
		return manifests.Adapt(objects, manifests.Frugal, manifests.Prompt), nil
	},
}

// kustomize renders the default installation that is part of a module.
func (k Kit) kustomize(ctx context.Context, component, module string) ([]manifests.Object, error) {
	dir, err := k.Cache.ModuleDir(ctx, component, module)
	if err != nil {
		return nil, err
	}
	return manifests.Run(ctx, k.Kubectl, "kustomize", filepath.Join(dir, "config", "default"))
}
