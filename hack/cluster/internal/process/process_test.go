package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
)

// fake writes a /proc with one process.
func fake(t *testing.T, pid int, stat, cmdline, environ string) proc {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"sys/kernel/random/boot_id":    "boot-1\n",
		fmt.Sprintf("%d/stat", pid):    stat,
		fmt.Sprintf("%d/cmdline", pid): cmdline,
		fmt.Sprintf("%d/environ", pid): environ,
	} {
		if err := layout.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return proc(dir)
}

func statLine(name string, state string, ticks int) string {
	return fmt.Sprintf("42 (%s) %s 1 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 5 0 %d 1 1", name, state, ticks)
}

func TestIdentity(t *testing.T) {
	good := Record{PID: 42, Ticks: 777, Boot: "boot-1", Command: "/bin/etcd"}
	with := func(change func(*Record)) Record { r := good; change(&r); return r }
	for name, tc := range map[string]struct {
		because string
		record  Record
		stat    string
		want    bool
	}{
		"Same":         {"all of it fits", good, statLine("etcd", "S", 777), true},
		"Recycled":     {"another process got the pid", with(func(r *Record) { r.Ticks = 776 }), statLine("etcd", "S", 777), false},
		"Rebooted":     {"pid and ticks repeat after a boot", with(func(r *Record) { r.Boot = "boot-0" }), statLine("etcd", "S", 777), false},
		"OtherProgram": {"it became another program", with(func(r *Record) { r.Command = "/bin/sh" }), statLine("etcd", "S", 777), false},
		"Loaded":       {"the record was made while it was being loaded", with(func(r *Record) { r.Command = "" }), statLine("etcd", "S", 777), true},
		"Zombie":       {"it has ended and is not reaped", good, statLine("etcd", "Z", 777), false},
		"Gone":         {"there is no such process", with(func(r *Record) { r.PID = 43 }), statLine("etcd", "S", 777), false},
		"Init":         {"pid 1 is never ours", with(func(r *Record) { r.PID = 1 }), statLine("etcd", "S", 777), false},
		"NoBoot":       {"the record says nothing about the boot", with(func(r *Record) { r.Boot = "" }), statLine("etcd", "S", 777), false},
		"OddName":      {"names may hold brackets and spaces", good, statLine("a) R 1 (b", "S", 777), true},
		"BrokenStat":   {"the kernel's answer makes no sense", good, "42 (etcd", false},
	} {
		t.Run(name, func(t *testing.T) {
			p := fake(t, 42, tc.stat, "/bin/etcd\x00--name\x00", "")
			if got := p.runs(tc.record); got != tc.want {
				t.Errorf("runs is %t, want %t, because %s", got, tc.want, tc.because)
			}
		})
	}
}

func TestAProgramRunsWhileItIsLoaded(t *testing.T) {
	p := fake(t, 42, statLine("etcd", "R", 777), "", "")
	if !p.runs(Record{PID: 42, Ticks: 777, Boot: "boot-1", Command: "/bin/etcd"}) {
		t.Error("a process without a command line yet is taken for one that has ended")
	}
}

func TestOwnedByMark(t *testing.T) {
	const mark = "OWNER=/var/lib/x"
	for environ, want := range map[string]int{
		"A=1\x00OWNER=/var/lib/x\x00": 1,
		"OWNER=/var/lib/xy\x00":       0,
		"B=OWNER=/var/lib/x\x00":      0,
		"":                            0,
	} {
		pids, err := fake(t, 42, statLine("x", "S", 1), "x", environ).owned(mark)
		if err != nil || len(pids) != want {
			t.Errorf("with environment %q, %d processes are owned (%v), want %d", environ, len(pids), err, want)
		}
	}
}

func TestBrokenRecordIsNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.pid.json")
	for _, content := range []string{"", `{"pid": 1`, `{"pid": 1}`, `{"pid": -1}`, "[]"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if r, ok := load(file); ok {
			t.Errorf("%q was read as %+v", content, r)
		}
	}
}

