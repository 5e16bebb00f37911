// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// workshop compiles the programs that go into the images.
type workshop struct {
	root  string // of the repository
	cache string // folder for programs of pinned modules
}

func newWorkshop() (*workshop, error) {
	gomod, err := goOutput("", "env", "GOMOD")
	if err != nil {
		return nil, err
	}
	root := filepath.Dir(gomod)
	if _, err := os.Stat(filepath.Join(root, "builders", "lifecycle", "go.mod")); err != nil {
		return nil, errors.New("run this inside the repository: builders/lifecycle is not below the current module")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("finding the user's cache folder: %w", err)
	}
	w := &workshop{root: root, cache: filepath.Join(cache, "openfunction", "builders")}
	return w, os.MkdirAll(w.cache, 0o755)
}

// ours compiles a program of this repository.
func (w *workshop) ours(pkg string) (string, error) {
	to := filepath.Join(w.cache, "ours-"+filepath.Base(pkg))
	return to, w.compile(w.root, pkg, to, "-s -w")
}

// pinned compiles a program of another project at the version that the module in builders/<module> pins. It is compiled
// once per version, flags and Go version.
func (w *workshop) pinned(module, pkg, ldflags string, fixes ...fix) (string, error) {
	dir := filepath.Join(w.root, "builders", module)
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), runtime.GOARCH, pkg, ldflags)
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", err
		}
		sum.Write(content)
	}
	for _, f := range fixes {
		fmt.Fprintln(sum, f)
	}
	to := filepath.Join(w.cache, filepath.Base(pkg)+"-"+hex.EncodeToString(sum.Sum(nil))[:12])
	if _, err := os.Stat(to); err == nil {
		return to, nil
	}
	fmt.Printf("compiling %s (once; minutes when nothing is cached)\n", pkg)
	fixed, err := w.fixed(dir, fixes)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fixed)
	partial := to + ".partial"
	if err := w.compile(dir, pkg, partial, ldflags, "-modfile", filepath.Join(fixed, "go.mod")); err != nil {
		return "", err
	}
	return to, os.Rename(partial, to)
}

// fix changes a line of another project's source for our build of it.
type fix struct{ module, file, before, after string }

// fixed returns a folder with a go.mod that takes fixed copies of modules in place of them. A fix that no longer fits the pinned
// version is an error, so that it is looked at again with every new version.
func (w *workshop) fixed(dir string, fixes []fix) (string, error) {
	folder, err := os.MkdirTemp(w.cache, ".fixed-")
	if err != nil {
		return "", err
	}
	gomod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return "", err
	}
	for i, f := range fixes {
		original, err := goOutput(dir, "list", "-m", "-f", "{{.Dir}}", f.module)
		if err != nil {
			return "", err
		}
		module := filepath.Join(folder, fmt.Sprint(i))
		if err := os.CopyFS(module, os.DirFS(original)); err != nil {
			return "", err
		}
		if err := f.apply(module); err != nil {
			return "", err
		}
		gomod = fmt.Appendf(gomod, "\nreplace %s => %s\n", f.module, module)
	}
	gosum, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		return "", err
	}
	return folder, errors.Join(os.WriteFile(filepath.Join(folder, "go.mod"), gomod, 0o600),
		os.WriteFile(filepath.Join(folder, "go.sum"), gosum, 0o600))
}

// apply changes the file in a copy of the module.
func (f fix) apply(module string) error {
	file := filepath.Join(module, f.file)
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if strings.Count(string(text), f.before) != 1 {
		return fmt.Errorf("the fix of %s in %s no longer fits: see whether it is still needed", f.file, f.module)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(strings.Replace(string(text), f.before, f.after, 1)), 0o600)
}

func (w *workshop) compile(dir, pkg, to, ldflags string, more ...string) error {
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags, "-o", to}, more...)
	c := exec.Command("go", append(args, pkg)...)
	c.Dir = dir
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	if output, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("compiling %s: %w\n%s", pkg, err, output)
	}
	return nil
}

// version returns the version of a module that the module in builders/<module> pins.
func (w *workshop) version(module, of string) (string, error) {
	return goOutput(filepath.Join(w.root, "builders", module), "list", "-m", "-f", "{{.Version}}", of)
}

func goOutput(dir string, args ...string) (string, error) {
	c := exec.Command("go", args...)
	c.Dir = dir
	output, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(output)), nil
}
