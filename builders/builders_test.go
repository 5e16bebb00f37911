// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func sample(t *testing.T) layer {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("#!"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := layer{}
	l.file("etc/passwd", passwd)
	l.program("usr/bin/program", program)
	l.symlink("usr/bin/alias", "program")
	l.folder("tmp", fs.ModeSticky|0o777, 0)
	l.folder("home/cnb", 0o755, buildUser)
	return l
}

func TestLayer(t *testing.T) {
	var text bytes.Buffer
	if err := sample(t).write(&text); err != nil {
		t.Fatal(err)
	}
	got := map[string]*tar.Header{}
	var order []string
	for archive := tar.NewReader(&text); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got[h.Name] = h
		order = append(order, h.Name)
		if h.ModTime.Unix() != 0 {
			t.Errorf("%s has the time %v", h.Name, h.ModTime)
		}
	}
	want := []string{"etc/", "etc/passwd", "home/", "home/cnb/", "tmp/", "usr/", "usr/bin/", "usr/bin/alias", "usr/bin/program"}
	if !slices.Equal(order, want) {
		t.Errorf("entries are %v, want %v", order, want)
	}
	if h := got["tmp/"]; h.Mode != 0o1777 {
		t.Errorf("tmp has mode %o", h.Mode)
	}
	if h := got["home/cnb/"]; h.Uid != buildUser || h.Gid != buildUser {
		t.Errorf("home belongs to %d:%d", h.Uid, h.Gid)
	}
	if h := got["usr/bin/program"]; h.Mode != 0o755 || h.Size != 2 {
		t.Errorf("program is %+v", h)
	}
	if h := got["usr/bin/alias"]; h.Typeflag != tar.TypeSymlink || h.Linkname != "program" {
		t.Errorf("alias is %+v", h)
	}
}

// TestPush holds that equal images are pushed once, and that a tag follows the content.
func TestPush(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	to := registryAt(t, server)
	first, err := to.push(t.Context(), image{name: "x", layers: []layer{sample(t)}, config: v1.Config{User: user(nonrootUser)}})
	if err != nil {
		t.Fatal(err)
	}
	again, err := to.push(t.Context(), image{name: "x", layers: []layer{sample(t)}, config: v1.Config{User: user(nonrootUser)}})
	if err != nil {
		t.Fatal(err)
	}
	if first.unchanged || !again.unchanged || first.digest != again.digest {
		t.Errorf("first %+v, again %+v", first, again)
	}
	changed := sample(t)
	changed.file("new", "")
	third, err := to.push(t.Context(), image{name: "x", layers: []layer{changed}, config: v1.Config{User: user(nonrootUser)}})
	if err != nil {
		t.Fatal(err)
	}
	if third.unchanged || third.digest == first.digest {
		t.Errorf("a changed image is %+v", third)
	}
	ref, err := name.ParseReference(to.host + "/openfunction/x:latest")
	if err != nil {
		t.Fatal(err)
	}
	got, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	file, err := got.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if file.OS != "linux" || file.Architecture != runtime.GOARCH || file.Config.User != "65532:65532" || len(file.RootFS.DiffIDs) != 1 {
		t.Errorf("configuration is %+v", file)
	}
	if digest, _ := got.Digest(); digest != third.digest {
		t.Errorf("latest is %s, want %s", digest, third.digest)
	}
}

