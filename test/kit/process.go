// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program the kit started and will end.
type process struct {
	cmd  *exec.Cmd
	out  *tail
	done chan struct{}
}

func startProcess(path string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(path, args...), out: newTail(8 << 10), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// stop asks, then insists. A program that had ended before it was asked is an error.
func (p *process) stop() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s ended by itself (%s): %s", filepath.Base(p.cmd.Path), p.cmd.ProcessState, p.out)
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	return nil
}

// dirPrefix starts the name of each control plane's folder; the process id of its owner follows.
const dirPrefix = "openfunction-kit-"

// sweep ends what a killed test left running. Only programs whose command line names the folder of a dead owner are
// ended: that folder's name is in the flags of every program the kit starts, and in no other.
func sweep() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	for _, dir := range dirs {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), dirPrefix), "-")
		pid, err := strconv.Atoi(owner)
		if err != nil || syscall.Kill(pid, 0) == nil {
			continue
		}
		cmdlines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, file := range cmdlines {
			if line, err := os.ReadFile(file); err == nil && bytes.Contains(line, []byte(dir+"/")) {
				if child, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && startedByKit(line) {
					_ = syscall.Kill(child, syscall.SIGKILL)
				}
			}
		}
		_ = os.RemoveAll(dir)
	}
}

func startedByKit(cmdline []byte) bool {
	program, _, _ := bytes.Cut(cmdline, []byte{0})
	switch filepath.Base(string(program)) {
	case "etcd", "kube-apiserver", "kube-controller-manager":
		return true
	}
	return false
}
