// Package host checks what the machine must bring: root, a few Debian packages, a kernel that can make namespaces.
package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// need is a file the cluster cannot do without, and the Debian package that has it.
type need struct {
	files   []string
	pkg     string
	purpose string
}

// needs lists what is not built here. Any one of the files is enough.
var needs = []need{
	{[]string{"runc"}, "runc", "starts containers"},
	{[]string{"/usr/lib/cni/ptp", "/opt/cni/bin/ptp"}, "containernetworking-plugins", "connects pods"},
	{[]string{"iptables"}, "iptables", "routes Services"},
	{[]string{"conntrack"}, "conntrack", "lets kube-proxy forget old connections"},
	{[]string{"ip"}, "iproute2", "makes the network namespace"},
	{[]string{"mount"}, "mount", "mounts volumes"},
	{[]string{"/bin/busybox", "/usr/bin/busybox"}, "busybox-static", "is the shell image of Tekton"},
	{[]string{"git"}, "git", "serves repositories"},
	{[]string{"/etc/ssl/certs/ca-certificates.crt"}, "ca-certificates", "goes into images"},
}

// Root fails, saying why, unless the program runs as root.
func Root() error {
	if os.Geteuid() != 0 {
		return errors.New("the local cluster makes namespaces, mounts and cgroups, which needs root: " +
			"run the command with sudo, or point KUBECONFIG at a cluster you have")
	}
	return nil
}

// Require makes sure that everything the machine must bring is there, installing Debian packages where it can.
func Require(ctx context.Context) (installed []string, err error) {
	if err := Root(); err != nil {
		return nil, err
	}
	if _, err := exec.LookPath("go"); err != nil {
		return nil, errors.New("the components are built from source: put Go into the PATH (https://go.dev/dl)")
	}
	absent := missing()
	if len(absent) == 0 {
		return nil, nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return nil, fmt.Errorf("this machine has no apt-get; install what gives these, then run again:\n%s", describe(absent))
	}
	if err := aptGet(ctx, "update", "-qq"); err != nil {
		return nil, fmt.Errorf("%w\nmissing:\n%s", err, describe(absent))
	}
	names := packages(absent)
	args := append([]string{"install", "-y", "-qq", "--no-install-recommends"}, names...)
	if err := aptGet(ctx, args...); err != nil {
		return nil, fmt.Errorf("%w\nmissing:\n%s", err, describe(absent))
	}
	if still := missing(); len(still) > 0 {
		return nil, fmt.Errorf("still missing after apt-get install %s:\n%s", strings.Join(names, " "), describe(still))
	}
	return names, nil
}

// CNIPlugins is the folder of the CNI plugins.
func CNIPlugins() string {
	for _, dir := range []string{"/usr/lib/cni", "/opt/cni/bin"} {
		if _, err := os.Stat(filepath.Join(dir, "ptp")); err == nil {
			return dir
		}
	}
	return "/usr/lib/cni"
}

// Busybox is the static busybox.
func Busybox() string {
	for _, file := range []string{"/bin/busybox", "/usr/bin/busybox"} {
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	return "/bin/busybox"
}

// CgroupV1 tells whether the machine still has the first version of cgroups.
func CgroupV1() bool {
	_, err := os.Stat("/sys/fs/cgroup/cgroup.controllers")
	return err != nil
}

// MaySetOOMScore tells whether the program may protect processes from the out-of-memory killer.
func MaySetOOMScore() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return false
	}
	return data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0
}

func missing() []need {
	var absent []need
	for _, n := range needs {
		if !slices.ContainsFunc(n.files, present) {
			absent = append(absent, n)
		}
	}
	return absent
}

func present(file string) bool {
	if filepath.IsAbs(file) {
		_, err := os.Stat(file)
		return err == nil
	}
	if _, err := exec.LookPath(file); err == nil {
		return true
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err == nil {
			return true
		}
	}
	return false
}

func packages(absent []need) []string {
	names := make([]string, 0, len(absent))
	for _, n := range absent {
		names = append(names, n.pkg)
	}
	return names
}

func describe(absent []need) string {
	var b strings.Builder
	for _, n := range absent {
		_, _ = fmt.Fprintf(&b, "  %s (Debian package %s) %s\n", n.files[0], n.pkg, n.purpose)
	}
	_, _ = fmt.Fprintf(&b, "  get them with: apt-get update && apt-get install -y %s", strings.Join(packages(absent), " "))
	return b.String()
}

func aptGet(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, strings.TrimSpace(out.String()))
	}
	return nil
}
