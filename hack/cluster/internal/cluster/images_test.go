package cluster

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
)

func TestUploadsOfOtherCodeDoNotCount(t *testing.T) {
	l := layout.Layout{State: t.TempDir(), Source: t.TempDir()}
	code := filepath.Join(l.Source, "internal", "images", "images.go")
	if err := os.MkdirAll(filepath.Dir(code), 0o750); err != nil {
		t.Fatal(err)
	}
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(code, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func() uploads {
		t.Helper()
		u, err := loadUploads(l)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	write("this code")
	u := load()
	if len(u.Images) != 0 {
		t.Fatalf("an empty folder holds %v", u.Images)
	}
	u.Images["print"] = "registry.local:5000/a@sha256:1"
	if err := u.save(l); err != nil {
		t.Fatal(err)
	}
	if again := load(); again.Images["print"] != u.Images["print"] {
		t.Errorf("remembered are %v, want %v", again.Images, u.Images)
	}
	write("changed code")
	if other := load(); len(other.Images) != 0 {
		t.Errorf("what other code assembled is taken for the same: %v", other.Images)
	}
}
