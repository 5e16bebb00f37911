// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The module is a folder, so that nothing is downloaded.
func TestInsteadIsCompiledInThePlaceOfAModulesFile(t *testing.T) {
	source := t.TempDir()
	for name, content := range map[string]string{
		"words/word.go":          "package words\n\n// Word is said.\nconst Word = \"theirs\"\n",
		"words/go.mod":           "module example.test/words\n\ngo 1.26\n",
		"speaker/go.mod":         "module example.test/speaker\n\ngo 1.26\n\ntool example.test/speaker/say\n\nrequire example.test/words v1.2.3\n\nreplace example.test/words => ../words\n",
		"speaker/go.sum":         "",
		"speaker/say/main.go":    "package main\n\nimport \"example.test/words\"\n\nfunc main() { println(words.Word) }\n",
		"speaker/instead/one.go": "package words\n\n// Word is said.\nconst Word = \"ours\"\n",
	} {
		file := filepath.Join(source, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cache := Cache{Source: source, Dir: filepath.Join(t.TempDir(), "bin")}
	comp := Component{Name: "speaker", Module: "example.test/words"}
	for _, c := range []struct {
		because string
		instead []Instead
		says    string
		fails   string
	}{
		{"nothing is changed", nil, "theirs", ""},
		{"the file is ours", []Instead{{File: "instead/one.go", Module: "example.test/words", Of: "word.go"}}, "ours", ""},
		{"the module has no such file", []Instead{{File: "instead/one.go", Module: "example.test/words", Of: "gone.go"}}, "", "example.test/words has no gone.go, which instead/one.go"},
	} {
		comp.Instead = c.instead
		built, err := cache.Build(t.Context(), comp)
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("where %s, the error is %v, want %q", c.because, err, c.fails)
			}
			continue
		}
		if err != nil {
			t.Fatalf("where %s: %v", c.because, err)
		}
		if is := said(t.Context(), t, built.Binary("say")); is != c.says {
			t.Errorf("where %s, it says %q, want %q", c.because, is, c.says)
		}
	}
}

func said(ctx context.Context, t *testing.T, program string) string {
	t.Helper()
	out, err := exec.CommandContext(ctx, program).CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