func TestLayersAreCompressedOnce(t *testing.T) {
	kept := func(folder string) []os.DirEntry {
		files, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	serve := func() *httptest.Server {
		server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
		t.Cleanup(server.Close)
		return server
	}
	to, content := registryAt(t, serve()), sample(t)
	push := func(name string) pushed {
		p, err := to.push(t.Context(), image{name: name, layers: []layer{content}})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := push("x")
	long := time.Now().Add(-2 * time.Hour)
	file := filepath.Join(to.layers, kept(to.layers)[0].Name())
	if err := os.Chtimes(file, long, long); err != nil {
		t.Fatal(err)
	}

	to.host = registryAt(t, serve()).host
	if again := push("x"); again.unchanged || again.digest != first.digest {
		t.Errorf("to an empty registry it is %+v, and was %+v", again, first)
	}
	if info, err := os.Stat(file); err != nil || !info.ModTime().Equal(long) {
		t.Errorf("it was compressed again: %v, %v", info, err)
	}
	content.file("new", "")
	push("x")
	if files := kept(to.layers); len(files) != 1 || filepath.Join(to.layers, files[0].Name()) == file {
		t.Errorf("the folder has %v", files)
	}
}

func registryAt(t *testing.T, server *httptest.Server) registryTarget {
	t.Helper()
	return registryTarget{layers: t.TempDir(), host: strings.TrimPrefix(server.URL, "http://"), tag: "latest"}
}

func TestNeededSource(t *testing.T) {
	other := map[string]string{"amd64": "arm64"}[runtime.GOARCH]
	if other == "" {
		other = "amd64"
	}
	files := map[string]bool{
		"net/http/server.go": true, "net/http/server_test.go": false, "os/file_unix.go": true, "os/file_windows.go": false,
		"os/exec_linux.go": true, "syscall/zsyscall_linux_" + other + ".go": false, "syscall/zsyscall_linux_" + runtime.GOARCH + ".go": true,
		"syscall/zsyscall_darwin_" + runtime.GOARCH + ".go": false, "runtime/asm_" + other + ".s": false, "runtime/asm_" + runtime.GOARCH + ".s": true,
		"go.mod": true, "vendor/modules.txt": true, "all.bash": false, "time/tzdata/zzipdata.go": true, "linux.go": true,
	}
	for at, want := range files {
		if got := neededSource(at, fakeEntry{name: filepath.Base(at)}); got != want {
			t.Errorf("%s: needed is %v, want %v", at, got, want)
		}
	}
	for at, want := range map[string]bool{"cmd": false, "net": true, "net/http/testdata": false, "net/http/cmd": true} {
		if got := neededSource(at, fakeEntry{name: filepath.Base(at), dir: true}); got != want {
			t.Errorf("folder %s: needed is %v, want %v", at, got, want)
		}
	}
}

type fakeEntry struct {
	name string
	dir  bool
}

func (f fakeEntry) Name() string               { return f.name }
func (f fakeEntry) IsDir() bool                { return f.dir }
func (f fakeEntry) Type() fs.FileMode          { return 0 }
func (f fakeEntry) Info() (fs.FileInfo, error) { return nil, fs.ErrInvalid }

// TestToolchain holds that the trimmed installation has what a build runs, and is much smaller than the whole.
func TestToolchain(t *testing.T) {
	goroot, err := goOutput("", "env", "GOROOT")
	if err != nil {
		t.Fatal(err)
	}
	l, err := goToolchain(goroot)
	if err != nil {
		t.Fatal(err)
	}
	tools := "usr/local/go/pkg/tool/linux_" + runtime.GOARCH + "/"
	for _, name := range []string{"usr/local/go/bin/go", tools + "compile", tools + "link", tools + "asm",
		"usr/local/go/src/net/http/server.go", "usr/local/go/src/vendor/modules.txt", "usr/local/go/pkg/include/textflag.h", "usr/local/go/go.env"} {
		if _, there := l[name]; !there {
			t.Errorf("%s is missing", name)
		}
	}
	for name := range l {
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "usr/local/go/src/cmd/") {
			t.Errorf("%s is not needed", name)
			break
		}
	}
}

func TestWithoutTime(t *testing.T) {
	entry := "v1 aa bb " + strings.Repeat(" ", 18) + "12 " + strings.Repeat(" ", 1) + "1795230122238299657\n"
	want := "v1 aa bb " + strings.Repeat(" ", 18) + "12 " + strings.Repeat(" ", 19) + "0\n"
	if got := string(withoutTime([]byte(entry))); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, other := range []string{"", "\n", "v2 a b c d\n", "v1 a b c\n", strings.Repeat("x", 80)} {
		if got := string(withoutTime([]byte(other))); got != other {
			t.Errorf("%q became %q", other, got)
		}
	}
}

func TestFix(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte("one two three"), 0o400); err != nil {
		t.Fatal(err)
	}
	if err := (fix{file: "a.go", before: "two", after: "2"}).apply(dir); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "a.go")); string(got) != "one 2 three" {
		t.Errorf("got %q", got)
	}
	if err := (fix{file: "a.go", before: "two", after: "2"}).apply(dir); err == nil {
		t.Error("a fix that does not fit is no error")
	}
}

// TestFixFitsLifecycle holds that the pinned lifecycle still has the line that is mended.
func TestFixFitsLifecycle(t *testing.T) {
	dir, err := goOutput("lifecycle", "mod", "download", "-json", lifecycleMod)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(dir, `"Dir": "`)
	at, _, _ := strings.Cut(rest, `"`)
	text, err := os.ReadFile(filepath.Join(at, reuseCacheOnce.file))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), reuseCacheOnce.before); n != 1 {
		t.Errorf("the line is there %d times", n)
	}
}

func TestBuilderLabels(t *testing.T) {
	labels, err := builderLabels("0.21.0", "registry/run")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"io.buildpacks.builder.metadata", "io.buildpacks.stack.id",
		"io.buildpacks.buildpack.order", "io.buildpacks.buildpack.layers", "io.buildpacks.base.distro.name"} {
		if labels[name] == "" {
			t.Errorf("label %s is missing", name)
		}
	}
	if !strings.Contains(labels["io.buildpacks.builder.metadata"], `"image":"registry/run"`) {
		t.Errorf("builder metadata is %s", labels["io.buildpacks.builder.metadata"])
	}
}
