// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// locate finds the folder of the package to build: the one that is named, the top folder, or the only main package.
func locate(app, named string) (string, error) {
	if named != "" {
		return locateNamed(app, named)
	}
	top, err := importDir(app)
	if err == nil {
		return app, nil
	}
	if _, empty := errors.AsType[*build.NoGoError](err); !empty {
		return "", explainImport(top, app, err)
	}
	mains, err := mainPackages(app)
	if err != nil {
		return "", err
	}
	switch len(mains) {
	case 0:
		return "", userErrorf("no Go package in the top folder and no main package below it: set FUNC_SRC to the folder of the function")
	case 1:
		return filepath.Join(app, mains[0]), nil
	default:
		return "", userErrorf("several main packages: set FUNC_SRC to one of %s", strings.Join(mains, ", "))
	}
}

func locateNamed(app, named string) (string, error) {
	if !filepath.IsLocal(named) {
		return "", userErrorf("FUNC_SRC is %q, want a folder inside the source", named)
	}
	dir := filepath.Join(app, named)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", userErrorf("FUNC_SRC is %q, but the source has no such folder", named)
	}
	if pkg, err := importDir(dir); err != nil {
		return "", explainImport(pkg, app, err)
	}
	return dir, nil
}

// importDir reads which files of a folder make up its package on the machine the function runs on.
func importDir(dir string) (*build.Package, error) {
	target := build.Default
	target.CgoEnabled = false
	pkg, err := target.ImportDir(dir, 0)
	if err == nil && len(pkg.GoFiles) == 0 { // tests alone are no package to build
		err = &build.NoGoError{Dir: dir}
	}
	return pkg, err
}

func explainImport(pkg *build.Package, app string, err error) error {
	if several, ok := errors.AsType[*build.MultiplePackageError](err); ok {
		return userErrorf("one folder holds two packages: %s is package %s, %s is package %s",
			several.Files[0], several.Packages[0], several.Files[1], several.Packages[1])
	}
	if _, empty := errors.AsType[*build.NoGoError](err); empty {
		at, relErr := filepath.Rel(app, pkg.Dir)
		if relErr != nil {
			at = pkg.Dir
		}
		return userErrorf("folder %s has no Go files that are built for Linux", at)
	}
	return userErrorf("%s", strings.ReplaceAll(err.Error(), app+string(filepath.Separator), ""))
}

// mainPackages lists the folders below app that hold a main package.
func mainPackages(app string) ([]string, error) {
	var mains []string
	err := filepath.WalkDir(app, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() {
			return nil
		}
		if path != app && skipped(d.Name()) {
			return fs.SkipDir
		}
		if pkg, err := importDir(path); err == nil && pkg.Name == "main" {
			at, err := filepath.Rel(app, path)
			if err != nil {
				return err
			}
			mains = append(mains, at)
		}
		return nil
	})
	slices.Sort(mains)
	return mains, err
}

// moduleRoot returns the nearest folder at or above dir that has a go.mod, nothing if there is none.
func moduleRoot(dir string) string {
	for {
		if info, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil && !info.IsDir() {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}
