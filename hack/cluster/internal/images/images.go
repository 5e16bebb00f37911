// Package images puts container images together from static programs, without any container tool, and pushes them to the
// local registry. The same content always gives the same digest.
package images

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Nonroot is the user that images run as unless told otherwise.
const Nonroot = "65532:65532"

// certificates is where Debian keeps the bundle of authorities, and where Go looks for it.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

// Spec describes an image.
type Spec struct {
	// Repository is the image's name without registry and tag.
	Repository string
	// Tag is the tag that is pushed beside the digest.
	Tag string
	// Files are the programs in the image: path in the image to path on this machine.
	Files map[string]string
	// Links are symbolic links: path in the image to target.
	Links map[string]string
	// Packages are archives of Debian packages whose files are in the image.
	Packages []string
	// Entrypoint is what the image runs.
	Entrypoint []string
	// Cmd are the arguments of the entrypoint, or the program when there is none.
	Cmd []string
	// Env is set for it.
	Env []string
	// User is the numeric user and group; Nonroot when empty.
	User string
	// Bare leaves out certificates, users and /tmp.
	Bare bool
}

// Assemble makes the image.
func Assemble(ctx context.Context, s Spec) (v1.Image, error) {
	var layers []v1.Layer
	if !s.Bare {
		base, err := baseLayer()
		if err != nil {
			return nil, err
		}
		layers = append(layers, base)
	}
	app, err := filesLayer(s)
	if err != nil {
		return nil, err
	}
	layers = append(layers, app)
	if len(s.Packages) > 0 {
		packages, err := packagesLayer(ctx, s.Packages)
		if err != nil {
			return nil, fmt.Errorf("assembling %s: %w", s.Repository, err)
		}
		layers = append(layers, packages)
	}
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	if img, err = mutate.AppendLayers(img, layers...); err != nil {
		return nil, fmt.Errorf("assembling %s: %w", s.Repository, err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("assembling %s: %w", s.Repository, err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config.Entrypoint, config.Config.Cmd = s.Entrypoint, s.Cmd
	config.Config.Env = append([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/ko-app",
		"SSL_CERT_FILE=" + certificates,
	}, s.Env...)
	config.Config.WorkingDir = "/"
	config.Config.User = s.User
	if s.User == "" {
		config.Config.User = Nonroot
	}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return nil, fmt.Errorf("assembling %s: %w", s.Repository, err)
	}
	return img, nil
}

// Push uploads an image unless the registry has it already. It returns the reference by digest under the name the
// registry has inside the cluster, and whether something was uploaded.
func Push(ctx context.Context, hostRegistry, clusterRegistry string, s Spec, img v1.Image) (ref string, pushed bool, err error) {
	digest, err := img.Digest()
	if err != nil {
		return "", false, fmt.Errorf("pushing %s: %w", s.Repository, err)
	}
	ref = clusterRegistry + "/" + s.Repository + "@" + digest.String()
	tag, err := name.NewTag(hostRegistry+"/"+s.Repository+":"+s.Tag, name.Insecure)
	if err != nil {
		return "", false, fmt.Errorf("pushing %s: %w", s.Repository, err)
	}
	if there, err := remote.Head(tag, remote.WithContext(ctx)); err == nil && there.Digest == digest {
		return ref, false, nil
	}
	if err := remote.Write(tag, img, remote.WithContext(ctx)); err != nil {
		return "", false, fmt.Errorf("pushing %s: %w", s.Repository, err)
	}
	return ref, true, nil
}

// There tells whether the registry has an image that Push returned the reference of.
func There(ctx context.Context, hostRegistry, clusterRegistry, ref string) bool {
	digest, err := name.NewDigest(hostRegistry+strings.TrimPrefix(ref, clusterRegistry), name.Insecure)
	if err != nil {
		return false
	}
	_, err = remote.Head(digest, remote.WithContext(ctx))
	return err == nil
}

// baseLayer holds what every program may expect: certificates, a nonroot user, a place for temporary files.
func baseLayer() (v1.Layer, error) {
	bundle, err := os.ReadFile(certificates)
	if err != nil {
		return nil, fmt.Errorf("reading certificates for images: %w; install the Debian package ca-certificates", err)
	}
	var t tree
	t.dir("tmp", 0o1777)
	t.dir("home/nonroot", 0o777)
	t.file("etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n"))
	t.file("etc/group", 0o644, []byte("root:x:0:\nnonroot:x:65532:\n"))
	t.file(strings.TrimPrefix(certificates, "/"), 0o644, bundle)
	return t.layer()
}

func filesLayer(s Spec) (v1.Layer, error) {
	var t tree
	for _, to := range sorted(s.Files) {
		content, err := os.ReadFile(s.Files[to])
		if err != nil {
			return nil, fmt.Errorf("assembling %s: %w", s.Repository, err)
		}
		t.file(strings.TrimPrefix(path.Clean(to), "/"), 0o755, content)
	}
	for _, from := range sorted(s.Links) {
		t.link(strings.TrimPrefix(path.Clean(from), "/"), s.Links[from])
	}
	return t.layer()
}

// tree collects the entries of a layer.
type tree struct {
	entries []entry
	dirs    map[string]bool
}

type entry struct {
	header  tar.Header
	content []byte
}

// dir adds a folder and those above it; those above that were not asked for are for everyone to read.
func (t *tree) dir(name string, mode int64) {
	if name == "." || name == "" || t.dirs[name] {
		return
	}
	t.dir(path.Dir(name), 0o755)
	if t.dirs == nil {
		t.dirs = map[string]bool{}
	}
	t.dirs[name] = true
	t.entries = append(t.entries, entry{header: tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode}})
}

func (t *tree) file(name string, mode int64, content []byte) {
	t.dir(path.Dir(name), 0o755)
	t.entries = append(t.entries, entry{
		header:  tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content))},
		content: content,
	})
}

func (t *tree) link(name, target string) {
	t.dir(path.Dir(name), 0o755)
	t.entries = append(t.entries, entry{
		header: tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777},
	})
}

// layer writes the entries out. It is not compressed: registry and node share a disk, and time matters more.
func (t *tree) layer() (v1.Layer, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range t.entries {
		if err := w.WriteHeader(&e.header); err != nil {
			return nil, fmt.Errorf("writing %s into a layer: %w", e.header.Name, err)
		}
		if _, err := w.Write(e.content); err != nil {
			return nil, fmt.Errorf("writing %s into a layer: %w", e.header.Name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("writing a layer: %w", err)
	}
	return static.NewLayer(buf.Bytes(), types.OCIUncompressedLayer), nil
}

func sorted(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

var majorVersion = regexp.MustCompile(`^v\d+$`)

// RepositoryOf turns a Go import path into the name of the image that holds its program.
func RepositoryOf(importPath string) string {
	parts := strings.Split(importPath, "/")
	owner := parts[0]
	for _, p := range parts[1 : len(parts)-1] {
		if p != "cmd" && !majorVersion.MatchString(p) {
			owner = p
		}
	}
	if owner == parts[0] {
		owner, _, _ = strings.Cut(owner, ".")
	}
	return "cluster/" + strings.ToLower(owner+"-"+filepath.Base(importPath))
}
