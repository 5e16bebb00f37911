package leftovers

import (
	"slices"
	"strings"
	"testing"
)

func TestMountsBelow(t *testing.T) {
	const mountinfo = `22 1 254:0 / / rw,relatime - ext4 /dev/root rw
30 22 0:30 / /var/lib/ofc/kubelet/pods/1 rw - tmpfs tmpfs rw
31 30 0:31 / /var/lib/ofc/kubelet/pods/1/a\040b rw - tmpfs tmpfs rw
32 22 0:32 / /var/lib/ofc-other/x rw - tmpfs tmpfs rw
33 22 0:33 / /var/lib rw - tmpfs tmpfs rw
`
	for name, tc := range map[string]struct {
		because, folder string
		want            []string
	}{
		"DeepestFirst":  {"a mount holds those above it", "/var/lib/ofc", []string{"/var/lib/ofc/kubelet/pods/1/a b", "/var/lib/ofc/kubelet/pods/1"}},
		"Itself":        {"the folder may be a mount", "/var/lib/ofc/kubelet/pods/1", []string{"/var/lib/ofc/kubelet/pods/1/a b", "/var/lib/ofc/kubelet/pods/1"}},
		"NotANeighbour": {"a name that starts alike is another folder", "/var/lib/of", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := mountsBelow(strings.NewReader(mountinfo), tc.folder)
			if err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("got %v (%v), want %v, because %s", got, err, tc.want, tc.because)
			}
		})
	}
}
