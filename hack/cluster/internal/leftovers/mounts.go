// Package leftovers removes what a node that was killed leaves behind: mounts below the state folder, processes in the
// pods' cgroups, and the cgroups themselves. It touches nothing outside of the state folder and those cgroups.
package leftovers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Unmount removes every mount at or below a folder, the deepest first.
func Unmount(folder string) error {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("listing mounts: %w", err)
	}
	defer func() { _ = f.Close() }()
	points, err := mountsBelow(f, folder)
	if err != nil {
		return fmt.Errorf("listing mounts: %w", err)
	}
	var failed []error
	for _, p := range points {
		// A lazy unmount lets go even when something dead still holds a file open.
		if err := unix.Unmount(p, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			failed = append(failed, fmt.Errorf("unmounting %s: %w", p, err))
		}
	}
	return errors.Join(failed...)
}

// mountsBelow returns the mount points at or below a folder from a mountinfo file, the last mounted first.
func mountsBelow(mountinfo io.Reader, folder string) ([]string, error) {
	var points []string
	scanner := bufio.NewScanner(mountinfo)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		fields := strings.Fields(scanner.Text())
		if len(fields) < 5 {
			continue
		}
		point := unescape(fields[4])
		if point == folder || strings.HasPrefix(point, strings.TrimSuffix(folder, "/")+"/") {
			points = append(points, point)
		}
	}
	slices.Reverse(points)
	return points, scanner.Err()
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if v, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(v))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