func TestStopSparesAProcessWithTheSamePid(t *testing.T) {
	bystander := exec.Command("sleep", "60")
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bystander.Process.Kill(); _ = bystander.Wait() }()
	s := Supervisor{Layout: layout.Layout{State: t.TempDir()}}
	r, err := system.identify(bystander.Process.Pid, system.command(bystander.Process.Pid), "")
	if err != nil {
		t.Fatal(err)
	}
	r.Ticks--
	if err := save(s.recordPath("etcd"), r); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop("etcd", time.Second); err != nil {
		t.Fatal(err)
	}
	r.Ticks++
	if !r.Runs() {
		t.Error("a process that only shares the pid was stopped")
	}
	if len(s.Recorded()) != 0 {
		t.Error("the stale record is still there")
	}
}

func TestEnsure(t *testing.T) {
	s := Supervisor{Layout: layout.Layout{State: t.TempDir()}}
	d := Daemon{Name: "sleeper", Command: []string{"/bin/sleep", "60"}, Ready: func(context.Context) error { return nil }}
	defer func() { _ = s.Stop("sleeper", time.Second) }()
	ensure := func(want bool, because string) Record {
		t.Helper()
		started, err := s.Ensure(t.Context(), d)
		if err != nil || started != want {
			t.Fatalf("started is %t (%v), want %t, because %s", started, err, want, because)
		}
		r, _ := s.Running("sleeper")
		return r
	}
	first := ensure(true, "it did not run")
	if second := ensure(false, "it runs"); second != first {
		t.Errorf("it was replaced: %+v, then %+v", first, second)
	}
	orphans, err := s.Orphans()
	if err != nil || len(orphans) != 0 {
		t.Errorf("a recorded process is taken for an orphan: %v, %v", orphans, err)
	}
	if err := os.Remove(s.recordPath("sleeper")); err != nil {
		t.Fatal(err)
	}
	if orphans, err = s.Orphans(); err != nil || len(orphans) != 1 || orphans[0].PID != first.PID {
		t.Fatalf("the process without a record is not found: %v, %v", orphans, err)
	}
	if err := Kill(orphans[0]); err != nil || first.Runs() {
		t.Errorf("the orphan was not ended: %v", err)
	}
	ensure(true, "it was killed")
	d.Env = []string{"A=1"}
	ensure(true, "its environment is another")
}

func TestEnsureTellsWhyADaemonEnded(t *testing.T) {
	s := Supervisor{Layout: layout.Layout{State: t.TempDir()}}
	_, err := s.Ensure(t.Context(), Daemon{
		Name: "broken", Command: []string{"/bin/sh", "-c", "echo no port left; exit 3"},
		Ready: func(context.Context) error { return errors.New("nobody answers") },
	})
	if err == nil || !strings.Contains(err.Error(), "no port left") {
		t.Errorf("error %v does not hold the end of the log", err)
	}
}

// Whoever starts the cluster under a lock gets the lock back.
func TestDaemonsInheritNoFiles(t *testing.T) {
	lock, err := os.Create(filepath.Join(t.TempDir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if _, err := unix.FcntlInt(lock.Fd(), unix.F_SETFD, 0); err != nil { // as a file that this process was started with
		t.Fatal(err)
	}
	s := Supervisor{Layout: layout.Layout{State: t.TempDir()}}
	defer func() { _ = s.Stop("sleeper", time.Second) }()
	if _, err := s.Ensure(t.Context(), Daemon{Name: "sleeper", Command: []string{"/bin/sleep", "60"}}); err != nil {
		t.Fatal(err)
	}
	r, ok := load(s.recordPath("sleeper"))
	if !ok {
		t.Fatal("there is no record")
	}
	if name, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", r.PID, lock.Fd())); err == nil && name == lock.Name() {
		t.Error("the daemon has the file open")
	}
}
