package node

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
	"github.com/openfunction/openfunction/hack/cluster/internal/leftovers"
	"github.com/openfunction/openfunction/hack/cluster/internal/netns"
	"github.com/openfunction/openfunction/hack/cluster/internal/process"
)

// stopOrder is how daemons are stopped: first who would bring others' work back, last who others write to.
var stopOrder = []string{"kubelet", "kube-proxy", "containerd", "scheduler", "controller-manager", "services", "kube-apiserver", "etcd"}

// Recover makes a machine on which the cluster was killed at any moment fit to start it again. A node whose containerd
// runs is left as it is. Otherwise no pod can be whole any more: everything that is left of them is ended and removed,
// and the kubelet will make them anew, as after a reboot. It returns what it found, and whether no pod is left.
func Recover(l layout.Layout, s process.Supervisor) (found []string, podless bool, err error) {
	for _, name := range s.Recorded() {
		if _, ok := s.Running(name); !ok {
			found = append(found, name+" has ended")
		}
	}
	if r, ok := s.Running("containerd"); ok && s.Netns.Holds(r.PID) {
		return found, false, nil
	}
	for _, name := range []string{"kubelet", "containerd"} {
		if err := s.Stop(name, 20*time.Second); err != nil {
			return found, false, err
		}
	}
	ended, err := endPods(l, s)
	if err != nil {
		return found, false, err
	}
	if ended > 0 {
		found = append(found, fmt.Sprintf("%d processes of pods without a node", ended))
	}
	if err := removeLeases(l); err != nil {
		return found, false, err
	}
	return found, true, removeAll(l, "containerd/state", "containerd/s", "containerd/runc", "run/containerd.sock", "run/containerd.sock.ttrpc")
}

// endPods ends containers, their shims and daemons whose record was lost, and removes their mounts and cgroups.
func endPods(l layout.Layout, s process.Supervisor) (ended int, err error) {
	orphans, err := s.Orphans()
	if err != nil {
		return 0, err
	}
	for _, o := range orphans {
		if err := process.Kill(o); err != nil {
			return ended, err
		}
		ended++
	}
	if err := leftovers.KillCgroup(layout.CgroupRoot); err != nil {
		return ended, err
	}
	for _, folder := range []string{"containerd", "kubelet"} {
		if err := leftovers.Unmount(l.Path(folder)); err != nil {
			return ended, err
		}
	}
	return ended, leftovers.RemoveCgroup(layout.CgroupRoot)
}

// removeLeases forgets the addresses of pods that are no more. The plugins keep a copy of what they did outside of the
// state folder; its files bear the network's name.
func removeLeases(l layout.Layout) error {
	results, err := filepath.Glob("/var/lib/cni/results/" + CNINetwork + "-*")
	if err != nil {
		return fmt.Errorf("removing pods' addresses: %w", err)
	}
	for _, path := range append(results, LeaseFolder(l)) {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("removing pods' addresses: %w", err)
		}
	}
	return nil
}

// downPatience is short: what they still would write is removed a moment later.
const downPatience = time.Second

// Down stops and removes everything but the cache, telling what it does. It goes on after a failure, to remove as much as
// it can.
func Down(l layout.Layout, s process.Supervisor, ns netns.Namespace, out io.Writer) error {
	var failed []error
	stop := append(append([]string{}, stopOrder...), s.Recorded()...)
	for _, name := range stop {
		if _, ok := s.Running(name); ok {
			_, _ = fmt.Fprintln(out, "stopping", name)
		}
		if err := s.Stop(name, downPatience); err != nil {
			failed = append(failed, err)
		}
	}
	_, _ = fmt.Fprintln(out, "removing pods, mounts, cgroups, the network namespace and", l.State)
	if _, err := endPods(l, s); err != nil {
		failed = append(failed, err)
	}
	if err := leftovers.Unmount(l.State); err != nil {
		failed = append(failed, err)
	}
	if err := ns.Delete(); err != nil {
		failed = append(failed, err)
	}
	if err := removeLeases(l); err != nil {
		failed = append(failed, err)
	}
	if len(failed) == 0 {
		if err := os.RemoveAll(l.State); err != nil {
			failed = append(failed, fmt.Errorf("removing the state: %w", err))
		}
	}
	return errors.Join(failed...)
}
