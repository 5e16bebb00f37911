// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// folder writes files, by name, into a new folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const header = "package fn\nimport \"net/http\"\n"

func TestInspect(t *testing.T) {
	for name, tc := range map[string]struct {
		files   map[string]string
		wanted  string
		handler string
		err     string
	}{
		"Named":           {map[string]string{"a.go": header + "func Hello(w http.ResponseWriter, r *http.Request) {}"}, "Hello", "Hello", ""},
		"OnlyOne":         {map[string]string{"a.go": header + "func Hello(w http.ResponseWriter, r *http.Request) {}"}, "", "Hello", ""},
		"NoNames":         {map[string]string{"a.go": header + "func Hello(http.ResponseWriter, *http.Request) {}"}, "Hello", "Hello", ""},
		"OtherImportName": {map[string]string{"a.go": "package fn\nimport web \"net/http\"\nfunc Hello(w web.ResponseWriter, r *web.Request) {}"}, "Hello", "Hello", ""},
		"DotImport":       {map[string]string{"a.go": "package fn\nimport . \"net/http\"\nfunc Hello(w ResponseWriter, r *Request) {}"}, "Hello", "Hello", ""},
		"Program":         {map[string]string{"a.go": "package main\nfunc main() {}"}, "", "", ""},
		"ProgramAndName":  {map[string]string{"a.go": "package main\nfunc main() {}"}, "Hello", "", ""},
		"HandlerInMain": {map[string]string{"a.go": strings.Replace(header, "fn", "main", 1) +
			"func Hello(w http.ResponseWriter, r *http.Request) {}"}, "Hello", "Hello", ""},
		"SecondFile": {map[string]string{"a.go": "package fn", "b.go": header + "func Hello(w http.ResponseWriter, r *http.Request) {}"}, "Hello", "Hello", ""},

		"Several": {map[string]string{"a.go": header + "func A(w http.ResponseWriter, r *http.Request) {}\nfunc B(w http.ResponseWriter, r *http.Request) {}"},
			"", "", "FUNC_NAME to one of A, B"},
		"None": {map[string]string{"a.go": "package fn"}, "", "", "exports no function of the form func(w http.ResponseWriter"},
		"OtherName": {map[string]string{"a.go": header + "func Hello(w http.ResponseWriter, r *http.Request) {}"}, "Helo", "",
			`FUNC_NAME is "Helo", but package fn has no function of that name; it exports Hello`},
		"NotExported": {map[string]string{"a.go": header + "func hello(w http.ResponseWriter, r *http.Request) {}"}, "hello", "", "begin with a capital letter"},
		"OtherShape": {map[string]string{"a.go": "package fn\nfunc Hello(name string) (string, error) { return name, nil }"}, "Hello", "",
			"fn.Hello is func(name string) (string, error), want func(w http.ResponseWriter, r *http.Request)"},
		"Returns":    {map[string]string{"a.go": header + "func Hello(w http.ResponseWriter, r *http.Request) error { return nil }"}, "Hello", "", "*http.Request) error, want"},
		"ByValue":    {map[string]string{"a.go": header + "func Hello(w http.ResponseWriter, r http.Request) {}"}, "Hello", "", "want func("},
		"OtherHTTP":  {map[string]string{"a.go": "package fn\nimport \"example.com/http\"\nfunc Hello(w http.ResponseWriter, r *http.Request) {}"}, "Hello", "", "want func("},
		"Method":     {map[string]string{"a.go": header + "type T int\nfunc (T) Hello(w http.ResponseWriter, r *http.Request) {}"}, "Hello", "", "has no function of that name"},
		"Generic":    {map[string]string{"a.go": header + "func Hello[T any](w http.ResponseWriter, r *http.Request) {}"}, "Hello", "", "want func("},
		"Mistyped":   {map[string]string{"a.go": "package fn\nfunc {"}, "", "", "a.go:2:6"},
		"TwoPackage": {map[string]string{"a.go": "package a", "b.go": "package b"}, "", "", "one folder holds two packages: a.go is package a, b.go is package b"},
		"TestsOnly":  {map[string]string{"a_test.go": header + "func Hello(w http.ResponseWriter, r *http.Request) {}"}, "", "", "has no Go files"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := inspect(folder(t, tc.files), tc.wanted)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("got %v, want %q", err, tc.err)
				}
				return
			}
			if err != nil || p.handler != tc.handler {
				t.Errorf("got handler %q, %v, want %q", p.handler, err, tc.handler)
			}
		})
	}
}

