// Package cluster brings the local cluster up and down and tells how it is. It puts the other packages together and
// holds the order of things; how each thing is done is theirs to know.
package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/openfunction/openfunction/hack/cluster/internal/build"
	"github.com/openfunction/openfunction/hack/cluster/internal/debian"
	"github.com/openfunction/openfunction/hack/cluster/internal/host"
	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
	"github.com/openfunction/openfunction/hack/cluster/internal/netns"
	"github.com/openfunction/openfunction/hack/cluster/internal/node"
	"github.com/openfunction/openfunction/hack/cluster/internal/process"
)

// Cluster is the local cluster of one state folder.
type Cluster struct {
	// Layout says where everything is.
	Layout layout.Layout

	netns    netns.Namespace
	procs    process.Supervisor
	cache    build.Cache
	packages debian.Cache
}

// New returns the cluster of a layout, running or not.
func New(l layout.Layout) *Cluster {
	ns := netns.Namespace{Name: layout.Netns}
	return &Cluster{
		Layout:   l,
		netns:    ns,
		procs:    process.Supervisor{Layout: l, Netns: ns},
		cache:    build.Cache{Source: filepath.Join(l.Source, "components"), Dir: filepath.Join(l.Cache, "bin")},
		packages: debian.Cache{Dir: filepath.Join(l.Cache, "packages")},
	}
}

// Build makes sure that a component's binaries are in the cache.
func (c *Cluster) Build() build.Cache { return c.cache }

// Packages makes sure that Debian packages are in the cache.
func (c *Cluster) Packages() debian.Cache { return c.packages }

// Down stops and removes everything but the cache.
func (c *Cluster) Down(out io.Writer) error {
	if err := host.Root(); err != nil {
		return err
	}
	lock, err := c.lock()
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	if _, err := os.Stat(c.Layout.State); errors.Is(err, os.ErrNotExist) {
		return c.netns.Delete()
	}
	if err := c.checkOwner(); err != nil {
		return err
	}
	if err := node.Down(c.Layout, c.procs, c.netns, out); err != nil {
		return err
	}
	return lock.Truncate(0)
}

// lock keeps other commands from changing the cluster at the same time. The kernel drops it with the process, however
// that ends. The file holds the state folder of the cluster that there is: namespace and cgroup exist once per machine,
// so that a second cluster would take the first one's pods for leftovers.
func (c *Cluster) lock() (*os.File, error) {
	f, err := os.OpenFile(c.Layout.Lock(), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "another command is changing the cluster; waiting for it")
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("locking %s: %w", c.Layout.Lock(), err)
		}
	}
	content, err := io.ReadAll(f)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("locking: %w", err)
	}
	if other := string(content); other != "" && other != c.Layout.State {
		if _, err := os.Stat(filepath.Join(other, marker)); err == nil {
			_ = f.Close()
			return nil, fmt.Errorf("this machine has a cluster in %s already: use that one (unset %s), or remove it with %s=%s and `down`",
				other, layout.StateVariable, layout.StateVariable, other)
		}
	}
	return f, nil
}

// marker is a file that shows that a folder is a state folder of ours, which may be removed.
const marker = ".openfunction-cluster"

// claim creates the state folder, or checks that it is ours, and notes it in the lock.
func (c *Cluster) claim(lock *os.File) error {
	if err := c.makeState(); err != nil {
		return err
	}
	err := lock.Truncate(0)
	if err == nil {
		_, err = lock.WriteAt([]byte(c.Layout.State), 0)
	}
	if err != nil {
		return fmt.Errorf("noting the state folder in %s: %w", c.Layout.Lock(), err)
	}
	return nil
}

func (c *Cluster) makeState() error {
	entries, err := os.ReadDir(c.Layout.State)
	if err == nil && len(entries) > 0 {
		return c.checkOwner()
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("reading the state folder: %w", err)
	}
	if err := os.MkdirAll(c.Layout.State, 0o711); err != nil {
		return fmt.Errorf("creating the state folder: %w", err)
	}
	return layout.WriteFile(c.Layout.Path(marker), []byte("made by hack/cluster; `down` removes this folder\n"), 0o644)
}

func (c *Cluster) checkOwner() error {
	if _, err := os.Stat(c.Layout.Path(marker)); err != nil {
		return fmt.Errorf("%s is not empty and was not made by this program: choose another folder with %s",
			c.Layout.State, layout.StateVariable)
	}
	return nil
}
