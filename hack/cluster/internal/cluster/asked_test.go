package cluster

import (
	"os"
	"slices"
	"testing"

	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
	"github.com/openfunction/openfunction/hack/cluster/internal/parts"
)

func TestRememberAddsUp(t *testing.T) {
	c := &Cluster{Layout: layout.Layout{State: t.TempDir()}}
	has := func(selected []parts.Part, name string) bool {
		return slices.ContainsFunc(selected, func(p parts.Part) bool { return p.Name == name })
	}
	selected, err := c.remember(nil)
	if err != nil || has(selected, "keda") {
		t.Fatalf("keda was selected and not asked for (%v)", err)
	}
	if _, err := os.Stat(c.Layout.Path("with")); err == nil {
		t.Error("nothing was asked for, and that was written down")
	}
	for _, with := range [][]string{{"redis", "redis"}, {"keda-http"}, nil} {
		if selected, err = c.remember(with); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"redis", "keda", "keda-http", "knative"} {
		if !has(selected, name) {
			t.Errorf("%s is forgotten", name)
		}
	}
	if err := os.WriteFile(c.Layout.Path("with"), []byte("redis\nof-another-version\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	asked, err := c.asked()
	if err != nil || !slices.Equal(asked, []string{"redis"}) {
		t.Errorf("asked for are %v (%v), want redis alone", asked, err)
	}
}
