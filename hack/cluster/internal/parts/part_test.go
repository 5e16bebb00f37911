package parts

import (
	"slices"
	"strings"
	"testing"

	"github.com/openfunction/openfunction/hack/cluster/internal/build"
	"github.com/openfunction/openfunction/hack/cluster/internal/manifests"
)

func TestSelect(t *testing.T) {
	selected, err := Select(nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, p := range selected {
		for _, need := range p.Needs {
			if !seen[need] {
				t.Errorf("%s comes before %s, which it needs", p.Name, need)
			}
		}
		seen[p.Name] = true
	}
	if _, err := Select([]string{"nonsense"}); err == nil || !strings.Contains(err.Error(), "there are coredns") {
		t.Errorf("error is %v, want the parts that there are in it", err)
	}
}

func TestEveryPartHasAComponent(t *testing.T) {
	for _, p := range All() {
		if _, err := build.Find(p.Component); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}

func TestEmbeddedManifestsAreComplete(t *testing.T) {
	for _, file := range []string{"coredns.yaml", "traefik.yaml"} {
		objects, err := embedded(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			content, err := o.MarshalJSON()
			if err != nil || strings.Contains(string(content), "_IP") {
				t.Errorf("%s: %s %s is not filled in (%v)", file, o.GetKind(), o.GetName(), err)
			}
		}
		if !slices.ContainsFunc(objects, func(o manifests.Object) bool { return o.GetKind() == "Deployment" }) {
			t.Errorf("%s has no Deployment", file)
		}
	}
}
