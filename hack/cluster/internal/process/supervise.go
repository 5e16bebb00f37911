package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
	"github.com/openfunction/openfunction/hack/cluster/internal/netns"
)

// Daemon says how a process is to be run.
type Daemon struct {
	// Name is unique in the cluster; record and log file are named after it.
	Name string
	// Command is the program and its arguments.
	Command []string
	// Env is added to a small fixed environment.
	Env []string
	// Inside asks for the cluster's network namespace; otherwise it runs in the host's.
	Inside bool
	// Inputs are files whose change asks for a restart.
	Inputs []string
	// Ready returns nil once the daemon does its work.
	Ready func(ctx context.Context) error
	// Patience is how long Ready may take; 60 s when zero.
	Patience time.Duration
}

// Supervisor starts and stops the daemons of one cluster.
type Supervisor struct {
	// Layout says where records and logs go.
	Layout layout.Layout
	// Netns is the cluster's network namespace.
	Netns netns.Namespace
}

func (s Supervisor) recordPath(name string) string { return s.Layout.Path("run", name+".pid.json") }

// LogPath is the file a daemon's output goes to.
func (s Supervisor) LogPath(name string) string { return s.Layout.Path("logs", name+".log") }

// mark is the environment entry every process of this cluster carries.
func (s Supervisor) mark() string { return layout.OwnerVariable + "=" + s.Layout.State }

// Running returns the record of a daemon that runs.
func (s Supervisor) Running(name string) (Record, bool) {
	r, ok := load(s.recordPath(name))
	if !ok || !r.Runs() {
		return Record{}, false
	}
	return r, true
}

// Ensure makes sure that the daemon runs as described, and returns once it is ready. It tells whether it started it.
func (s Supervisor) Ensure(ctx context.Context, d Daemon) (started bool, err error) {
	print, err := s.fingerprint(d)
	if err != nil {
		return false, err
	}
	if r, ok := s.Running(d.Name); ok {
		if r.Fingerprint == print && (!d.Inside || s.Netns.Holds(r.PID)) {
			return false, s.await(ctx, d, r)
		}
		if err := s.Stop(d.Name, 20*time.Second); err != nil {
			return false, err
		}
	}
	r, err := s.start(d, print)
	if err != nil {
		return false, err
	}
	return true, s.await(ctx, d, r)
}

// fingerprint covers command, environment, input files and the namespace.
func (s Supervisor) fingerprint(d Daemon) (string, error) {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%q %q %t\n", d.Command, d.Env, d.Inside)
	for _, file := range d.Inputs {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("starting %s: %w", d.Name, err)
		}
		_, _ = fmt.Fprintf(h, "%s %x\n", file, sha256.Sum256(content))
	}
	return hex.EncodeToString(h.Sum(nil)[:12]), nil
}

// start runs the daemon in a session of its own, so that it outlives this command.
func (s Supervisor) start(d Daemon, print string) (Record, error) {
	logPath := s.LogPath(d.Name)
	if err := os.MkdirAll(filepath.Dir(logPath), 0o755); err != nil {
		return Record{}, fmt.Errorf("starting %s: %w", d.Name, err)
	}
	if info, err := os.Stat(logPath); err == nil && info.Size() > 0 {
		_ = os.Rename(logPath, logPath+".1") // The log of the run before is kept, for what it says about why it ended.
	}
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return Record{}, fmt.Errorf("starting %s: %w", d.Name, err)
	}
	defer func() { _ = log.Close() }()

	cmd := exec.Command(d.Command[0], d.Command[1:]...)
	cmd.Dir = s.Layout.State
	cmd.Env = append([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", s.mark(),
	}, d.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	keepFiles()
	run := cmd.Start
	if d.Inside {
		run = func() error { return s.Netns.Do(cmd.Start) }
	}
	if err := run(); err != nil {
		return Record{}, fmt.Errorf("starting %s: %w", d.Name, err)
	}
	r, err := system.identify(cmd.Process.Pid, d.Command[0], print)
	if err == nil {
		err = save(s.recordPath(d.Name), r)
	}
	if err != nil {
		_ = cmd.Process.Kill()
		return Record{}, fmt.Errorf("starting %s: %w", d.Name, err)
	}
	go func() { _ = cmd.Wait() }() // Reaps it, should it end while this command still runs.
	return r, nil
}

