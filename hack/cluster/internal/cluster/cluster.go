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
	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
	"github.com/openfunction/openfunction/hack/cluster/internal/netns"
	"github.com/openfunction/openfunction/hack/cluster/internal/node"
	"github.com/openfunction/openfunction/hack/cluster/internal/process"
)

// Cluster is the local cluster of one state folder.
type Cluster struct {
	// Layout says where everything is.
	Layout layout.Layout

	netns netns.Namespace
	procs process.Supervisor
	cache build.Cache
}

// New returns the cluster of a layout, running or not.
func New(l layout.Layout) *Cluster {
	ns := netns.Namespace{Name: layout.Netns}
	return &Cluster{
		Layout: l,
		netns:  ns,
		procs:  process.Supervisor{Layout: l, Netns: ns},
		cache:  build.Cache{Source: filepath.Join(l.Source, "components"), Dir: filepath.Join(l.Cache, "bin")},
	}
}

// Build makes sure that a component's binaries are in the cache.
func (c *Cluster) Build() build.Cache { return c.cache }

// Down stops and removes everything but the cache.
func (c *Cluster) Down(out io.Writer) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(c.Layout.State); errors.Is(err, os.ErrNotExist) {
		return c.netns.Delete()
	}
	if err := c.checkOwner(); err != nil {
		return err
	}
	return node.Down(c.Layout, c.procs, c.netns, out)
}

// lock keeps other commands from changing the cluster at the same time. The kernel drops it with the process, however
// that ends.
func (c *Cluster) lock() (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(c.Layout.Lock()), 0o755); err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	f, err := os.OpenFile(c.Layout.Lock(), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "another command is changing the cluster; waiting for it")
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
			return nil, fmt.Errorf("locking %s: %w", c.Layout.Lock(), err)
		}
	}
	return func() { _ = f.Close() }, nil
}

// marker is a file that shows that a folder is a state folder of ours, which may be removed.
const marker = ".openfunction-cluster"

// claim creates the state folder, or checks that it is ours.
func (c *Cluster) claim() error {
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