func TestLocate(t *testing.T) {
	for name, tc := range map[string]struct {
		files map[string]string
		named string
		want  string
		err   string
	}{
		"Top":          {map[string]string{"a.go": "package fn"}, "", ".", ""},
		"Named":        {map[string]string{"a.go": "package fn", "b/b.go": "package b"}, "./b", "b", ""},
		"OnlyProgram":  {map[string]string{"go.mod": "module x", "cmd/app/a.go": "package main", "lib/l.go": "package lib", "vendor/v/v.go": "package main"}, "", "cmd/app", ""},
		"Programs":     {map[string]string{"cmd/a/a.go": "package main", "cmd/b/b.go": "package main"}, "", "", "FUNC_SRC to one of cmd/a, cmd/b"},
		"NoProgram":    {map[string]string{"lib/l.go": "package lib"}, "", "", "set FUNC_SRC"},
		"NamedMissing": {map[string]string{"a.go": "package fn"}, "b", "", "no such folder"},
		"NamedEmpty":   {map[string]string{"a.go": "package fn", "b/c.txt": ""}, "b", "", "folder b has no Go files"},
		"NamedOutside": {map[string]string{"a.go": "package fn"}, "../b", "", "inside the source"},
	} {
		t.Run(name, func(t *testing.T) {
			app := folder(t, tc.files)
			got, err := locate(app, tc.named)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("got %v, want %q", err, tc.err)
				}
				return
			}
			if err != nil || got != filepath.Join(app, tc.want) {
				t.Errorf("got %s, %v, want %s", got, err, tc.want)
			}
		})
	}
}

func TestDetect(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"File":   {"handler.go": ""},
		"Module": {"go.mod": ""},
		"Deep":   {"cmd/app/main.go": ""},
	} {
		if err := detect(folder(t, files)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, files := range map[string]map[string]string{
		"Nothing": {}, "Other": {"index.js": ""}, "Tests": {"a_test.go": ""}, "Vendored": {"vendor/a/a.go": "", "node_modules/.x/a.go": "", "_old/a.go": ""},
	} {
		if err := detect(folder(t, files)); err == nil {
			t.Errorf("%s: detected", name)
		}
	}
}

func TestModuleRoot(t *testing.T) {
	app := folder(t, map[string]string{"go.mod": "module x", "functions/hello/a.go": "package hello"})
	if got := moduleRoot(filepath.Join(app, "functions", "hello")); got != app {
		t.Errorf("got %q, want %q", got, app)
	}
	if got := moduleRoot(folder(t, nil)); got != "" {
		t.Errorf("got %q, want none", got)
	}
}

func TestSettings(t *testing.T) {
	given := func(env map[string]string) func(string) (string, bool) {
		return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	}
	s := settingsFrom(given(map[string]string{"FUNC_NAME": " Hello\n", "FUNC_CLEAR_SOURCE": "true", "GOPROXY": "a", "FUNC_GOPROXY": "b", "FUNC_PORT": "9000"}))
	if s.function != "Hello" || !s.clearSource || s.goproxy != "b" || s.port != "9000" || s.check() != nil {
		t.Errorf("got %+v, %v", s, s.check())
	}
	for name, env := range map[string]map[string]string{
		"FUNC_TYPE": {"FUNC_TYPE": "cloudevent"}, "FUNC_PORT is": {"FUNC_PORT": "70000"}, "FUNC_PORT": {"FUNC_PORT": "http"},
	} {
		if err := settingsFrom(given(env)).check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v: got %v", env, err)
		}
	}
}
