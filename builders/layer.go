// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// entry is one file, folder or symbolic link of a layer.
type entry struct {
	mode    fs.FileMode
	owner   int // user and group
	content []byte
	from    string // path of a file on this machine, in place of content
	link    string // target of a symbolic link
}

// layer is the files of an image layer by their path in the image, without a leading slash. Equal layers give equal bytes:
// entries are sorted and carry no time.
type layer map[string]entry

func (l layer) file(to, content string) { l[to] = entry{mode: 0o644, content: []byte(content)} }

func (l layer) program(to, from string) { l[to] = entry{mode: 0o755, from: from} }

func (l layer) symlink(to, target string) { l[to] = entry{mode: fs.ModeSymlink | 0o777, link: target} }

func (l layer) folder(to string, mode fs.FileMode, owner int) {
	l[to] = entry{mode: fs.ModeDir | mode, owner: owner}
}

// tree adds the files below a folder of this machine that keep lets through.
func (l layer) tree(to, from string, keep func(path string, d fs.DirEntry) bool) error {
	return filepath.WalkDir(from, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, at)
		if err != nil {
			return err
		}
		switch {
		case rel != "." && !keep(filepath.ToSlash(rel), d):
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.Type().IsRegular():
			info, err := d.Info()
			if err != nil {
				return err
			}
			l[path.Join(to, filepath.ToSlash(rel))] = entry{mode: 0o644 | info.Mode()&0o111, from: at}
		}
		return nil
	})
}

// withFolders adds the folders that the entries are in.
func (l layer) withFolders() layer {
	all := maps.Clone(l)
	for name := range l {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if _, there := all[dir]; !there {
				all.folder(dir, 0o755, 0)
			}
		}
	}
	return all
}

// write streams the layer as a tar archive.
func (l layer) write(to io.Writer) error {
	all := l.withFolders()
	archive := tar.NewWriter(to)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := writeEntry(archive, name, all[name]); err != nil {
			return fmt.Errorf("adding %s: %w", name, err)
		}
	}
	return archive.Close()
}

func writeEntry(archive *tar.Writer, name string, e entry) error {
	header := &tar.Header{Name: name, Mode: int64(e.mode.Perm()), Uid: e.owner, Gid: e.owner, Typeflag: tar.TypeReg}
	if e.mode&fs.ModeSticky != 0 {
		header.Mode |= 0o1000
	}
	content := e.content
	switch {
	case e.mode.IsDir():
		header.Typeflag, header.Name = tar.TypeDir, name+"/"
	case e.link != "":
		header.Typeflag, header.Linkname = tar.TypeSymlink, e.link
	case e.from != "":
		var err error
		if content, err = os.ReadFile(e.from); err != nil {
			return err
		}
	}
	header.Size = int64(len(content))
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := archive.Write(content)
	return err
}

// digest identifies the layer's content before it is compressed.
func (l layer) digest() (string, error) {
	sum := sha256.New()
	if err := l.write(sum); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// image makes the layer ready to be pushed. It is compressed once: a folder keeps it, under a name that is its own among all layers and its digest.
func (l layer) image(folder, called string) (v1.Layer, error) {
	digest, err := l.digest()
	if err != nil {
		return nil, err
	}
	kept := filepath.Join(folder, called+"@"+digest)
	if _, err := os.Stat(kept); errors.Is(err, fs.ErrNotExist) {
		if err := errors.Join(l.compress(kept), forget(filepath.Join(folder, called+"@*"), kept)); err != nil {
			return nil, fmt.Errorf("compressing a layer: %w", err)
		}
	}
	return tarball.LayerFromFile(kept)
}

// compress writes the layer into a file that is there only when all of it is.
func (l layer) compress(to string) (err error) {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(to), "unfinished-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(file.Name())) }()
	zipped := gzip.NewWriter(file)
	if err := errors.Join(l.write(zipped), zipped.Close(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), to)
}

// forget removes what a layer was before, unless it is so new that another command may be about to push it.
func forget(pattern, kept string) error {
	before, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	for _, old := range before {
		info, err := os.Stat(old)
		if old == kept || err != nil || time.Since(info.ModTime()) < time.Hour {
			continue
		}
		if err := os.RemoveAll(old); err != nil {
			return err
		}
	}
	return nil
}
