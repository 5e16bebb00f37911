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
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openfunction/openfunction/test/agent/standin"
)

// Options say how long and how hard.
type Options struct {
	Seconds  int    // of every way, for the latency and for the throughput
	Rate     int    // events a second
	Protocol string // grpc or http
	Root     string // of the module
	Daprd    string // the program; a stand-in calls the applications when empty
}

// Figure is one line: name, value, unit.
type Figure struct {
	Name  string
	Value float64
	Unit  string
}

// String is the line.
func (f Figure) String() string { return fmt.Sprintf("%s %.3f %s", f.Name, f.Value, f.Unit) }

const token = "a-token-of-the-benchmark"

// workers are the events under way at once when the top throughput is measured.
const workers = 64

// Measure runs the benchmark.
func Measure(ctx context.Context, o Options) ([]Figure, error) {
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
	ways := [2]standin.App{direct, through}
	for i, way := range ways { // connections are made, code is warm
		if _, err := paced(ctx, way, o.Rate, time.Second); err != nil {
			return nil, fmt.Errorf("warming up way %d: %w", i, err)
		}
	}
	var p50, p99, rate [2][]float64
	for turn := range o.Seconds {
		for _, i := range order(turn) {
			took, err := paced(ctx, ways[i], o.Rate, time.Second)
			if err != nil {
				return nil, err
			}
			p50[i], p99[i] = append(p50[i], milliseconds(took, 0.50)), append(p99[i], milliseconds(took, 0.99))
		}
	}
	for turn := range o.Seconds {
		for _, i := range order(turn) {
			n, err := flatOut(ctx, ways[i], time.Second)
			if err != nil {
				return nil, err
			}
			rate[i] = append(rate[i], n)
		}
	}
	prefix := "agent_" + o.Protocol + "_"
	if o.Daprd != "" {
		prefix = "agent_daprd_" + o.Protocol + "_"
	}
	return []Figure{
		{prefix + "direct_p50", median(p50[0]), "ms"}, {prefix + "through_p50", median(p50[1]), "ms"},
		{prefix + "added_p50", medianOf(p50, func(direct, through float64) float64 { return through - direct }), "ms"},
		{prefix + "direct_p99", median(p99[0]), "ms"}, {prefix + "through_p99", median(p99[1]), "ms"},
		{prefix + "added_p99", medianOf(p99, func(direct, through float64) float64 { return through - direct }), "ms"},
		{prefix + "direct_throughput", median(rate[0]), "events/s"}, {prefix + "through_throughput", median(rate[1]), "events/s"},
		{prefix + "throughput_ratio", medianOf(rate, func(direct, through float64) float64 { return through / direct }), "x"},
	}, nil
}

// order is who goes first: either way has as many turns before the other as after it.
func order(turn int) [2]int { return [2]int{turn % 2, (turn + 1) % 2} }

// medianOf compares the ways turn by turn, so that what else the machine does at a time weighs on both.
func medianOf(ways [2][]float64, compare func(direct, through float64) float64) float64 {
	var out []float64
	for i := range ways[0] {
		out = append(out, compare(ways[0][i], ways[1][i]))
	}
	return median(out)
}

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
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err.Error() // whoever listens there will say so
	}
	defer l.Close()
	return l.Addr().String()
}

// paced sends events at a rate, whatever becomes of those before: an answer that is late does not make the next event late.
func paced(ctx context.Context, app standin.App, rate int, long time.Duration) ([]time.Duration, error) {
	n := int(float64(rate) * long.Seconds())
	took, errs := make([]time.Duration, n), make([]error, n)
	var all sync.WaitGroup
	start := time.Now()
	for i := range n {
		time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		all.Go(func() {
			sent := time.Now()
			errs[i] = app.Deliver(ctx, i, payload)
			took[i] = time.Since(sent)
		})
	}
	all.Wait()
	return took, errors.Join(errs...)
}

var payload = []byte("event " + strings.Repeat("x", 512))

// flatOut sends as many events as go.
func flatOut(ctx context.Context, app standin.App, long time.Duration) (float64, error) {
	var sent atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	start := time.Now()
	for range workers {
		all.Go(func() {
			for time.Since(start) < long {
				if err := app.Deliver(ctx, int(sent.Add(1)), payload); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(sent.Load()) / time.Since(start).Seconds(), nil
}

func milliseconds(of []time.Duration, p float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[min(int(p*float64(len(sorted))), len(sorted)-1)].Seconds() * 1000
}

func median(of []float64) float64 { return slices.Sorted(slices.Values(of))[len(of)/2] }
