// SPDX-License-Identifier: Apache-2.0

package source

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	for raw, want := range map[string]string{
		"https://host/a.git":                        "https://host/a.git",
		"https://token@host/a.git":                  "https://host/a.git",
		"https://user:pass@host/a.git":              "https://host/a.git",
		"https://user:p@ss/w@host/a.git":            "https://host/a.git",
		"https://host/a.git?access_token=secret#x":  "https://host/a.git",
		"https://user:pass@host/a.git?token=secret": "https://host/a.git",
		"ssh://git@host:22/a.git":                   "ssh://git@host:22/a.git",
		"ssh://git:pass@host/a.git":                 "ssh://git@host/a.git",
		"git@host:a.git":                            "git@host:a.git",
		"https://host/a\nFetched commit":            "https://host/a Fetched commit",
	} {
		if got := Redact(raw); got != want {
			t.Errorf("Redact(%q) = %q, want %q", raw, got, want)
		}
	}
}

// FuzzRedact holds that the password of a URL is never shown.
func FuzzRedact(f *testing.F) {
	f.Add("user", "hunter2-secret", "/team/repo.git")
	f.Add("", "p@ss:w/rd?#", "/a")
	f.Add("a/b", "x y\n", "/a@b")
	f.Fuzz(func(t *testing.T, user, password, path string) {
		const mark = "QZ7"
		password = mark + password
		if strings.Contains(user+path, mark) {
			return
		}
		u := url.URL{Scheme: "https", Host: "host", Path: "/" + strings.ReplaceAll(path, "@", ""), User: url.UserPassword(user, password)}
		for _, raw := range []string{u.String(), "https://" + strings.NewReplacer("?", "", "#", "").Replace(user+":"+password) + "@host/a"} {
			if shown := Redact(raw); strings.Contains(shown, mark) {
				t.Errorf("Redact(%q) = %q shows the password", raw, shown)
			}
		}
		text := "server said: cannot reach " + u.String() + " with " + password
		if shown := scrub(text, append(urlSecrets(u.String()), password)...); strings.Contains(shown, mark) {
			t.Errorf("scrub shows the password: %q", shown)
		}
	})
}

func TestNearest(t *testing.T) {
	names := []string{"main", "release-1.0", "release-1.1", "feature/login", "v1.2.0"}
	for want, near := range map[string][]string{
		"mian":    {"main"},
		"Main":    {"main"},
		"login":   {"feature/login"},
		"v1.2":    {"v1.2.0"},
		"zzzzzz":  nil,
		"release": {"release-1.0", "release-1.1"},
	} {
		if got := nearest(want, names); !slices.Equal(got, near) {
			t.Errorf("nearest(%q) = %v, want %v", want, got, near)
		}
	}
}
