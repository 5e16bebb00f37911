// SPDX-License-Identifier: Apache-2.0

package source

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"unicode"
)

// The limits of inline source. The Function's schema has the same.
const (
	MaxInlineFiles = 64
	MaxInlineBytes = 512 << 10
	maxInlineName  = 255
)

// ParseInline reads inline source: a JSON object of file contents by file name.
func ParseInline(data []byte) (map[string]string, error) {
	var files map[string]string
	if err := json.Unmarshal(data, &files); err != nil {
		return nil, failure(InvalidSource, "inline source is not a JSON object of file contents by file name: %v", err)
	}
	if err := checkInline(files); err != nil {
		return nil, err
	}
	return files, nil
}

func checkInline(files map[string]string) error {
	if len(files) == 0 {
		return failure(InvalidSource, "inline source has no files")
	}
	if len(files) > MaxInlineFiles {
		return failure(InvalidSource, "inline source has %d files, at most %d fit; use a git repository", len(files), MaxInlineFiles)
	}
	total := 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if problem := inlineNameProblem(name); problem != "" {
			return failure(InvalidSource, "inline file name %q %s", name, problem)
		}
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if _, clash := files[dir]; clash {
				return failure(InvalidSource, "inline file %q cannot be both a file and the folder of %q", dir, name)
			}
		}
		total += len(files[name])
	}
	if total > MaxInlineBytes {
		return failure(InvalidSource, "inline source is %d bytes, at most %d fit; use a git repository", total, MaxInlineBytes)
	}
	return nil
}

// inlineNameProblem says what is wrong with the name of an inline file, nothing if it is good.
func inlineNameProblem(name string) string {
	switch {
	case name == "" || name == ".":
		return "names no file"
	case len(name) > maxInlineName:
		return fmt.Sprintf("is longer than %d bytes", maxInlineName)
	case strings.HasPrefix(name, "/"):
		return "must be relative"
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || r == '\\' }):
		return "has a backslash or a control character"
	case slices.Contains(strings.Split(name, "/"), ".."):
		return "must not leave the source with .."
	case !fs.ValidPath(name):
		return "must be a clean path in UTF-8, without empty or . elements"
	}
	return ""
}

func writeInline(files map[string]string, dest string, progress io.Writer) error {
	if err := checkInline(files); err != nil {
		return err
	}
	root, err := os.OpenRoot(dest)
	if err != nil {
		return failure(FetchFailed, "cannot open the source folder: %v", err)
	}
	defer root.Close()

	total := 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		total += len(files[name])
		if err := root.MkdirAll(path.Dir(name), 0o777); err != nil {
			return failure(FetchFailed, "cannot write inline file %q: %v", name, err)
		}
		if err := root.WriteFile(name, []byte(files[name]), 0o666); err != nil {
			return failure(FetchFailed, "cannot write inline file %q: %v", name, err)
		}
	}
	fmt.Fprintf(progress, "Wrote %d inline files, %d bytes: %s\n", len(files), total, list(slices.Sorted(maps.Keys(files))))
	return nil
}
