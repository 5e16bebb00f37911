// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

// toolchain runs the go command in one folder.
type toolchain struct {
	dir string
	env []string
	out io.Writer
}

// toolchainFor sets the go command up for a build. Whatever the author set stands, except what the layers depend on.
func toolchainFor(dir string, s settings, modules, compiled string, out io.Writer) *toolchain {
	env := append(os.Environ(),
		"CGO_ENABLED=0",
		"GOTOOLCHAIN=local",
		"GOMODCACHE="+modules,
		"GOCACHE="+compiled,
		"GOFLAGS="+strings.TrimSpace(s.goflags+" -modcacherw"),
	)
	if os.Getenv("HOME") == "" {
		env = append(env, "HOME="+os.TempDir(), "GOENV=off")
	}
	if s.goproxy != "" {
		env = append(env, "GOPROXY="+s.goproxy)
		if !s.sumdb && !servesSums(s.goproxy) {
			env = append(env, "GOSUMDB=off")
		}
	}
	return &toolchain{dir: dir, env: env, out: out}
}

// servesSums reports whether the first of the module proxies passes questions on to the checksum database. With one that
// does not, a build without internet could not check modules that go.sum does not have.
func servesSums(proxies string) bool {
	first, _, _ := strings.Cut(strings.ReplaceAll(proxies, "|", ","), ",")
	if !strings.HasPrefix(first, "http://") && !strings.HasPrefix(first, "https://") {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(first, "/")+"/sumdb/sum.golang.org/supported", http.NoBody)
	if err != nil {
		return true
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return true
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// run carries out a go command and shows its output.
func (t *toolchain) run(args ...string) error {
	fmt.Fprintf(t.out, "$ go %s\n", strings.Join(args, " "))
	c := t.command(args)
	c.Stdout, c.Stderr = t.out, t.out
	return c.Run()
}

// read carries out a go command and returns its output.
func (t *toolchain) read(args ...string) (string, error) {
	var output, complaint bytes.Buffer
	c := t.command(args)
	c.Stdout, c.Stderr = &output, &complaint
	if err := c.Run(); err != nil {
		return "", userErrorf("go %s: %s", args[0], strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(output.String()), nil
}

func (t *toolchain) command(args []string) *exec.Cmd {
	c := exec.Command("go", args...)
	c.Dir, c.Env = t.dir, t.env
	return c
}
