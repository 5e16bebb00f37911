// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
)

// profiled is how long a CPU profile is taken for.
const profiled = 15 * time.Second

// profile takes CPU profiles of cmd/core, of the kube-apiserver and of this program, which plays the engines, into a folder, from now on. The function it
// returns waits for them.
func (p *plane) profile(ctx context.Context) (wait func() error, err error) {
	if p.profiles == "" {
		return func() error { return nil }, nil
	}
	server, err := rest.HTTPClientFor(p.Config)
	if err != nil {
		return nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return takeProfile(ctx, http.DefaultClient, p.core.pprof, filepath.Join(p.profiles, "core.pprof"))
	})
	group.Go(func() error {
		return takeProfile(ctx, server, p.Config.Host, filepath.Join(p.profiles, "kube-apiserver.pprof"))
	})
	group.Go(func() error {
		var own bytes.Buffer
		if err := pprof.StartCPUProfile(&own); err != nil {
			return err
		}
		err := sleep(ctx, profiled)
		pprof.StopCPUProfile()
		return errors.Join(err, writeProfile(filepath.Join(p.profiles, "perf.pprof"), own.Bytes()))
	})
	return group.Wait, nil
}

func takeProfile(ctx context.Context, c *http.Client, host, path string) error {
	url := fmt.Sprintf("%s/debug/pprof/profile?seconds=%.0f", strings.TrimRight(host, "/"), profiled.Seconds())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return fmt.Errorf("taking a profile: %w", err)
	}
	defer resp.Body.Close()
	profile, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("taking a profile: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("taking a profile from %s: %s", url, resp.Status)
	}
	return writeProfile(path, profile)
}

func writeProfile(path string, profile []byte) error {
	if err := os.WriteFile(path, profile, 0o600); err != nil {
		return err
	}
	progress("wrote %s; look at it with go tool pprof -http=127.0.0.1: %[1]s", path)
	return nil
}
