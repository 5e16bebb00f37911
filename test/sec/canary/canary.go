// SPDX-License-Identifier: Apache-2.0

// Package canary finds secret values where they must not be. A suite puts values that occur nowhere else into Secrets, lets the platform work with
// them, and looks for them in all that the platform puts out.
package canary

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Flock is a number of secret values by what they are.
type Flock map[string]string

// Add makes up a value and returns it. It has characters that URLs and JSON write in other ways.
func (f Flock) Add(what string) string {
	random := make([]byte, 12)
	_, _ = rand.Read(random)
	f[what] = "canary+" + hex.EncodeToString(random) + "/="
	return f[what]
}

// Find returns what of the flock is in a text, as it is or as it is written in URLs, in base64 or in hexadecimal digits.
func (f Flock) Find(text string) []string {
	var found []string
	for _, what := range slices.Sorted(maps.Keys(f)) {
		if slices.ContainsFunc(forms(f[what]), func(form string) bool { return strings.Contains(text, form) }) {
			found = append(found, what)
		}
	}
	return found
}

// forms are the ways to write a value. In base64 it depends on what stands before it, so its ends are left out.
func forms(value string) []string {
	all := []string{value, url.QueryEscape(value), url.PathEscape(value), hex.EncodeToString([]byte(value))}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			text := encoding.EncodeToString([]byte(strings.Repeat(" ", before) + value))
			all = append(all, text[4:len(text)-4])
		}
	}
	return all
}
