package images

import (
	"fmt"
	"os/exec"
	"strings"
)

// Busybox describes an image with a shell, from a static busybox: every command it knows is a link to it. It runs as
// root, because Tekton uses it to make folders in volumes that belong to root.
func Busybox(program string) (Spec, error) {
	links, err := commandLinks(program, "/bin")
	if err != nil {
		return Spec{}, err
	}
	return Spec{
		Repository: "cluster/busybox", Tag: "latest", User: "0:0",
		Files: map[string]string{"/bin/busybox": program}, Links: links,
		Cmd: []string{"/bin/sh"},
	}, nil
}

// commandLinks are links to the busybox of a folder, one for every command it knows.
func commandLinks(program, dir string) (map[string]string, error) {
	out, err := exec.Command(program, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("asking %s for its commands: %w; install the Debian package busybox-static", program, err)
	}
	links := map[string]string{}
	for command := range strings.FieldsSeq(string(out)) {
		if command != "busybox" {
			links[dir+"/"+command] = dir + "/busybox"
		}
	}
	return links, nil
}
