// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
)

// errFound ends a walk early.
var errFound = errors.New("found")

// detect reports whether the source has Go in it.
func detect(app string) error {
	err := filepath.WalkDir(app, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != app && skipped(d.Name()):
			return fs.SkipDir
		case !d.IsDir() && (d.Name() == "go.mod" || isGoFile(d.Name())):
			return errFound
		}
		return nil
	})
	if errors.Is(err, errFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return userErrorf("no Go source: the source has neither a go.mod nor a .go file")
}

func isGoFile(name string) bool {
	return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")
}

// skipped reports whether the go command leaves a folder out.
func skipped(name string) bool {
	return name == "vendor" || name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
}
