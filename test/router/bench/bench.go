// SPDX-License-Identifier: Apache-2.0

// Package bench measures what the router costs a request: the same client calls the same function directly and through the router.
package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/openfunction/openfunction/pkg/core/route"
	"github.com/openfunction/openfunction/test/paired"
	"github.com/openfunction/openfunction/test/ports"
	"github.com/openfunction/openfunction/test/router/standin"
)

// Options say how long and how hard.
type Options struct {
	Seconds int    // of every way, for the latency and for the throughput
	Rate    int    // requests a second
	HTTP2   bool   // instead of HTTP/1.1
	Root    string // of the module
}

// The function that is called.
const (
	namespace, name = "bench", "fn"
	host            = name + "." + namespace + ".svc.cluster.local"
)

// Measure runs a router and a function as processes of their own, and the benchmark.
func Measure(ctx context.Context, o Options) ([]paired.Figure, error) {
	dir, err := os.MkdirTemp("", "router-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "build", "-o", dir, "./cmd/router", "./test/router/backend")
	build.Dir, build.Env = o.Root, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building: %w: %s", err, out)
	}
	services := &standin.Services{}
	api := httptest.NewServer(services)
	defer func() { api.CloseClientConnections(); api.Close() }()
	kubeconfig, err := standin.Kubeconfig(dir, api.URL)
	if err != nil {
		return nil, err
	}
	function, err := ports.Address()
	if err != nil {
		return nil, err
	}
	front, err := ports.Address()
	if err != nil {
		return nil, err
	}
	services.Set(namespace, name, route.Route{Backends: []route.Backend{{Address: function, Host: host, Weight: 1}}})
	for _, c := range [][]string{
		{"backend", "--address", function},
		{"router", "--kubeconfig", kubeconfig, "--listen", front, "--interceptor", function,
			"--metrics-bind-address", "127.0.0.1:0", "--health-probe-bind-address", "127.0.0.1:0"},
	} {
		command := exec.CommandContext(ctx, filepath.Join(dir, c[0]), c[1:]...)
		if err := command.Start(); err != nil {
			return nil, err
		}
		defer func() {
			cancel()
			_ = command.Wait() // it was killed
		}()
	}
	direct, through := way(function, o.HTTP2), way(front, o.HTTP2)
	if err := errors.Join(answering(ctx, direct), answering(ctx, through)); err != nil {
		return nil, err
	}
	prefix := map[bool]string{false: "router_http1", true: "router_http2"}[o.HTTP2]
	return paired.Measure(ctx, paired.Options{Prefix: prefix, Unit: "requests/s", Seconds: o.Seconds, Rate: o.Rate}, direct, through)
}

var payload = bytes.Repeat([]byte("x"), 512)

// way calls the function at an address, over connections that are kept.
func way(address string, two bool) paired.Way {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(!two)
	protocols.SetUnencryptedHTTP2(two)
	client := &http.Client{Transport: &http.Transport{Protocols: protocols, MaxIdleConnsPerHost: paired.Workers, DisableCompression: true}}
	return func(ctx context.Context, _ int) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/", bytes.NewReader(payload))
		if err != nil {
			return err
		}
		req.Host = host
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err == nil && (res.StatusCode != http.StatusOK || !bytes.Equal(text, payload)) {
			return fmt.Errorf("%s answered %d, %d bytes", address, res.StatusCode, len(text))
		}
		return err
	}
}

func answering(ctx context.Context, way paired.Way) error {
	var err error
	for range 400 {
		if err = way(ctx, 0); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}
