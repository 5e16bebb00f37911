package parts

import (
	"context"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openfunction/openfunction/hack/cluster/internal/manifests"
)

var traefik = Part{
	Name: "traefik",
	// Knative brings the kind of ingress that Traefik watches.
	Needs:      []string{"coredns", "knative"},
	Component:  "traefik",
	Build:      5 * time.Minute,
	Install:    15 * time.Second,
	Namespaces: []string{"traefik"},
	Objects: func(ctx context.Context, kit Kit) ([]manifests.Object, error) {
		// The Gateway API of the version that Traefik is built with: it watches every kind of it, and serves none while
		// one is missing.
		dir, err := kit.Cache.ModuleDir(ctx, "traefik", "sigs.k8s.io/gateway-api")
		if err != nil {
			return nil, err
		}
		definitions, err := manifests.ReadDir(filepath.Join(dir, "config", "crd", "standard"), nil)
		if err != nil {
			return nil, err
		}
		own, err := embedded("traefik.yaml")
		if err != nil {
			return nil, err
		}
		return append(manifests.Adapt(definitions, manifests.Only("CustomResourceDefinition")), own...), nil
	},
	Missing: func(ctx context.Context, c *manifests.Client) (string, error) {
		gateways := schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "gateways"}
		return c.MissingCondition(ctx, gateways, "traefik", "openfunction", "Programmed")
	},
}
