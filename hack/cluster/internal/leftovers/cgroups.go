package leftovers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const cgroupMount = "/sys/fs/cgroup"

// hierarchies returns the folders of the cgroup hierarchies: one with cgroup v2, one per controller with v1, and one more
// where both are mounted.
func hierarchies() []string {
	if _, err := os.Stat(filepath.Join(cgroupMount, "cgroup.controllers")); err == nil {
		return []string{cgroupMount}
	}
	var found []string
	entries, _ := os.ReadDir(cgroupMount)
	for _, e := range entries {
		dir := filepath.Join(cgroupMount, e.Name())
		var fs unix.Statfs_t
		if unix.Statfs(dir, &fs) == nil && (fs.Type == unix.CGROUP_SUPER_MAGIC || fs.Type == unix.CGROUP2_SUPER_MAGIC) && e.Type()&os.ModeSymlink == 0 {
			found = append(found, dir)
		}
	}
	return found
}

// PrepareCgroup creates a cgroup in every hierarchy. In a cpuset hierarchy of v1 a group has no processors until it is
// given some, so it gets those of the root.
func PrepareCgroup(name string) error {
	for _, h := range hierarchies() {
		dir := filepath.Join(h, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("creating cgroup %s: %w", dir, err)
		}
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			all, err := os.ReadFile(filepath.Join(h, file))
			if err != nil {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, file), all, 0o644); err != nil {
				return fmt.Errorf("preparing cgroup %s: %w", dir, err)
			}
		}
	}
	return nil
}

// KillCgroup kills every process in a cgroup and those below it, and waits until they are gone. Only pods' containers are
// ever in there: the kubelet made the groups for them.
func KillCgroup(name string) error {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		pids := members(name)
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v of cgroup %s do not end", pids, name)
		}
		for _, pid := range pids {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("killing process %d of cgroup %s: %w", pid, name, err)
			}
		}
		thaw(name)
	}
}

// members lists the processes in a cgroup and those below it, in all hierarchies.
func members(name string) []int {
	var pids []int
	for _, h := range hierarchies() {
		_ = filepath.WalkDir(filepath.Join(h, name), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.Name() != "cgroup.procs" {
				return nil //nolint:nilerr // A group that vanished meanwhile has no members.
			}
			content, _ := os.ReadFile(path)
			for line := range strings.FieldsSeq(string(content)) {
				if pid, err := strconv.Atoi(line); err == nil && pid > 1 {
					pids = append(pids, pid)
				}
			}
			return nil
		})
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}

// thaw lets frozen processes run into their signal.
func thaw(name string) {
	for _, dir := range below(filepath.Join(cgroupMount, "freezer", name)) {
		_ = os.WriteFile(filepath.Join(dir, "freezer.state"), []byte("THAWED"), 0o644)
	}
}

// RemoveCgroup removes an empty cgroup and those below it from all hierarchies.
func RemoveCgroup(name string) error {
	var failed []error
	for _, h := range hierarchies() {
		for _, dir := range below(filepath.Join(h, name)) {
			if err := removeGroup(dir); err != nil {
				failed = append(failed, fmt.Errorf("removing cgroup %s: %w", dir, err))
			}
		}
	}
	return errors.Join(failed...)
}

// removeGroup removes one group. The kernel may take a moment to notice that its last process has ended.
func removeGroup(dir string) error {
	var err error
	for range 50 {
		if err = unix.Rmdir(dir); err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

// below lists a folder and the folders below it, the deepest first.
func below(dir string) []string {
	var dirs []string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	slices.Reverse(dirs)
	return dirs
}
