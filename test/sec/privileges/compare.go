// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
)

// unseen are grants that no request shows, with the reason why they are needed all the same. test/sec proves each.
func unseen(g grant) (because string, is bool) {
	if g.verb == "update" && strings.HasSuffix(g.resource, "/finalizers") {
		return "the admission plugin OwnerReferencesPermissionEnforcement asks the authorizer for it when a child is made", true
	}
	return "", false
}

// difference is between what one program may do and what it did.
type difference struct {
	program string
	// granted and used count what was compared.
	granted, used int
	// exempt are grants that cannot be seen, with the reason.
	exempt []string
	// unused was never asked for. wide was asked for in the platform's namespace only, and allowed in all. wild names everything.
	unused, wide, wild []string
	// refused was asked for and not allowed.
	refused []string
}

func (d difference) any() bool { return len(d.unused)+len(d.wide)+len(d.wild)+len(d.refused) > 0 }

// String is a paragraph for a person.
func (d difference) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %d granted, %d used, %d granted minus used, %d used minus granted\n", d.program, d.granted, d.used,
		len(d.unused)+len(d.wide)+len(d.wild), len(d.refused))
	for _, part := range []struct {
		what  string
		lines []string
	}{
		{"granted, never used", d.unused}, {"granted everywhere, used in " + platform + " only", d.wide}, {"granted by a wildcard", d.wild},
		{"used, not granted", d.refused}, {"granted, not visible as a request", d.exempt},
	} {
		for _, line := range part.lines {
			fmt.Fprintf(&text, "  %s: %s\n", part.what, line)
		}
	}
	return text.String()
}

func compare(program string, granted []grant, uses []use) difference {
	d := difference{program: program}
	for _, g := range granted {
		d.granted++
		because, is := unseen(g)
		switch {
		case g.verb == "*" || g.group == "*" || g.resource == "*":
			d.wild = append(d.wild, g.String())
		case is:
			d.exempt = append(d.exempt, g.String()+" ("+because+")")
		case !slices.ContainsFunc(uses, g.covers):
			d.unused = append(d.unused, g.String())
		case !g.inPlatform && g.name == "" && !slices.ContainsFunc(uses, func(u use) bool { return g.covers(u) && u.namespace != platform }):
			d.wide = append(d.wide, g.String())
		}
	}
	asked := map[request]bool{}
	for _, u := range uses {
		asked[u.request] = true
		if !u.allowed {
			d.refused = append(d.refused, fmt.Sprintf("%s %s/%s", u.request, u.namespace, u.name))
		}
	}
	d.used = len(asked)
	for _, lines := range []*[]string{&d.unused, &d.wide, &d.wild, &d.refused, &d.exempt} {
		slices.Sort(*lines)
		*lines = slices.Compact(*lines)
	}
	return d
}

// covers tells whether the grant is what allowed a request.
func (g grant) covers(u use) bool {
	return u.allowed && g.request == u.request && (g.name == "" || g.name == u.name) && (!g.inPlatform || u.namespace == platform)
}
