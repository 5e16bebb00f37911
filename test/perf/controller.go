// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/openfunction/openfunction/test/kit"
	"github.com/openfunction/openfunction/test/ports"
)

// controller is a run of cmd/core.
type controller struct {
	cmd     *exec.Cmd
	log     *os.File
	metrics string
	pprof   string
	done    chan struct{}
}

// buildController builds cmd/core into a folder.
func buildController(ctx context.Context, dir string) (string, error) {
	root, err := kit.Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "core")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/core")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	return path, cmd.Run()
}

// startController runs the binary with its own settings, except for ports.
func startController(path, kubeconfig string) (*controller, error) {
	metrics, err := ports.Address()
	if err != nil {
		return nil, err
	}
	pprof, err := ports.Address()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(path + ".log")
	if err != nil {
		return nil, err
	}
	c := &controller{
		cmd: exec.Command(path, "--kubeconfig="+kubeconfig, "--metrics-bind-address="+metrics, "--pprof-bind-address="+pprof, "--health-probe-bind-address=0"),
		log: log, metrics: "http://" + metrics + "/metrics", pprof: "http://" + pprof, done: make(chan struct{}),
	}
	c.cmd.Stdout, c.cmd.Stderr = log, log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = c.cmd.Wait()
		close(c.done)
	}()
	return c, nil
}

// stop ends it as the kubelet does. That it had ended before, or does not want to end, is an error.
func (c *controller) stop() error {
	select {
	case <-c.done:
		text, _ := os.ReadFile(c.log.Name())
		return fmt.Errorf("cmd/core ended by itself (%s): %s", c.cmd.ProcessState, text[max(0, len(text)-4096):])
	default:
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.done:
	case <-time.After(40 * time.Second):
		_ = c.cmd.Process.Kill()
		<-c.done
		return errors.New("cmd/core did not end within 40 s")
	}
	return c.log.Close()
}

// reconciled is how many times the named controller has looked at an object; waiting is how many are still in its queue or at work.
func (c *controller) reconciled(name string) (done, waiting int, err error) {
	resp, err := http.Get(c.metrics)
	if err != nil {
		return 0, 0, nil
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		metric, value, _ := strings.Cut(lines.Text(), "} ")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil || !strings.Contains(metric, `controller="`+name+`"`) {
			continue
		}
		switch {
		case strings.HasPrefix(metric, "controller_runtime_reconcile_total{"):
			done += int(n)
		case strings.HasPrefix(metric, "workqueue_depth{"), strings.HasPrefix(metric, "controller_runtime_active_workers{"):
			waiting += int(n)
		}
	}
	return done, waiting, lines.Err()
}

// residentMiB is the memory the program holds now.
func (c *controller) residentMiB() (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 64)
			return kib / 1024, err
		}
	}
	return 0, errors.New("the status of the process has no VmRSS")
}
