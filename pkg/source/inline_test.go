// SPDX-License-Identifier: Apache-2.0

package source

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestInlineIsWritten(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "source")
	files := map[string]string{"handler.go": "package function\n", "pkg/deep/a.txt": "a", "empty": ""}
	if _, err := Fetch(t.Context(), Request{Inline: files, Dest: dest, SubPath: "pkg/deep"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		info, err := os.Stat(filepath.Join(dest, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o666 {
			t.Errorf("%s has mode %v, want it open to the user of the next step", name, info.Mode())
		}
		if got, _ := os.ReadFile(filepath.Join(dest, name)); string(got) != want {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
	}
	if info, _ := os.Stat(filepath.Join(dest, "pkg")); info.Mode().Perm() != 0o777 {
		t.Errorf("folder has mode %v, want it open", info.Mode())
	}
}

func TestInlineRefused(t *testing.T) {
	many := map[string]string{}
	for i := range MaxInlineFiles + 1 {
		many[fmt.Sprint(i)] = ""
	}
	for name, tc := range map[string]struct {
		files map[string]string
		want  string
	}{
		"Nothing":         {map[string]string{}, "no files"},
		"TooMany":         {many, "at most 64"},
		"TooLarge":        {map[string]string{"a": strings.Repeat("x", MaxInlineBytes+1)}, "at most 524288"},
		"Absolute":        {map[string]string{"/etc/passwd": ""}, "must be relative"},
		"Parent":          {map[string]string{"../x": ""}, "must not leave"},
		"ParentInside":    {map[string]string{"a/../../x": ""}, "must not leave"},
		"NotClean":        {map[string]string{"a//b": ""}, "clean path"},
		"Dot":             {map[string]string{"./a": ""}, "clean path"},
		"Backslash":       {map[string]string{`a\b`: ""}, "backslash"},
		"Newline":         {map[string]string{"a\nb": ""}, "control"},
		"NotUTF8":         {map[string]string{"a\xff": ""}, "UTF-8"},
		"LongName":        {map[string]string{strings.Repeat("a", 256): ""}, "longer than"},
		"EmptyName":       {map[string]string{"": ""}, "names no file"},
		"FileAndFolder":   {map[string]string{"a": "", "a/b": ""}, "both a file and the folder"},
		"FileAboveFolder": {map[string]string{"a": "", "a/b/c": ""}, "both a file and the folder"},
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			_, err := Fetch(t.Context(), Request{Inline: tc.files, Dest: filepath.Join(parent, "source")})
			if err == nil || !strings.Contains(err.Error(), tc.want) || ReasonOf(err) != InvalidSource {
				t.Fatalf("got %v (%s), want an InvalidSource error with %q", err, ReasonOf(err), tc.want)
			}
			if left := filesBelow(t, parent); len(left) != 0 {
				t.Errorf("refused source left %v behind", left)
			}
		})
	}
}

func TestSubPath(t *testing.T) {
	files := map[string]string{"functions/hello/a.go": "", "functions/bye/b.go": "", "top": ""}
	for sub, want := range map[string]string{
		"functions/helo": "folder functions has bye/, hello/",
		"nothing":        "its top folder has functions/, top",
		"top":            `"top" is a file`,
		"../elsewhere":   "stay inside",
		"/etc":           "stay inside",
	} {
		_, err := Fetch(t.Context(), Request{Inline: files, Dest: filepath.Join(t.TempDir(), "source"), SubPath: sub})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("sub-path %q: got %v, want %q", sub, err, want)
		}
	}
}

func TestExactlyOneSource(t *testing.T) {
	for _, r := range []Request{{}, {Git: &Git{}, Bundle: &Bundle{}}, {Git: &Git{}, Inline: map[string]string{"a": ""}}} {
		r.Dest = t.TempDir()
		if _, err := Fetch(t.Context(), r); ReasonOf(err) != InvalidSource || err == nil {
			t.Errorf("got %v, want InvalidSource", err)
		}
	}
}

func TestPlatformEnv(t *testing.T) {
	env, err := ParseEnv([]byte(`{"FUNC_NAME":"Hello","MULTI":"a\nb\n"}`))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "platform", "env")
	if err := WritePlatformEnv(dir, env); err != nil {
		t.Fatal(err)
	}
	for name, want := range env {
		if got, _ := os.ReadFile(filepath.Join(dir, name)); string(got) != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for _, bad := range []string{`{"../x":"y"}`, `{"a/b":"y"}`, `{"":"y"}`, `{"1A":"y"}`, `[]`, `{"A":1}`} {
		if _, err := ParseEnv([]byte(bad)); ReasonOf(err) != InvalidSource || err == nil {
			t.Errorf("%s: got %v, want InvalidSource", bad, err)
		}
	}
}

// FuzzInline holds that no inline source, whatever its names, puts a file outside the source folder.
func FuzzInline(f *testing.F) {
	for _, name := range []string{"a", "a/b", "../x", "/x", "a/../../x", "a//b", ".", "a\x00b", "..\\x", "…", ".git/config"} {
		f.Add(name, "other")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		text, err := json.Marshal(map[string]string{one: "1", two: "2"})
		if err != nil {
			t.Fatal(err)
		}
		files, err := ParseInline(text)
		if err != nil {
			return
		}
		parent := t.TempDir()
		dest := filepath.Join(parent, "source")
		if _, err := Fetch(t.Context(), Request{Inline: files, Dest: dest}); err != nil {
			t.Fatalf("accepted source could not be written: %v", err)
		}
		for _, at := range filesBelow(t, parent) {
			if !strings.HasPrefix(at, dest+string(filepath.Separator)) {
				t.Fatalf("%q is outside the source folder", at)
			}
		}
		if n := len(filesBelow(t, dest)); n != len(files) {
			t.Fatalf("%d files written for %d", n, len(files))
		}
	})
}

func filesBelow(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, at)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
