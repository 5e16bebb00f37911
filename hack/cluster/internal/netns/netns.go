// Package netns owns the cluster's network namespace: its creation, what is configured in it, and how code and
// processes of the host get into it. The namespace has no way out: there is no link to the host's network.
package netns

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

const folder = "/run/netns"

// nsfsMagic is the file system type of a namespace file.
const nsfsMagic = 0x6e736673

// Namespace is a named network namespace.
type Namespace struct {
	// Name is the file's name in /run/netns.
	Name string
}

// Path is the file that holds the namespace open.
func (n Namespace) Path() string { return filepath.Join(folder, n.Name) }

// ID identifies the namespace among those of this boot; it fails when the file is not a namespace.
func (n Namespace) ID() (uint64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(n.Path(), &fs); err != nil {
		return 0, fmt.Errorf("reading %s: %w", n.Path(), err)
	}
	if fs.Type != nsfsMagic {
		return 0, fmt.Errorf("%s is a leftover file, not a namespace", n.Path())
	}
	return inode(n.Path())
}

// Holds tells whether a process is in the namespace.
func (n Namespace) Holds(pid int) bool {
	want, err := n.ID()
	if err != nil {
		return false
	}
	got, err := inode(fmt.Sprintf("/proc/%d/ns/net", pid))
	return err == nil && got == want
}

func inode(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, fmt.Errorf("reading %s: %w", path, err)
	}
	return st.Ino, nil
}

// Ensure creates the namespace if it is not there, replacing the empty file that a crash or a reboot leaves behind, and
// gives it the node's address.
func (n Namespace) Ensure(address string) error {
	if _, err := n.ID(); err != nil {
		if removeErr := os.Remove(n.Path()); removeErr != nil && !os.IsNotExist(removeErr) {
			return fmt.Errorf("removing the stale %s: %w", n.Path(), removeErr)
		}
		if err := run("ip", "netns", "add", n.Name); err != nil {
			return err
		}
	}
	return n.configure(address)
}

// configure brings the loopback up and puts the node's address on a bridge without ports: the kernels this runs on do not
// all have dummy links. The default route leads to that bridge, where packets for the outside end.
func (n Namespace) configure(address string) error {
	const bridge = "node0"
	if err := run("ip", "-n", n.Name, "link", "show", bridge); err != nil {
		if err := run("ip", "-n", n.Name, "link", "add", bridge, "type", "bridge"); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"addr", "replace", address + "/24", "dev", bridge},
		{"link", "set", bridge, "up"},
		{"route", "replace", "default", "dev", bridge, "src", address},
	} {
		if err := run("ip", append([]string{"-n", n.Name}, args...)...); err != nil {
			return err
		}
	}
	return n.Do(func() error {
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
			return fmt.Errorf("switching on forwarding in the namespace: %w", err)
		}
		return nil
	})
}

// Delete removes the namespace; one that is not there is fine.
func (n Namespace) Delete() error {
	if _, err := os.Lstat(n.Path()); os.IsNotExist(err) {
		return nil
	}
	if _, err := n.ID(); err != nil {
		if err := os.Remove(n.Path()); err != nil {
			return fmt.Errorf("removing the stale %s: %w", n.Path(), err)
		}
		return nil
	}
	return run("ip", "netns", "delete", n.Name)
}

// Do runs f inside the namespace. Sockets that f opens and processes that it starts stay in it afterwards. f must not
// hand its work to other goroutines: only its own thread is inside.
func (n Namespace) Do(f func() error) error {
	result := make(chan error, 1)
	go func() {
		// The thread is never unlocked, so that it ends with this goroutine and no other code runs inside by accident.
		runtime.LockOSThread()
		fd, err := unix.Open(n.Path(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			result <- fmt.Errorf("opening %s: %w", n.Path(), err)
			return
		}
		defer func() { _ = unix.Close(fd) }()
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("entering %s: %w", n.Path(), err)
			return
		}
		result <- f()
	}()
	return <-result
}

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
