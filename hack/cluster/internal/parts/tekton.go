package parts

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/openfunction/openfunction/hack/cluster/internal/manifests"
)

var tekton = Part{
	Name:       "tekton",
	Needs:      []string{"coredns"},
	Component:  "tekton",
	Build:      4 * time.Minute,
	Install:    30 * time.Second,
	Namespaces: []string{"tekton-pipelines"},
	Objects: func(ctx context.Context, kit Kit) ([]manifests.Object, error) {
		dir, err := kit.Cache.ModuleDir(ctx, "tekton", "github.com/tektoncd/pipeline")
		if err != nil {
			return nil, err
		}
		// The remote resolvers need images with git and tini; nothing here resolves remotely.
		objects, err := manifests.ReadDir(filepath.Join(dir, "config"), func(path string) bool {
			return strings.HasPrefix(path, "resolvers"+string(filepath.Separator))
		})
		if err != nil {
			return nil, err
		}
		manifests.ReplaceStarting(objects, "cgr.dev/chainguard/busybox@", kit.ShellImage)
		// Pod Security "restricted" wants it of the containers that Tekton adds to every pod.
		restricted := manifests.ConfigData("feature-flags", map[string]string{"set-security-context": "true"})
		return manifests.Adapt(objects, withoutScalers, manifests.Frugal, restricted), nil
	},
}

// withoutScalers leaves out what only makes sense with several nodes and a metrics server.
var withoutScalers = manifests.Without("HorizontalPodAutoscaler", "PodDisruptionBudget")
