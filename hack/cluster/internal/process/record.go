// Package process starts, recognises and stops the cluster's daemons. A daemon is known by its record: pid, start time
// and boot, so that a pid that was given to another process since is never mistaken for it and never signalled.
package process

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
)

// Record identifies a process that was started.
type Record struct {
	// PID is the process id.
	PID int `json:"pid"`
	// Ticks is the start time, in clock ticks since the boot, as the kernel tells it.
	Ticks uint64 `json:"ticks"`
	// Boot is the id of the boot that the process was started in.
	Boot string `json:"boot"`
	// Command is the path of the program.
	Command string `json:"command"`
	// Fingerprint covers everything the process was started with; another fingerprint asks for a restart.
	Fingerprint string `json:"fingerprint"`
}

// proc is where the kernel tells about processes; tests point it at a folder of their own.
type proc string

const system proc = "/proc"

// boot is the id of the running boot.
func (p proc) boot() string {
	id, err := os.ReadFile(filepath.Join(string(p), "sys/kernel/random/boot_id"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// stat is what matters of /proc/PID/stat.
type stat struct {
	state byte
	ticks uint64
}

// stat reads the state and start time of a process. The command in the second field may hold spaces and brackets, so
// fields are counted from the last closing bracket.
func (p proc) stat(pid int) (stat, error) {
	content, err := os.ReadFile(filepath.Join(string(p), strconv.Itoa(pid), "stat"))
	if err != nil {
		return stat{}, fmt.Errorf("reading process %d: %w", pid, err)
	}
	end := bytes.LastIndexByte(content, ')')
	fields := strings.Fields(string(content[end+1:]))
	if end < 0 || len(fields) < 20 || len(fields[0]) != 1 {
		return stat{}, fmt.Errorf("reading process %d: unexpected stat %q", pid, content)
	}
	ticks, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return stat{}, fmt.Errorf("reading process %d: %w", pid, err)
	}
	return stat{state: fields[0][0], ticks: ticks}, nil
}

// command is the first word of a process's command line; one that is only being loaded, or is gone, has none.
func (p proc) command(pid int) string {
	content, err := os.ReadFile(filepath.Join(string(p), strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return ""
	}
	first, _, _ := bytes.Cut(content, []byte{0})
	return string(first)
}

// runs tells whether exactly the recorded process is still running.
func (p proc) runs(r Record) bool {
	if r.PID <= 1 || r.Boot == "" || r.Boot != p.boot() {
		return false
	}
	s, err := p.stat(r.PID)
	if err != nil || s.ticks != r.Ticks || s.state == 'Z' || s.state == 'X' {
		return false
	}
	// While the kernel loads a program, which on a busy machine is seen, its process has no command line yet, and a record made then has none.
	command := p.command(r.PID)
	return command == "" || r.Command == "" || command == r.Command
}

// identify makes the record of a process that has just been started.
func (p proc) identify(pid int, command, fingerprint string) (Record, error) {
	s, err := p.stat(pid)
	if err != nil {
		return Record{}, err
	}
	return Record{PID: pid, Ticks: s.ticks, Boot: p.boot(), Command: command, Fingerprint: fingerprint}, nil
}

// owned lists the processes that carry the owner's mark in their environment.
func (p proc) owned(mark string) ([]int, error) {
	entries, err := os.ReadDir(string(p))
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid <= 1 || pid == os.Getpid() {
			continue
		}
		environ, err := os.ReadFile(filepath.Join(string(p), e.Name(), "environ"))
		if err != nil {
			continue // It ended meanwhile.
		}
		for entry := range bytes.SplitSeq(environ, []byte{0}) {
			if string(entry) == mark {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids, nil
}

// Runs tells whether the recorded process is still running.
func (r Record) Runs() bool { return system.runs(r) }

// load reads a record; a missing, broken or half-written one is none.
func load(path string) (Record, bool) {
	content, err := os.ReadFile(path)
	if err != nil {
		return Record{}, false
	}
	var r Record
	if json.Unmarshal(content, &r) != nil || r.PID <= 1 {
		return Record{}, false
	}
	return r, true
}

// save writes a record.
func save(path string, r Record) error {
	content, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return layout.WriteFile(path, content, 0o644)
}