// keepFiles keeps the files that whoever called this command had open from daemons: a lock among them would be held for as long as they live.
func keepFiles() {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return // they are handed on
	}
	for _, entry := range entries {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}

// await polls Ready until it holds, the daemon ends, or patience runs out.
func (s Supervisor) await(ctx context.Context, d Daemon, r Record) error {
	if d.Ready == nil {
		return nil
	}
	patience := d.Patience
	if patience == 0 {
		patience = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		attempt, stop := context.WithTimeout(ctx, 5*time.Second)
		err := d.Ready(attempt)
		stop()
		if err == nil {
			return nil
		}
		if !r.Runs() {
			return fmt.Errorf("it ended; see %s:\n%s", s.LogPath(d.Name), tail(s.LogPath(d.Name)))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready after %s: %w; see %s:\n%s", patience, err, s.LogPath(d.Name), tail(s.LogPath(d.Name)))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Stop ends a daemon: politely first, and by force once patience has run out. One that does not run is fine.
func (s Supervisor) Stop(name string, patience time.Duration) error {
	path := s.recordPath(name)
	r, ok := load(path)
	if ok && r.Runs() {
		if err := end(r, patience); err != nil {
			return fmt.Errorf("stopping %s: %w", name, err)
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("stopping %s: %w", name, err)
	}
	return nil
}

// end signals exactly the recorded process: the descriptor is opened first and the identity checked after, so that the
// pid cannot change hands in between.
func end(r Record, patience time.Duration) error {
	fd, err := unix.PidfdOpen(r.PID, 0)
	if err != nil {
		if errors.Is(err, unix.ESRCH) {
			return nil
		}
		return fmt.Errorf("opening process %d: %w", r.PID, err)
	}
	defer func() { _ = unix.Close(fd) }()
	if !r.Runs() {
		return nil
	}
	for _, attempt := range []struct {
		signal   unix.Signal
		patience time.Duration
	}{{unix.SIGTERM, patience}, {unix.SIGKILL, 10 * time.Second}} {
		if err := unix.PidfdSendSignal(fd, attempt.signal, nil, 0); errors.Is(err, unix.ESRCH) {
			return nil
		} else if err != nil {
			return fmt.Errorf("signalling process %d: %w", r.PID, err)
		}
		for deadline := time.Now().Add(attempt.patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			if !r.Runs() {
				return nil
			}
		}
	}
	return fmt.Errorf("process %d (%s) does not end", r.PID, r.Command)
}

// Recorded lists the names of the daemons that have a record.
func (s Supervisor) Recorded() []string {
	files, _ := filepath.Glob(s.recordPath("*"))
	names := make([]string, 0, len(files))
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".pid.json"))
	}
	slices.Sort(names)
	return names
}

// Orphans lists the running processes that carry the mark of this cluster but are no recorded daemon: container shims,
// and daemons whose record was lost in a crash.
func (s Supervisor) Orphans() ([]Record, error) {
	pids, err := system.owned(s.mark())
	if err != nil {
		return nil, err
	}
	known := map[int]bool{}
	for _, name := range s.Recorded() {
		if r, ok := s.Running(name); ok {
			known[r.PID] = true
		}
	}
	var orphans []Record
	for _, pid := range pids {
		if known[pid] {
			continue
		}
		if r, err := system.identify(pid, system.command(pid), ""); err == nil {
			orphans = append(orphans, r)
		}
	}
	return orphans, nil
}

// Kill ends a process by force, after the same check of its identity as Stop.
func Kill(r Record) error { return end(r, 0) }

// tail returns the last lines of a log.
func tail(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}
