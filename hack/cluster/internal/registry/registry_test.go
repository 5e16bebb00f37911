package registry

import (
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func serve(t *testing.T, dir string) (address string) {
	t.Helper()
	handler, err := New(dir, log.New(io.Discard, "", 0))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func ref(t *testing.T, s string) name.Reference {
	t.Helper()
	r, err := name.ParseReference(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWhatWasPushedOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	address := serve(t, dir)
	image, err := random.Image(1024, 2)
	if err != nil {
		t.Fatal(err)
	}
	index, err := random.Index(1024, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref(t, address+"/a/b:v1"), image); err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref(t, address+"/a/index:v1"), index); err != nil {
		t.Fatal(err)
	}
	// A crash in the middle of a write leaves a file that is none of ours, or a broken one.
	if err := os.WriteFile(filepath.Join(dir, "manifests", "broken.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}

	address = serve(t, dir)
	want, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []string{address + "/a/b:v1", address + "/a/b@" + want.String()} {
		got, err := remote.Image(ref(t, r))
		if err != nil {
			t.Fatal(err)
		}
		if digest, err := got.Digest(); err != nil || digest != want {
			t.Errorf("%s is %s (%v), want %s", r, digest, err, want)
		}
		if _, err := got.Layers(); err != nil {
			t.Error(err)
		}
	}
	if _, err := remote.Index(ref(t, address+"/a/index:v1")); err != nil {
		t.Errorf("the index is gone: %v", err)
	}
}

func TestWhatWasDeletedStaysDeleted(t *testing.T) {
	dir := t.TempDir()
	address := serve(t, dir)
	image, err := random.Image(1024, 1)
	if err != nil {
		t.Fatal(err)
	}
	tag := ref(t, address+"/a:v1")
	if err := remote.Write(tag, image); err != nil {
		t.Fatal(err)
	}
	if err := remote.Delete(tag); err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Head(ref(t, serve(t, dir)+"/a:v1")); err == nil {
		t.Error("the manifest came back")
	}
}
