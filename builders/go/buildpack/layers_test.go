// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLayerDescription(t *testing.T) {
	l := layer{dir: filepath.Join(t.TempDir(), "modules"), types: "cache = true"}
	if got := l.restored("go"); got != "" {
		t.Errorf("nothing was restored, got %q", got)
	}
	if err := l.describe(map[string]string{"go": "go1.26.8", "dependencies": "abc"}); err != nil {
		t.Fatal(err)
	}
	if l.restored("go") != "go1.26.8" || l.restored("dependencies") != "abc" {
		t.Errorf("got %q and %q", l.restored("go"), l.restored("dependencies"))
	}
	// The lifecycle writes the description its own way, without types.
	if err := os.WriteFile(l.dir+".toml", []byte("[metadata]\n  dependencies = \"d\"\n  go = \"g\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l.restored("go") != "g" || l.restored("dependencies") != "d" {
		t.Errorf("got %q and %q", l.restored("go"), l.restored("dependencies"))
	}
}

// TestUnchangedCache holds that a build that compiled little leaves the cached layer as it was, byte for byte.
func TestUnchangedCache(t *testing.T) {
	stdlib := folder(t, map[string]string{"11/std-a": "an entry", "11/std-d": "std"})
	l := layer{dir: folder(t, map[string]string{"22/dep-a": withTime("0"), "22/dep-d": "dependency", "trim.txt": "1"})}
	want := contents(t, l.dir)

	if err := l.borrow(stdlib); err != nil {
		t.Fatal(err)
	}
	before, err := l.files()
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(filepath.Join(l.dir, "11/std-d")); string(text) != "std" {
		t.Errorf("the borrowed file holds %q", text)
	}
	for name, text := range map[string]string{"22/dep-a": withTime("1795230122238299657"), "33/own-d": "own", "33/own-a": withTime("1795230122238299657")} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(l.dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []func() error{l.giveBack, l.forgetTimes, func() error { return l.forgetSmall(before) }} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if got := contents(t, l.dir); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if err := l.borrow(filepath.Join(t.TempDir(), "missing")); err != nil {
		t.Errorf("a builder without a compiled standard library: %v", err)
	}
}

func TestMuchNewIsKept(t *testing.T) {
	l := layer{dir: folder(t, map[string]string{"a": "1"})}
	before, err := l.files()
	if err != nil {
		t.Fatal(err)
	}
	big := filepath.Join(l.dir, "big")
	if err := os.WriteFile(big, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(big, worthUpload+1); err != nil {
		t.Fatal(err)
	}
	if err := l.forgetSmall(before); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(big); err != nil {
		t.Error(err)
	}
}

func TestForgetArchives(t *testing.T) {
	l := layer{dir: folder(t, map[string]string{
		"cache/download/a/@v/v1.zip": "", "cache/download/a/@v/v1.ziphash": "", "cache/download/a/@v/v1.mod": "", "a@v1/testdata/x.zip": "",
	})}
	if err := l.forgetArchives(); err != nil {
		t.Fatal(err)
	}
	want := []string{"a@v1/testdata/x.zip", "cache/download/a/@v/v1.mod", "cache/download/a/@v/v1.ziphash"}
	if got := slices.Sorted(maps.Keys(contents(t, l.dir))); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// withTime is an index entry as the go command writes it.
func withTime(time string) string {
	return "v1 aa bb " + strings.Repeat(" ", 18) + "12 " + strings.Repeat(" ", 20-len(time)) + time + "\n"
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	l := layer{dir: dir}
	files, err := l.files()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for at := range files {
		text, err := os.ReadFile(at)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(dir, at)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(text)
	}
	return all
}
