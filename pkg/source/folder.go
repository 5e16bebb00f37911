// SPDX-License-Identifier: Apache-2.0

package source

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxListed is how many names an error lists before it says how many more there are.
const maxListed = 10

// checkSubPath reports whether the folder to build is there, and what is there instead.
func checkSubPath(dest, sub string) error {
	if sub == "" {
		return nil
	}
	root, err := os.OpenRoot(dest)
	if err != nil {
		return failure(FetchFailed, "cannot open the source folder: %v", err)
	}
	defer root.Close()

	at := "."
	for name := range strings.SplitSeq(filepath.ToSlash(filepath.Clean(sub)), "/") {
		next := filepath.Join(at, name)
		info, err := root.Stat(next)
		if err != nil {
			return failure(SubPathNotFound, "sub-path %q is not in the source: %s", sub, present(root, at))
		}
		if !info.IsDir() {
			return failure(SubPathNotFound, "sub-path %q is not a folder: %q is a file", sub, next)
		}
		at = next
	}
	return nil
}

// present lists what is in a folder of the source.
func present(root *os.Root, dir string) string {
	where := "its top folder"
	if dir != "." {
		where = "folder " + dir
	}
	entries, err := fs.ReadDir(root.FS(), dir)
	if err != nil || len(entries) == 0 {
		return where + " is empty"
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() {
			name += "/"
		}
		names = append(names, name)
	}
	return where + " has " + list(names)
}

// openUp lets every user read and change what was fetched.
func openUp(dest string) error {
	err := filepath.WalkDir(dest, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return os.Chmod(path, 0o777) //nolint:gosec // the build step runs as another user
		case d.Type().IsRegular():
			info, err := d.Info()
			if err != nil {
				return err
			}
			mode := fs.FileMode(0o666)
			if info.Mode()&0o111 != 0 {
				mode = 0o777
			}
			return os.Chmod(path, mode)
		}
		return nil
	})
	if err != nil {
		return failure(FetchFailed, "cannot open the source to the build step: %v", err)
	}
	return nil
}
