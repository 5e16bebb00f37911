package images

import (
	"fmt"
	"os/exec"
	"strings"
)

// Busybox describes an image with a shell, from a static busybox: every command it knows is a link to it. It runs as
// root, because Tekton uses it to make folders in volumes that belong to root.
func Busybox(program string) (Spec, error) {
	out, err := exec.Command(program, "--list").Output()
	if err != nil {
		return Spec{}, fmt.Errorf("asking %s for its commands: %w; install the Debian package busybox-static", program, err)
	}
	links := map[string]string{}
	for command := range strings.FieldsSeq(string(out)) {
		if command != "busybox" {
			links["/bin/"+command] = "/bin/busybox"
		}
	}
	return Spec{
		Repository: "cluster/busybox", Tag: "latest", User: "0:0",
		Files: map[string]string{"/bin/busybox": program}, Links: links,
		Cmd: []string{"/bin/sh"},
	}, nil
}
