package images

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// archive makes a Debian package of files and links, given as path to content and path to target.
func archive(t *testing.T, name string, files, links map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	files["DEBIAN/control"] = "Package: " + name + "\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDescription: test\n"
	for file, content := range files {
		file = filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range links {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(t.TempDir(), name+"_1_all.deb")
	if output, err := exec.CommandContext(t.Context(), "dpkg-deb", "--build", dir, out).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v\n%s", err, output)
	}
	return out
}

func TestPackagesLayer(t *testing.T) {
	libc := archive(t, "libc6", map[string]string{"lib/x86_64-linux-gnu/libc.so.6": "libc"}, map[string]string{"lib/libc.so": "x86_64-linux-gnu/libc.so.6"})
	server := archive(t, "server", map[string]string{
		"usr/sbin/server": "program", "usr/share/doc/server/copyright": "text", "etc/server.conf": "a",
	}, nil)
	layer, err := packagesLayer(t.Context(), []string{server, libc})
	if err != nil {
		t.Fatal(err)
	}
	again, err := packagesLayer(t.Context(), []string{libc, server})
	if err != nil {
		t.Fatal(err)
	}
	first, _ := layer.Digest()
	if second, _ := again.Digest(); first != second {
		t.Errorf("the order of the packages changes the layer: %s and %s", first, second)
	}
	content, err := layer.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := got[h.Name]; twice {
			t.Errorf("%s is there twice", h.Name)
		}
		got[h.Name] = string(body) + h.Linkname
	}
	for name, want := range map[string]string{
		"lib": "usr/lib", "lib64": "usr/lib64", "usr/lib/x86_64-linux-gnu/libc.so.6": "libc", "usr/lib/libc.so": "x86_64-linux-gnu/libc.so.6",
		"usr/sbin/server": "program", "etc/server.conf": "a",
	} {
		if have, ok := got[name]; !ok || have != want {
			t.Errorf("%s is %q (%t), want %q", name, have, ok, want)
		}
	}
	for _, name := range []string{"usr/share/doc/server/copyright", "lib/", "./"} {
		if _, ok := got[name]; ok {
			t.Errorf("%s is in the layer", name)
		}
	}
	if _, err := packagesLayer(t.Context(), []string{filepath.Join(t.TempDir(), "absent.deb")}); err == nil {
		t.Error("a package that is not there makes a layer")
	}
}
