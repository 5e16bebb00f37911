// SPDX-License-Identifier: Apache-2.0

// Package bench measures what the agent costs an event: the same caller hands the same events to the same function, directly and
// through the agent, by turns within one run.
package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/openfunction/openfunction/test/agent/standin"
	"github.com/openfunction/openfunction/test/paired"
	"github.com/openfunction/openfunction/test/ports"
)

// Options say how long and how hard.
type Options struct {
	Seconds  int    // of every way, for the latency and for the throughput
	Rate     int    // events a second
	Protocol string // grpc or http
	Root     string // of the module
	Daprd    string // the program; a stand-in calls the applications when empty
}

const token = "a-token-of-the-benchmark"

// Measure runs the benchmark.
func Measure(ctx context.Context, o Options) ([]paired.Figure, error) {
	dir, err := os.MkdirTemp("", "agent-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	direct, through, err := start(ctx, o, dir)
	if err != nil {
		return nil, err
	}
	prefix := "agent_" + o.Protocol
	if o.Daprd != "" {
		prefix = "agent_daprd_" + o.Protocol
	}
	deliver := func(app standin.App) paired.Way {
		return func(ctx context.Context, number int) error { return app.Deliver(ctx, number, payload) }
	}
	return paired.Measure(ctx, paired.Options{Prefix: prefix, Unit: "events/s", Seconds: o.Seconds, Rate: o.Rate}, deliver(direct), deliver(through))
}

var payload = []byte("event " + strings.Repeat("x", 512))

// start builds and runs an agent and a function.
func start(ctx context.Context, o Options, dir string) (direct, through standin.App, err error) {
	build := exec.CommandContext(ctx, "go", "build", "-o", dir, "./cmd/agent", "./test/agent/standin/standin")
	build.Dir, build.Env = o.Root, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("building: %w: %s", err, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte(token), 0o600); err != nil {
		return nil, nil, err
	}
	function, app := freeAddress(), freeAddress()
	_, port, _ := net.SplitHostPort(app)
	for _, c := range [][]string{
		{"standin", "function", "--address", function, "--protocol", o.Protocol, "--token", token},
		{"agent", "--app-port", port, "--app-protocol", o.Protocol, "--function-address", function, "--token-dir", dir,
			"--triggers", standin.Triggers, "--scaler-port", "0", "--status-port", "0"},
	} {
		command := exec.CommandContext(ctx, filepath.Join(dir, c[0]), c[1:]...)
		if err := command.Start(); err != nil {
			return nil, nil, err
		}
	}
	dial := func(address string) (standin.App, error) { return standin.Dial(o.Protocol, address, token) }
	if o.Daprd != "" {
		dial = func(address string) (standin.App, error) { return behindDaprd(ctx, o.Daprd, o.Protocol, address) }
	}
	if direct, err = dial(function); err != nil {
		return nil, nil, err
	}
	if through, err = dial(app); err != nil {
		return nil, nil, err
	}
	return direct, through, errors.Join(answering(ctx, direct), answering(ctx, through))
}

func answering(ctx context.Context, app standin.App) error {
	var err error
	for range 400 {
		if err = app.Deliver(ctx, 0, []byte("hello ")); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

func freeAddress() string {
	address, err := ports.Address()
	if err != nil {
		return err.Error() // whoever listens there will say so
	}
	return address
}
