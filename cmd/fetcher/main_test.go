// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// called is what a run of the fetcher left.
type called struct {
	code           int
	stdout, stderr string
	results        map[string]string
}

func call(t *testing.T, args ...string) called {
	t.Helper()
	dir := t.TempDir()
	var stdout, stderr bytes.Buffer
	c := called{results: map[string]string{}}
	c.code = run(t.Context(), append(args, "--results-dir="+dir), &stdout, &stderr)
	c.stdout, c.stderr = stdout.String(), stderr.String()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		c.results[e.Name()] = string(text)
	}
	return c
}

func TestFetchInline(t *testing.T) {
	dest, env := filepath.Join(t.TempDir(), "source"), filepath.Join(t.TempDir(), "env")
	t.Setenv("FETCH_INLINE_JSON", `{"handler.go":"package fn\n"}`)
	t.Setenv("FETCH_ENV_JSON", `{"FUNC_NAME":"Hello"}`)
	c := call(t, "fetch", "--dest="+dest, "--platform-env="+env)
	if c.code != 0 || len(c.results) != 0 || !strings.Contains(c.stdout, "handler.go") {
		t.Errorf("got %+v", c)
	}
	for at, want := range map[string]string{filepath.Join(dest, "handler.go"): "package fn\n", filepath.Join(env, "FUNC_NAME"): "Hello"} {
		if got, _ := os.ReadFile(at); string(got) != want {
			t.Errorf("%s holds %q, want %q", at, got, want)
		}
	}
}

func TestFlagsWinOverEnvironment(t *testing.T) {
	t.Setenv("FETCH_SUB_PATH", "missing")
	c := call(t, "fetch", "--dest="+filepath.Join(t.TempDir(), "source"), `--inline-json={"a/b":""}`, "--sub-path=a")
	if c.code != 0 {
		t.Errorf("got %+v", c)
	}
}

func TestFailureIsTheLastLine(t *testing.T) {
	c := call(t, "fetch", "--dest="+filepath.Join(t.TempDir(), "source"), `--inline-json={"a/b":""}`, "--sub-path=c")
	if c.code != 1 || c.results["failure-reason"] != "SubPathNotFound" {
		t.Errorf("got %+v", c)
	}
	lines := strings.Split(strings.TrimSpace(c.stderr), "\n")
	if want := `Error: SubPathNotFound: sub-path "c" is not in the source: its top folder has a/`; lines[len(lines)-1] != want {
		t.Errorf("last line is %q, want %q", lines[len(lines)-1], want)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"other"}, {"fetch", "--nonsense"}, {"fetch", "stray"}, {"report"}, {"report", "--report=a", "--digest-file=b"}} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), args, &stdout, &stderr); code != 2 || stderr.Len() == 0 {
			t.Errorf("%v: code %d, %q", args, code, stderr.String())
		}
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"fetch", "-h"}, &stdout, &stderr); code != 0 || !strings.Contains(stderr.String(), "-sub-path") {
		t.Errorf("help: code %d, %q", code, stderr.String())
	}
}

func TestReport(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/fn:v1")
	if err != nil {
		t.Fatal(err)
	}
	image, err := random.Image(1000, 2)
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
	manifest, err := image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	size := manifest.Config.Size + manifest.Layers[0].Size + manifest.Layers[1].Size
	want := map[string]string{"image-digest": digest.String(), "image-size": strconv.FormatInt(size, 10)}

	dir := t.TempDir()
	files := map[string]string{
		"report.toml": fmt.Sprintf("[image]\n  tags = [%q]\n  digest = %q\n  manifest-size = 1\n", ref, digest),
		"digest":      digest.String(),
		"reference":   ref.Context().Name() + "@" + digest.String() + "\n",
		"empty.toml":  "[image]\n",
		"empty":       "",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"--report=" + dir + "/report.toml"},
		{"--digest-file=" + dir + "/digest", "--image=" + ref.String()},
		{"--digest-file=" + dir + "/reference", "--image=" + ref.String()},
	} {
		c := call(t, append([]string{"report"}, args...)...)
		if c.code != 0 || c.results["image-digest"] != want["image-digest"] || c.results["image-size"] != want["image-size"] {
			t.Errorf("%v: got %+v, want %v", args, c, want)
		}
	}
	for _, args := range [][]string{{"--report=" + dir + "/empty.toml"}, {"--digest-file=" + dir + "/empty"}, {"--report=" + dir + "/missing"}} {
		if c := call(t, append([]string{"report"}, args...)...); c.code != 1 || len(c.results) != 0 {
			t.Errorf("%v: got %+v", args, c)
		}
	}
	server.Close() // the digest is what counts; the size is for show
	c := call(t, "report", "--digest-file="+dir+"/digest", "--image="+ref.String())
	if c.code != 0 || c.results["image-digest"] != digest.String() || c.results["image-size"] != "" || !strings.Contains(c.stderr, "Warning") {
		t.Errorf("without a registry: got %+v", c)
	}
}

func TestShorten(t *testing.T) {
	for _, text := range []string{"short", strings.Repeat("a", 1000), "a" + strings.Repeat("é", 500), strings.Repeat("\xff", 600)} {
		got := shorten(text)
		if len(got) > maxResult || (utf8.ValidString(text) && (!utf8.ValidString(got) || !strings.HasPrefix(text, got))) {
			t.Errorf("shorten(%.20q…) = %q", text, got)
		}
	}
}
