// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// maxResult keeps a result well below the 4 KiB that Kubernetes gives all results of a step together.
const maxResult = 256

// results is the folder Tekton reads a step's results from.
type results string

// write stores the results that have a value.
func (r results) write(values map[string]string) error {
	for name, value := range values {
		if value == "" {
			continue
		}
		err := os.WriteFile(filepath.Join(string(r), name), []byte(shorten(value)), 0o644) //nolint:gosec // Tekton reads it as another user
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("results folder %s does not exist: run this as a Tekton step, or give --results-dir", r)
		}
		if err != nil {
			return fmt.Errorf("writing result %s: %w", name, err)
		}
	}
	return nil
}

// shorten cuts a value between two characters.
func shorten(value string) string {
	if len(value) <= maxResult {
		return value
	}
	cut := maxResult
	for !utf8.RuneStart(value[cut]) {
		cut--
	}
	return strings.ToValidUTF8(value[:cut], "")
}
