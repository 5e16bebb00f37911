// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// KillAPIServer ends the API server as a crash does, and starts it again as it was.
func (cp *ControlPlane) KillAPIServer(ctx context.Context) error {
	pid, args, err := cp.programOf("kube-apiserver")
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("killing the API server: %w", err)
	}
	if err := poll(ctx, time.Minute, "the API server to end", func() (bool, error) {
		state, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		return errors.Is(err, fs.ErrNotExist) || bytes.Contains(state, []byte(") Z ")), nil // a read that fails otherwise is tried again
	}); err != nil {
		return err
	}
	return poll(ctx, 2*time.Minute, "the API server to answer again", func() (bool, error) {
		if err := cp.keepServer(args); err != nil {
			return false, err
		}
		err := cp.Client.Get(ctx, client.ObjectKey{Name: "default"}, &corev1.Namespace{})
		return err == nil, err
	})
}

// keepServer starts the API server that was killed, and starts it once more where it has ended again, as a node does: its port may be taken for a moment.
func (cp *ControlPlane) keepServer(args []string) error {
	cp.mu.Lock()
	defer cp.mu.Unlock()
	if cp.server != nil {
		select {
		case <-cp.server.done:
		default:
			return nil
		}
	}
	p, err := startProcess(args[0], args[1:]...)
	if err != nil {
		return fmt.Errorf("starting the API server again: %w", err)
	}
	cp.server = p
	return nil
}

// FreezeEtcd stops etcd for a while, and lets it go on.
func (cp *ControlPlane) FreezeEtcd(ctx context.Context, d time.Duration) error {
	pid, _, err := cp.programOf("etcd")
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("freezing etcd: %w", err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		return fmt.Errorf("thawing etcd: %w", err)
	}
	return nil
}

// programOf finds a program of this control plane by the folder in its flags, which no other has.
func (cp *ControlPlane) programOf(name string) (pid int, args []string, err error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, nil, err
	}
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(line, []byte(cp.dir+"/")) {
			continue
		}
		args := strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
		if filepath.Base(args[0]) != name {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		return pid, args, err
	}
	return 0, nil, fmt.Errorf("%s of this control plane does not run", name)
}
