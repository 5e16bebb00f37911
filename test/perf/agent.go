// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/openfunction/openfunction/test/agent/bench"
	"github.com/openfunction/openfunction/test/kit"
)

// eventRate is at how many events a second the agent's added latency is measured.
const eventRate = 1000

// measureAgent compares what is handed to a function directly with the same through the agent: by a stand-in for daprd, which shows the agent's
// share alone, and by the real daprd.
func measureAgent(ctx context.Context, s settings) error {
	root, err := kit.Root()
	if err != nil {
		return err
	}
	daprd, err := buildDaprd(ctx, root)
	if err != nil {
		return err
	}
	for _, caller := range []struct{ title, program string }{{"a stand-in", ""}, {"daprd", daprd}} {
		for _, protocol := range []string{"grpc", "http"} {
			progress("the agent between %s and a function, %s", caller.title, protocol)
			figures, err := bench.Measure(ctx, bench.Options{Seconds: s.seconds, Rate: eventRate, Protocol: protocol, Root: root, Daprd: caller.program})
			if err != nil {
				return err
			}
			for _, f := range figures {
				figure(f.Name, f.Value, f.Unit)
			}
		}
	}
	return nil
}

// buildDaprd returns the local cluster's daprd.
func buildDaprd(ctx context.Context, root string) (string, error) {
	build := exec.CommandContext(ctx, "go", "run", "-C", filepath.Join(root, "hack/cluster"), ".", "build", "dapr")
	build.Stderr = os.Stderr
	folder, err := build.Output()
	if err != nil {
		return "", fmt.Errorf("building daprd: %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(folder)), "daprd"), nil
}
