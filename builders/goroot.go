// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io/fs"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// goTools are the programs of the toolchain that building without cgo runs.
var goTools = []string{"asm", "compile", "link"}

// The systems and machines a source file can be limited to by its name.
var (
	goSystems = strings.Fields("aix android darwin dragonfly freebsd hurd illumos ios js nacl netbsd openbsd plan9 " +
		"solaris wasip1 windows zos")
	goMachines = strings.Fields("386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 " +
		"mips64p32le ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm")
)

// goToolchain is what of a Go installation compiles a function for this kind of machine.
func goToolchain(goroot string) (layer, error) {
	l := layer{}
	for _, name := range []string{"VERSION", "go.env", "LICENSE"} {
		l[path.Join("usr/local/go", name)] = entry{mode: 0o644, from: filepath.Join(goroot, name)}
	}
	l.program("usr/local/go/bin/go", filepath.Join(goroot, "bin", "go"))
	tools := filepath.Join("pkg", "tool", "linux_"+runtime.GOARCH)
	for _, tool := range goTools {
		l.program(path.Join("usr/local/go", filepath.ToSlash(tools), tool), filepath.Join(goroot, tools, tool))
	}
	if err := l.tree("usr/local/go/pkg/include", filepath.Join(goroot, "pkg", "include"), func(string, fs.DirEntry) bool { return true }); err != nil {
		return nil, err
	}
	return l, l.tree("usr/local/go/src", filepath.Join(goroot, "src"), neededSource)
}

// neededSource reports whether a file or folder of the standard library's source takes part in builds for this machine.
func neededSource(at string, d fs.DirEntry) bool {
	name := d.Name()
	if d.IsDir() {
		return at != "cmd" && name != "testdata"
	}
	if strings.HasSuffix(name, "_test.go") || at == "all.bash" || path.Ext(name) == ".bat" || path.Ext(name) == ".rc" {
		return false
	}
	stem, _, _ := strings.Cut(name, ".")
	parts := strings.Split(stem, "_")
	if len(parts) < 2 || (path.Ext(name) != ".go" && path.Ext(name) != ".s") {
		return true
	}
	last, system := parts[len(parts)-1], parts[len(parts)-1]
	if slices.Contains(goMachines, last) {
		if last != runtime.GOARCH {
			return false
		}
		system = parts[len(parts)-2]
	}
	return !slices.Contains(goSystems, system)
}
