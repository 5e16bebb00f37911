package images

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestFingerprint(t *testing.T) {
	dir := t.TempDir()
	program, archive := filepath.Join(dir, "program"), filepath.Join(dir, "a.deb")
	for _, file := range []string{program, archive} {
		if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	spec := func() Spec {
		return Spec{Repository: "a", Files: map[string]string{"/a": program}, Packages: []string{archive}, Bare: true}
	}
	fingerprint := func(s Spec) string {
		t.Helper()
		f, err := s.Fingerprint()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	first := fingerprint(spec())
	if again := fingerprint(spec()); again != first {
		t.Errorf("the same image has the fingerprints %s and %s", first, again)
	}
	changed := spec()
	changed.Cmd = []string{"/a"}
	if fingerprint(changed) == first {
		t.Error("another command does not change the fingerprint")
	}
	for _, file := range []string{program, archive} {
		before := fingerprint(spec())
		if err := os.Chtimes(file, time.Now(), time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if fingerprint(spec()) == before {
			t.Errorf("a newer %s does not change the fingerprint", filepath.Base(file))
		}
	}
	absent := spec()
	absent.Files["/b"] = filepath.Join(dir, "absent")
	if _, err := absent.Fingerprint(); err == nil {
		t.Error("an image with a file that is not there has a fingerprint")
	}
}
