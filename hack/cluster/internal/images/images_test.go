package images

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestAssemble(t *testing.T) {
	if _, err := os.Stat(certificates); err != nil {
		t.Skip("this machine has no certificates to put into images")
	}
	program := filepath.Join(t.TempDir(), "hello")
	if err := os.WriteFile(program, []byte("program"), 0o600); err != nil {
		t.Fatal(err)
	}
	spec := Spec{
		Repository: "a", Files: map[string]string{"/ko-app/hello": program}, Links: map[string]string{"/bin/sh": "/ko-app/hello"},
		Entrypoint: []string{"/ko-app/hello"},
	}
	image, err := Assemble(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Assemble(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := image.Digest()
	if second, _ := again.Digest(); first != second {
		t.Errorf("the same content gives %s and %s", first, second)
	}
	config, err := image.ConfigFile()
	if err != nil || config.Config.User != Nonroot || config.Config.Entrypoint[0] != "/ko-app/hello" {
		t.Errorf("the configuration is %+v (%v)", config, err)
	}
	modes := map[string]int64{}
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		content, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		for r := tar.NewReader(content); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			modes[h.Name] = h.Mode
		}
	}
	for file, want := range map[string]int64{"tmp/": 0o1777, "ko-app/hello": 0o755, "ko-app/": 0o755, "etc/passwd": 0o644, "bin/sh": 0o777, certificates[1:]: 0o644} {
		if got, ok := modes[file]; !ok || got != want {
			t.Errorf("%s has mode %o (%t), want %o", file, got, ok, want)
		}
	}
}

func TestRepositoryOf(t *testing.T) {
	seen := map[string]string{}
	for path, want := range map[string]string{
		"github.com/tektoncd/pipeline/cmd/controller": "cluster/pipeline-controller",
		"knative.dev/serving/cmd/controller":          "cluster/serving-controller",
		"github.com/coredns/coredns":                  "cluster/coredns-coredns",
		"github.com/traefik/traefik/v3/cmd/traefik":   "cluster/traefik-traefik",
	} {
		got := RepositoryOf(path)
		if got != want {
			t.Errorf("%s goes to %s, want %s", path, got, want)
		}
		if other, twice := seen[got]; twice {
			t.Errorf("%s and %s share a name", path, other)
		}
		seen[got] = path
	}
}
