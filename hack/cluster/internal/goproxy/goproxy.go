// Package goproxy serves Go modules to builds in the cluster, which have no way out: it reads the host's module cache, and
// has the host's go command fetch what is missing there.
package goproxy

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/module"
)

// fetchTime is how long the go command may take for one module.
const fetchTime = 3 * time.Minute

// request is the path of a file of one version.
var request = regexp.MustCompile(`^/(.+)/@v/([^/]+)\.(info|mod|zip)$`)

// Proxy is a GOPROXY over a module cache.
type Proxy struct {
	cache  string
	logger *log.Logger
	mu     sync.Mutex // One fetch at a time: the go command locks the cache anyway.
}

// New returns a proxy over a module cache (`go env GOMODCACHE`).
func New(moduleCache string, logger *log.Logger) *Proxy {
	return &Proxy{cache: filepath.Join(moduleCache, "cache", "download"), logger: logger}
}

// ServeHTTP answers the requests of the module proxy protocol. It is read-only.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "read-only", http.StatusMethodNotAllowed)
		return
	}
	file, err := p.find(r.Context(), r.URL.Path)
	if err != nil {
		http.Error(w, "not found: "+err.Error(), http.StatusNotFound)
		return
	}
	http.ServeFile(w, r, file)
}

// find returns the file that answers a path, fetching the module if need be. Paths are split into module and version,
// and both checked, so that nothing outside of the cache can be named.
func (p *Proxy) find(ctx context.Context, path string) (string, error) {
	if escaped, ok := strings.CutSuffix(path, "/@v/list"); ok {
		mod, err := module.UnescapePath(strings.TrimPrefix(escaped, "/"))
		if err != nil {
			return "", err
		}
		return p.list(ctx, mod)
	}
	m := request.FindStringSubmatch(path)
	if m == nil {
		return "", errors.New("only @v/list, .info, .mod and .zip are served")
	}
	mod, err := module.UnescapePath(m[1])
	if err != nil {
		return "", err
	}
	version, err := module.UnescapeVersion(m[2])
	if err != nil {
		return "", err
	}
	file := filepath.Join(p.cache, filepath.FromSlash(m[1]), "@v", m[2]+"."+m[3])
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	if err := p.run(ctx, "mod", "download", mod+"@"+version); err != nil {
		return "", err
	}
	if _, err := os.Stat(file); err != nil {
		return "", fmt.Errorf("%s@%s has no .%s", mod, version, m[3])
	}
	return file, nil
}

// list returns the file of known versions.
func (p *Proxy) list(ctx context.Context, mod string) (string, error) {
	escaped, err := module.EscapePath(mod)
	if err != nil {
		return "", err
	}
	file := filepath.Join(p.cache, filepath.FromSlash(escaped), "@v", "list")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	if err := p.run(ctx, "mod", "download", mod+"@latest"); err != nil {
		return "", err
	}
	if _, err := os.Stat(file); err != nil {
		return "", fmt.Errorf("%s has no list of versions", mod)
	}
	return file, nil
}

// run lets the host's go command work outside of any module.
func (p *Proxy) run(ctx context.Context, args ...string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTime)
	defer cancel()
	dir, err := os.MkdirTemp("", "goproxy-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module fetch\n"), 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	p.logger.Printf("go %s: %v", strings.Join(args, " "), err)
	if err != nil {
		return fmt.Errorf("the host could not fetch it: %s", strings.TrimSpace(string(out)))
	}
	return nil
}
