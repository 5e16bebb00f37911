// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// worthUpload is how much newly compiled code makes it worth sending the whole cache of compiled code to the registry again.
const worthUpload = 32 << 20

// layer is a folder that the lifecycle makes an image layer of.
type layer struct {
	dir   string
	types string // the table of its description that says what it is for
}

func (l layer) describe(metadata map[string]string) error {
	var text strings.Builder
	fmt.Fprintf(&text, "[types]\n%s\n", l.types)
	if len(metadata) > 0 {
		text.WriteString("\n[metadata]\n")
		for _, name := range []string{"go", "dependencies"} {
			fmt.Fprintf(&text, "%s = %q\n", name, metadata[name])
		}
	}
	return os.WriteFile(l.dir+".toml", []byte(text.String()), 0o644)
}

// restored reads a value from the description of a layer that the lifecycle brought back.
func (l layer) restored(name string) string {
	text, err := os.ReadFile(l.dir + ".toml")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		key, value, found := strings.Cut(line, "=")
		if found && strings.TrimSpace(key) == name {
			if plain, err := strconv.Unquote(strings.TrimSpace(value)); err == nil {
				return plain
			}
		}
	}
	return ""
}

// stdlibFolder is where the builder image has the compiled standard library, in the form of a Go build cache.
const stdlibFolder = "/usr/local/share/go-stdlib"

// borrow links the files of a folder into the layer, so that the go command finds what is compiled there.
func (l layer) borrow(from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == from {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		to := filepath.Join(l.dir, rel)
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		if err := os.Symlink(path, to); !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	})
}

// forgetTimes takes out of the index of a Go build cache when its entries were made. The go command writes some entries in
// every build, and only their time would tell the layer from the one before.
func (l layer) forgetTimes() error {
	files, err := l.files()
	if err != nil {
		return err
	}
	for path := range files {
		if !strings.HasSuffix(path, "-a") {
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if timeless := withoutTime(content); string(timeless) != string(content) {
			if err := os.WriteFile(path, timeless, 0o666); err != nil {
				return err
			}
		}
	}
	return nil
}

// withoutTime sets the time of an entry to zero: the last of its five fields, right-aligned in 20 columns. An entry of a form
// that this does not know is left as it is.
func withoutTime(content []byte) []byte {
	const width = 20
	start := len(content) - width - len("\n")
	if fields := bytes.Fields(content); len(fields) != 5 || string(fields[0]) != "v1" || content[start-1] != ' ' {
		return content
	}
	return fmt.Appendf(content[:start:start], "%*d\n", width, 0)
}

// giveBack removes the links that borrow made: the builder image has what they name.
func (l layer) giveBack() error {
	return filepath.WalkDir(l.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type() != fs.ModeSymlink {
			return err
		}
		return os.Remove(path)
	})
}

// files returns the size of every file in the layer by path.
func (l layer) files() (map[string]int64, error) {
	sizes := map[string]int64{}
	err := filepath.WalkDir(l.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sizes[path] = info.Size()
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return sizes, nil
	}
	return sizes, err
}

// forgetSmall removes what was added since before, unless it is much. The layer then equals the one in the registry, and is
// not sent again for the sake of a few packages that compile faster than they travel.
func (l layer) forgetSmall(before map[string]int64) error {
	after, err := l.files()
	if err != nil {
		return err
	}
	var added []string
	total := int64(0)
	for path, size := range after {
		if _, old := before[path]; !old {
			added = append(added, path)
			total += size
		}
	}
	if total > worthUpload {
		return nil
	}
	for _, path := range added {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// forgetArchives removes the archives of modules, which nobody needs once they are unpacked.
func (l layer) forgetArchives() error {
	files, err := l.files()
	if err != nil {
		return err
	}
	for path := range files {
		if strings.HasSuffix(path, ".zip") && strings.Contains(path, "/cache/download/") {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}
