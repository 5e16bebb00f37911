// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// component is a program of the control plane and the module under hack/cluster/components that pins its version.
type component struct{ module, pkg string }

var components = map[string]component{
	"etcd":                    {"etcd", "go.etcd.io/etcd/server/v3"},
	"kube-apiserver":          {"kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver"},
	"kube-controller-manager": {"kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager"},
}

// binaries returns the paths of the named programs, building those that are not in the cache.
func binaries(ctx context.Context, names ...string) (map[string]string, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	paths := map[string]string{}
	for _, name := range names {
		c := components[name]
		dir := filepath.Join(root, "hack/cluster/components", c.module)
		version, err := output(ctx, dir, "go", "list", "-m", "-f", "{{.Version}}", strings.TrimSuffix(c.pkg, "/cmd/"+name))
		if err != nil {
			return nil, err
		}
		path := filepath.Join(cache, "openfunction", "kit", version, name)
		if _, err := os.Stat(path); err != nil {
			fmt.Fprintf(os.Stderr, "building %s %s (minutes the first time)\n", name, version)
			if _, err := output(ctx, dir, "env", "CGO_ENABLED=0", "go", "build", "-trimpath",
				"-ldflags", "-s -w -X k8s.io/component-base/version.gitVersion="+version+
					" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36",
				"-o", path, c.pkg); err != nil {
				return nil, err
			}
		}
		paths[name] = path
	}
	return paths, nil
}

// Root is the folder of the checkout that holds the working directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		module, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && bytes.HasPrefix(module, []byte("module github.com/openfunction/openfunction\n")) {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("the working directory is not inside the repository of github.com/openfunction/openfunction")
		}
		dir = parent
	}
}

// output runs a command and returns its trimmed standard output; the error holds what the command said.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("running %s %s in %s: %w\n%s", name, strings.Join(args, " "), dir, err, stderr.String())
	}
	return strings.TrimSpace(stdout.String()), nil
}
