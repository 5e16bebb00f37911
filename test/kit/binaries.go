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

// binaries returns the paths of etcd, kube-apiserver and kube-controller-manager by name. They are those of the local
// cluster, which builds each version once: minutes the first time, a second when it is in the cache.
func binaries(ctx context.Context) (map[string]string, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	paths := map[string]string{}
	for component, names := range map[string][]string{
		"etcd": {"etcd"}, "kubernetes": {"kube-apiserver", "kube-controller-manager"},
	} {
		cmd := exec.CommandContext(ctx, "go", "run", "-C", "hack/cluster", ".", "build", component)
		cmd.Dir, cmd.Stderr = root, os.Stderr // the first build takes minutes and says what it does
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("building %s: %w", component, err)
		}
		for _, name := range names {
			paths[name] = filepath.Join(strings.TrimSpace(string(out)), name)
			if _, err := os.Stat(paths[name]); err != nil {
				return nil, fmt.Errorf("looking for the program %s: %w", name, err)
			}
		}
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
