package parts

import (
	"context"
	"path/filepath"
	"time"

	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
	"github.com/openfunction/openfunction/hack/cluster/internal/manifests"
)

var knative = Part{
	Name:       "knative",
	Needs:      []string{"coredns"},
	Component:  "knative",
	Build:      3 * time.Minute,
	Install:    30 * time.Second,
	Namespaces: []string{"knative-serving"},
	Objects: func(ctx context.Context, kit Kit) ([]manifests.Object, error) {
		var objects []manifests.Object
		for _, from := range []struct{ module, folder string }{
			{"knative.dev/networking", "config"}, {"knative.dev/caching", "config"}, {"knative.dev/serving", "config/core"},
		} {
			dir, err := kit.Cache.ModuleDir(ctx, "knative", from.module)
			if err != nil {
				return nil, err
			}
			some, err := manifests.ReadDir(filepath.Join(dir, filepath.FromSlash(from.folder)), nil)
			if err != nil {
				return nil, err
			}
			objects = append(objects, some...)
		}
		return manifests.Adapt(unique(objects), withoutScalers, manifests.Frugal,
			manifests.ConfigData("config-network", map[string]string{
				"ingress-class": "traefik.ingress.networking.knative.dev",
			}),
			// Functions learn their pod's name from a fieldRef.
			manifests.ConfigData("config-features", map[string]string{"kubernetes.podspec-fieldref": "enabled"}),
			manifests.ConfigData("config-domain", map[string]string{layout.IngressDomain: ""}),
			manifests.ConfigData("config-deployment", map[string]string{
				"registries-skipping-tag-resolving": layout.RegistryName,
			}),
		), nil
	},
}

// unique leaves out objects that are in more than one of the modules.
func unique(objects []manifests.Object) []manifests.Object {
	seen := map[string]bool{}
	return manifests.Adapt(objects, func(o *manifests.Object) bool {
		key := o.GroupVersionKind().GroupKind().String() + " " + o.GetNamespace() + "/" + o.GetName()
		again := seen[key]
		seen[key] = true
		return !again
	})
}
