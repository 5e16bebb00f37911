// SPDX-License-Identifier: Apache-2.0

package source

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// hidden stands where a secret was.
const hidden = "***"

// Redact returns a repository URL as it may be shown: without user, password, query and fragment. An ssh user is kept, since it
// is part of the address and no secret.
func Redact(raw string) string {
	raw = oneLine(raw)
	scheme, rest, isURL := strings.Cut(raw, "://")
	if !isURL {
		return raw
	}
	if at := strings.IndexAny(rest, "?#"); at >= 0 {
		rest = rest[:at]
	}
	// The authority ends at the first slash. A password that itself holds a slash makes the URL malformed, so everything
	// up to the last at sign goes.
	user := ""
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		user, rest = rest[:at], rest[at+1:]
	}
	if name, _, _ := strings.Cut(user, ":"); name != "" && scheme == "ssh" && !strings.Contains(name, "/") {
		return scheme + "://" + name + "@" + rest
	}
	return scheme + "://" + rest
}

// urlSecrets returns what of a URL must not be shown.
func urlSecrets(raw string) []string {
	u, err := url.Parse(raw)
	if err != nil || u.User == nil {
		return nil
	}
	password, hasPassword := u.User.Password()
	if !hasPassword {
		if u.Scheme == "ssh" {
			return nil
		}
		password = u.User.Username() // https://TOKEN@host
	}
	return []string{raw, password, url.QueryEscape(password), url.PathEscape(password), u.User.String()}
}

// scrub takes secrets out of a text that somebody else wrote.
func scrub(text string, secrets ...string) string {
	secrets = slices.DeleteFunc(slices.Clone(secrets), func(s string) bool { return s == "" })
	slices.SortFunc(secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, s := range secrets {
		text = strings.ReplaceAll(text, s, hidden)
	}
	return oneLine(text)
}

// oneLine joins the lines of a text and takes out what a terminal would act on.
func oneLine(text string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	return strings.Join(strings.Fields(clean), " ")
}

// list joins names for a message, and leaves out those beyond maxListed.
func list(names []string) string {
	if len(names) > maxListed {
		return strings.Join(names[:maxListed], ", ") + fmt.Sprintf(" and %d more", len(names)-maxListed)
	}
	return strings.Join(names, ", ")
}

// nearest returns up to three of the names that look most like the wanted one.
func nearest(want string, names []string) []string {
	type scored struct {
		name     string
		distance int
	}
	var close []scored
	for _, n := range names {
		d := distance(strings.ToLower(want), strings.ToLower(n))
		if d <= max(2, len(want)/3) || strings.Contains(n, want) || strings.Contains(want, n) {
			close = append(close, scored{n, d})
		}
	}
	slices.SortStableFunc(close, func(a, b scored) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), strings.Compare(a.name, b.name))
	})
	var out []string
	for _, s := range close[:min(3, len(close))] {
		out = append(out, s.name)
	}
	return out
}

// distance counts the single-byte edits between two names.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
