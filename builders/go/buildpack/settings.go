// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strconv"
	"strings"
)

// settings are what the author of a function says by build environment variables.
type settings struct {
	function    string // FUNC_NAME: the exported handler
	kind        string // FUNC_TYPE: http
	source      string // FUNC_SRC, BP_GO_TARGETS: folder of the package to build
	port        string // FUNC_PORT: the default of PORT
	clearSource bool   // FUNC_CLEAR_SOURCE: keep the source out of the image
	goproxy     string // FUNC_GOPROXY, GOPROXY
	goflags     string // GOFLAGS
	sumdb       bool   // the author chose how sums are checked
}

func settingsFrom(lookup func(string) (string, bool)) settings {
	first := func(names ...string) string {
		for _, n := range names {
			if v, _ := lookup(n); strings.TrimSpace(v) != "" {
				return strings.TrimSpace(v)
			}
		}
		return ""
	}
	clearSource, _ := strconv.ParseBool(first("FUNC_CLEAR_SOURCE"))
	return settings{
		function:    first("FUNC_NAME"),
		kind:        first("FUNC_TYPE"),
		source:      first("FUNC_SRC", "BP_GO_TARGETS"),
		port:        first("FUNC_PORT"),
		clearSource: clearSource,
		goproxy:     first("FUNC_GOPROXY", "GOPROXY"),
		goflags:     first("GOFLAGS"),
		sumdb:       first("GOSUMDB", "GONOSUMDB", "GONOSUMCHECK") != "",
	}
}

// check refuses what this buildpack cannot do.
func (s settings) check() error {
	if s.kind != "" && !strings.EqualFold(s.kind, "http") {
		return userErrorf("FUNC_TYPE is %q; this builder serves functions of type http", s.kind)
	}
	if s.port != "" {
		if n, err := strconv.Atoi(s.port); err != nil || n < 1 || n > 65535 {
			return userErrorf("FUNC_PORT is %q, want a port number", s.port)
		}
	}
	return nil
}
