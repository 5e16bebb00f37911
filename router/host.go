// SPDX-License-Identifier: Apache-2.0

package router

import "strings"

// key names a function: its Service's name and namespace.
type key struct{ namespace, name string }

// parseHeader reads the value of route.Header.
func parseHeader(value string) (key, bool) {
	namespace, name, ok := strings.Cut(value, "/")
	k := key{namespace, name}
	return k, ok && isLabel(k.namespace) && isLabel(k.name)
}

// parseHost reads the name of a Service as a Host header has it: "<name>.<namespace>", with or without ".svc" or suffix, which is
// ".svc.<cluster domain>", in any case, with or without a port and the dot of an absolute name.
func parseHost(host, suffix string) (key, bool) {
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 {
		host = host[:colon]
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	host, whole := strings.CutSuffix(host, suffix)
	if !whole {
		host = strings.TrimSuffix(host, ".svc")
	}
	name, namespace, ok := strings.Cut(host, ".")
	k := key{namespace, name}
	return k, ok && isLabel(k.namespace) && isLabel(k.name)
}

// isLabel tells whether a name can be that of a Service or a namespace.
func isLabel(name string) bool {
	if name == "" || len(name) > 63 || name[0] == '-' || name[len(name)-1] == '-' {
		return false
	}
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
