package cluster

import (
	"testing"

	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
)

func TestUploadsOfAnotherProgramDoNotCount(t *testing.T) {
	l := layout.Layout{State: t.TempDir()}
	u := loadUploads(l, []byte("this program"))
	if len(u.Images) != 0 {
		t.Fatalf("an empty folder holds %v", u.Images)
	}
	u.Images["print"] = "registry.local:5000/a@sha256:1"
	if err := u.save(l); err != nil {
		t.Fatal(err)
	}
	if again := loadUploads(l, []byte("this program")); again.Images["print"] != u.Images["print"] {
		t.Errorf("remembered are %v, want %v", again.Images, u.Images)
	}
	if other := loadUploads(l, []byte("a changed program")); len(other.Images) != 0 {
		t.Errorf("what another program assembled is taken for the same: %v", other.Images)
	}
}
