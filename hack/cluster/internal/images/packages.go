package images

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Debian describes an image that holds Debian packages, unpacked and not installed, and a busybox for the commands their scripts use.
func Debian(repository, version, busybox string, archives []string) (Spec, error) {
	links, err := commandLinks(busybox, "/usr/bin")
	if err != nil {
		return Spec{}, err
	}
	return Spec{
		// A tag takes neither "~" nor "+".
		Repository: repository, Tag: strings.NewReplacer("~", "-", "+", "-", ":", "-").Replace(version),
		Files: map[string]string{"/usr/bin/busybox": busybox}, Links: links, Packages: archives,
		Cmd: []string{"/bin/sh"},
	}, nil
}

// merged are the folders at the root that are links into /usr.
var merged = []string{"bin", "lib", "lib64", "sbin"}

// unwanted are folders of packages that only people read.
var unwanted = []string{"usr/share/bug", "usr/share/doc", "usr/share/info", "usr/share/lintian", "usr/share/locale", "usr/share/man"}

// packagesLayer unpacks Debian packages into a layer. Some releases have their libraries below /lib and some below /usr/lib, so that it
// does what Debian does when it is installed: all of it is below /usr.
func packagesLayer(ctx context.Context, archives []string) (v1.Layer, error) {
	t := tree{dirs: map[string]bool{}}
	for _, name := range merged {
		t.dir("usr/"+name, 0o755)
		t.link(name, "usr/"+name)
	}
	for _, archive := range slices.Sorted(slices.Values(archives)) {
		if err := t.unpack(ctx, archive); err != nil {
			return nil, fmt.Errorf("unpacking %s: %w", filepath.Base(archive), err)
		}
	}
	return t.layer()
}

// unpack adds the files of one package.
func (t *tree) unpack(ctx context.Context, archive string) error {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", archive)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(errOut.String()))
	}
	for r := tar.NewReader(&out); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := belowUsr(h.Name)
		if name == "." || slices.ContainsFunc(unwanted, func(dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }) {
			continue
		}
		switch h.Typeflag {
		case tar.TypeDir:
			t.dir(name, h.Mode)
		case tar.TypeReg:
			content, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			t.file(name, h.Mode, content)
		case tar.TypeSymlink:
			t.link(name, h.Linkname)
		case tar.TypeLink:
			t.dir(path.Dir(name), 0o755)
			t.entries = append(t.entries, entry{header: tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: belowUsr(h.Linkname), Mode: h.Mode}})
		default:
			return fmt.Errorf("%s is of an unexpected kind %q", h.Name, h.Typeflag)
		}
	}
}

// belowUsr is where a file of a package is once /usr is merged.
func belowUsr(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if first, _, _ := strings.Cut(name, "/"); slices.Contains(merged, first) {
		return "usr/" + name
	}
	if name == "" {
		return "."
	}
	return name
}
