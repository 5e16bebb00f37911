// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// construction is one build of one function.
type construction struct {
	app      string
	layers   string
	settings settings
	out      io.Writer

	dir    string // of the package
	module string // folder of its go.mod
	fresh  bool   // the go.mod is ours
	goTool *toolchain
}

func (b *construction) run() error {
	if err := b.settings.check(); err != nil {
		return err
	}
	var err error
	if b.dir, err = locate(b.app, b.settings.source); err != nil {
		return err
	}
	p, err := inspect(b.dir, b.settings.function)
	if err != nil {
		return err
	}
	modules := layer{dir: filepath.Join(b.layers, "modules"), types: "cache = true"}
	compiled := layer{dir: filepath.Join(b.layers, "compiled"), types: "cache = true"}
	function := layer{dir: filepath.Join(b.layers, "function"), types: "launch = true"}
	b.goTool = toolchainFor(b.dir, b.settings, modules.dir, compiled.dir, b.out)

	if err := b.ensureModule(p); err != nil {
		return err
	}
	facts, err := b.cacheFacts()
	if err != nil {
		return err
	}
	unchanged, err := b.reuse(facts, modules, compiled)
	if err != nil {
		return err
	}
	if err := compiled.borrow(stdlibFolder); err != nil {
		return fmt.Errorf("readying the compiled standard library: %w", err)
	}
	before, err := compiled.files()
	if err != nil {
		return err
	}
	if err := b.compile(p, filepath.Join(function.dir, "bin", "function")); err != nil {
		return err
	}
	if err := compiled.giveBack(); err != nil {
		return err
	}
	if err := compiled.forgetTimes(); err != nil {
		return err
	}
	if unchanged {
		err = compiled.forgetSmall(before)
	}
	if err = errors.Join(err, modules.forgetArchives(), modules.describe(facts), compiled.describe(facts)); err != nil {
		return err
	}
	return b.describeImage(function)
}

// ensureModule writes a go.mod when the source has none, and finds the modules that it imports.
func (b *construction) ensureModule(p program) error {
	if b.module = moduleRoot(b.dir); b.module != "" {
		return nil
	}
	b.module, b.fresh = b.app, true
	version, err := b.goTool.read("env", "GOVERSION")
	if err != nil {
		return err
	}
	text := fmt.Sprintf("module %s\n\ngo %s\n", defaultModule, strings.TrimPrefix(strings.Fields(version)[0], "go"))
	if err := os.WriteFile(filepath.Join(b.module, "go.mod"), []byte(text), 0o644); err != nil {
		return err
	}
	fmt.Fprintln(b.out, "The source has no go.mod: made one")
	for _, path := range p.pkg.Imports {
		if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
			if err := b.goTool.run("mod", "tidy"); err != nil {
				return userErrorf("the modules that the function imports cannot be found: add a go.mod that names them, or set FUNC_GOPROXY")
			}
			return nil
		}
	}
	return nil
}

// cacheFacts says what the cached layers depend on.
func (b *construction) cacheFacts() (map[string]string, error) {
	version, err := b.goTool.read("env", "GOVERSION")
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	for _, name := range []string{"go.mod", "go.sum", filepath.Join("vendor", "modules.txt")} {
		content, err := os.ReadFile(filepath.Join(b.module, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(content), content)
	}
	fmt.Fprintf(sum, "GOFLAGS %s", b.settings.goflags)
	return map[string]string{"go": version, "dependencies": hex.EncodeToString(sum.Sum(nil))}, nil
}

// reuse readies the cached layers and reports whether they are those of the same dependencies. Modules of other dependencies
// are dropped, so that the cache does not grow for ever; the go command tidies compiled code itself.
func (b *construction) reuse(facts map[string]string, modules, compiled layer) (bool, error) {
	same := modules.restored("dependencies") == facts["dependencies"]
	if modules.restored("dependencies") != "" && !same {
		fmt.Fprintln(b.out, "Dependencies have changed: fetching them anew")
		if err := os.RemoveAll(modules.dir); err != nil {
			return false, err
		}
	}
	if old := compiled.restored("go"); old != "" && old != facts["go"] {
		fmt.Fprintf(b.out, "Go has changed from %s to %s: compiling all anew\n", old, facts["go"])
		same = false
		if err := os.RemoveAll(compiled.dir); err != nil {
			return false, err
		}
	}
	if same {
		fmt.Fprintln(b.out, "Dependencies are as in the last build: using its cache")
	}
	return same, errors.Join(os.MkdirAll(modules.dir, 0o755), os.MkdirAll(compiled.dir, 0o755))
}

func (b *construction) compile(p program, binary string) error {
	target := "."
	if p.handler != "" {
		importPath, err := b.goTool.read("list", "-find", "-f", "{{.ImportPath}}", ".")
		if err != nil {
			return err
		}
		var undo func() error
		if target, undo, err = generate(b.dir, p.pkg.Name, importPath, p.handler); err != nil {
			return err
		}
		defer func() { _ = undo() }()
		fmt.Fprintf(b.out, "Building handler %s.%s\n", p.pkg.Name, p.handler)
	} else {
		fmt.Fprintln(b.out, "Building the main package")
	}
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", binary}
	if b.needsSums() {
		args = append(args, "-mod=mod")
	}
	start := time.Now()
	if err := b.goTool.run(append(args, target)...); err != nil {
		return userErrorf("the function does not build; go build says why above")
	}
	fmt.Fprintf(b.out, "Built in %s\n", time.Since(start).Round(time.Millisecond))
	return nil
}

// needsSums reports whether go.sum has to be made up, which the go command does only when it is asked to.
func (b *construction) needsSums() bool {
	missing := func(name string) bool {
		_, err := os.Stat(filepath.Join(b.module, name))
		return errors.Is(err, fs.ErrNotExist)
	}
	return missing("go.sum") && missing("vendor") && missing("go.work") && !strings.Contains(b.settings.goflags, "-mod=")
}

// describeImage tells the lifecycle how the image is started.
func (b *construction) describeImage(function layer) error {
	if b.settings.port != "" {
		env := filepath.Join(function.dir, "env.launch")
		if err := errors.Join(os.MkdirAll(env, 0o755),
			os.WriteFile(filepath.Join(env, "PORT.default"), []byte(b.settings.port), 0o644)); err != nil {
			return err
		}
	}
	if b.settings.clearSource {
		if err := clearFolder(b.app); err != nil {
			return err
		}
	}
	launch := fmt.Sprintf("[[processes]]\ntype = \"web\"\ncommand = [%q]\ndefault = true\n", filepath.Join(function.dir, "bin", "function"))
	return errors.Join(function.describe(nil),
		os.WriteFile(filepath.Join(b.layers, "launch.toml"), []byte(launch), 0o644))
}

// clearFolder removes everything in a folder but not the folder.
func clearFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}
