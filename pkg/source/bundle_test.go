// SPDX-License-Identifier: Apache-2.0

package source

import (
	"archive/tar"
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func archive(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		content := []byte{}
		if h.Typeflag == tar.TypeReg {
			content = []byte("content of " + h.Name)
			h.Size = int64(len(content))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestBundle(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	ref, err := name.ParseReference(host + "/team/bundle:v1")
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(empty.Image,
		static.NewLayer(archive(t,
			tar.Header{Name: "./handler.go", Typeflag: tar.TypeReg, Mode: 0o600},
			tar.Header{Name: "old.go", Typeflag: tar.TypeReg, Mode: 0o600},
			tar.Header{Name: "bin/run", Typeflag: tar.TypeReg, Mode: 0o700},
			tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "bin/run"},
		), types.OCIUncompressedLayer),
		static.NewLayer(archive(t, tar.Header{Name: ".wh.old.go", Typeflag: tar.TypeReg}), types.OCIUncompressedLayer))
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, image); err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}

	dest := filepath.Join(t.TempDir(), "source")
	got, err := Fetch(t.Context(), Request{Bundle: &Bundle{Image: ref.String(), Keychain: authn.NewMultiKeychain()}, Dest: dest})
	if err != nil {
		t.Fatal(err)
	}
	if got.BundleDigest != digest.String() {
		t.Errorf("digest %s, want %s", got.BundleDigest, digest)
	}
	if text, _ := os.ReadFile(filepath.Join(dest, "link")); string(text) != "content of bin/run" {
		t.Errorf("link leads to %q", text)
	}
	if _, err := os.Stat(filepath.Join(dest, "old.go")); !os.IsNotExist(err) {
		t.Errorf("old.go is there though a later layer removes it: %v", err)
	}
	if info, _ := os.Stat(filepath.Join(dest, "bin/run")); info.Mode().Perm() != 0o777 {
		t.Errorf("bin/run has mode %v, want it executable by all", info.Mode())
	}

	_, err = Fetch(t.Context(), Request{Bundle: &Bundle{Image: host + "/team/other:v1"}, Dest: t.TempDir()})
	if ReasonOf(err) != BundleNotFound || err == nil {
		t.Errorf("got %v, want BundleNotFound", err)
	}
	_, err = Fetch(t.Context(), Request{Bundle: &Bundle{Image: "UPPER/case"}, Dest: t.TempDir()})
	if ReasonOf(err) != InvalidSource || err == nil {
		t.Errorf("got %v, want InvalidSource", err)
	}
}

func TestBundleRefused(t *testing.T) {
	for name, headers := range map[string][]tar.Header{
		"Parent":             {{Name: "../x", Typeflag: tar.TypeReg}},
		"ParentInside":       {{Name: "a/../../x", Typeflag: tar.TypeReg}},
		"AbsoluteLink":       {{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "/etc"}},
		"LinkToParent":       {{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "../.."}},
		"HardLinkToParent":   {{Name: "a", Typeflag: tar.TypeLink, Linkname: "../../secret"}},
		"HardLinkToAbsolute": {{Name: "a", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}},
		"Device":             {{Name: "a", Typeflag: tar.TypeChar}},
		"Fifo":               {{Name: "a", Typeflag: tar.TypeFifo}},
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			dest := filepath.Join(parent, "source")
			if err := os.Mkdir(dest, 0o755); err != nil {
				t.Fatal(err)
			}
			if _, err := unpack(bytes.NewReader(archive(t, headers...)), dest); ReasonOf(err) != InvalidSource || err == nil {
				t.Errorf("got %v, want InvalidSource", err)
			}
			if left := filesBelow(t, parent); len(left) != 0 {
				t.Errorf("%v was written", left)
			}
		})
	}
}

func TestBundleWritesOnlyBelowItsFolder(t *testing.T) {
	parent := t.TempDir()
	dest := filepath.Join(parent, "source")
	if err := os.MkdirAll(filepath.Join(dest, "in"), 0o755); err != nil {
		t.Fatal(err)
	}
	// A link that was put there by other means still leads nowhere.
	if err := os.Symlink(parent, filepath.Join(dest, "out")); err != nil {
		t.Fatal(err)
	}
	_, err := unpack(bytes.NewReader(archive(t, tar.Header{Name: "out/escaped", Typeflag: tar.TypeReg})), dest)
	if err == nil {
		t.Error("wrote through a link that leaves the folder")
	}
	if _, err := os.Stat(filepath.Join(parent, "escaped")); !os.IsNotExist(err) {
		t.Error("escaped was written outside the folder")
	}
	if _, err := unpack(bytes.NewReader(archive(t, tar.Header{Name: "/abs/file", Typeflag: tar.TypeReg})), dest); err != nil {
		t.Errorf("absolute names are below the folder: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dest, "abs/file")); err != nil {
		t.Error(err)
	}
}

// FuzzBundlePath holds that a name that is accepted stays below the source folder.
func FuzzBundlePath(f *testing.F) {
	for _, n := range []string{"a", "./a", "/a", "../a", "a/../b", "a/./b", "..", "", "a/..", "…/..\x00", "a\\..\\b"} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, entry string) {
		to, err := bundlePath(entry)
		if err != nil {
			return
		}
		if !filepath.IsLocal(to) {
			t.Errorf("bundlePath(%q) = %q, which leaves the folder", entry, to)
		}
		if filepath.Clean(to) != to {
			t.Errorf("bundlePath(%q) = %q, which is not clean", entry, to)
		}
	})
}
