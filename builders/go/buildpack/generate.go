// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	_ "embed"
	"go/format"
	"os"
	"path/filepath"
	"text/template"
)

// The names of what is generated. They are removed again when the function is built.
const (
	generatedFolder = "openfunction_main"
	generatedFile   = "zz_openfunction_main.go"
	defaultModule   = "function"
)

//go:embed main.go.tmpl
var mainSource string

var mainTemplate = template.Must(template.New("main.go").Parse(mainSource))

// mainFor writes the program that serves a handler. importPath is empty when it goes into the handler's own package.
func mainFor(importPath, handler string) ([]byte, error) {
	var text bytes.Buffer
	err := mainTemplate.Execute(&text, struct{ ImportPath, Handler string }{importPath, handler})
	if err != nil {
		return nil, err
	}
	return format.Source(text.Bytes())
}

// generate puts the program that serves a handler beside it, and returns the package to build relative to dir and how to
// undo it.
func generate(dir, pkg, importPath, handler string) (string, func() error, error) {
	target, file := "./"+generatedFolder, filepath.Join(dir, generatedFolder, generatedFile)
	undo := func() error { return os.RemoveAll(filepath.Join(dir, generatedFolder)) }
	if pkg == "main" {
		importPath, target, file = "", ".", filepath.Join(dir, generatedFile)
		undo = func() error { return os.Remove(file) }
	}
	source, err := mainFor(importPath, handler)
	if err != nil {
		return "", nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", nil, err
	}
	return target, undo, os.WriteFile(file, source, 0o644)
}
