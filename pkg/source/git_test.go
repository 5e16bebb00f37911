// SPDX-License-Identifier: Apache-2.0

package source

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fetched is a fetch and all that can be seen of it.
type fetched struct {
	Result
	dest   string
	output string
	err    error
}

func fetch(t *testing.T, g Git, sub string) fetched {
	t.Helper()
	var output bytes.Buffer
	f := fetched{dest: filepath.Join(t.TempDir(), "source")}
	f.Result, f.err = Fetch(t.Context(), Request{Git: &g, SubPath: sub, Dest: f.dest, Progress: &output})
	f.output = output.String()
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(f.dest), ".history-*")); len(left) != 0 {
		t.Errorf("the history was left behind: %v", left)
	}
	return f
}

func (f fetched) file(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(f.dest, name))
	if err != nil {
		t.Error(err)
	}
	return string(content)
}

func TestRevisions(t *testing.T) {
	r := newRepositories(t)
	servers := map[string]string{"http": r.http(""), "daemon": r.daemon(), "file": "file://" + r.root}
	for name, tc := range map[string]struct {
		revision string
		commit   int
		branch   string
	}{
		"Default":        {"", 2, "main"},
		"HEAD":           {"HEAD", 2, "main"},
		"Branch":         {"main", 2, "main"},
		"BranchWithPath": {"feature/login", 1, "feature/login"},
		"FullBranch":     {"refs/heads/main", 2, "main"},
		"Tag":            {"light", 0, ""},
		"AnnotatedTag":   {"v1.0.0", 1, ""},
		"CommitOfBranch": {r.commits[2], 2, ""},
		"OldCommit":      {r.commits[0], 0, ""},
		"UpperCase":      {strings.ToUpper(r.commits[0]), 0, ""},
		"ShortOfBranch":  {r.commits[2][:7], 2, ""},
		"ShortOldCommit": {r.commits[0][:8], 0, ""},
	} {
		for server, url := range servers {
			t.Run(name+"/"+server, func(t *testing.T) {
				f := fetch(t, Git{URL: url + "/app.git", Revision: tc.revision, AllowLocal: server == "file"}, "functions/hello")
				if f.err != nil {
					t.Fatal(f.err)
				}
				if f.Commit != r.commits[tc.commit] || f.Branch != tc.branch || f.Author != "Ann Author" {
					t.Errorf("got commit %s on %q by %q, want %s on %q", f.Commit, f.Branch, f.Author, r.commits[tc.commit], tc.branch)
				}
				if got, want := f.file(t, "functions/hello/handler.go"), "package hello // "+string(rune('1'+tc.commit))+"\n"; got != want {
					t.Errorf("handler.go is %q, want %q", got, want)
				}
				if info, err := os.Stat(filepath.Join(f.dest, "run.sh")); err != nil || info.Mode().Perm() != 0o777 {
					t.Errorf("run.sh is %v, want it executable by all: %v", info, err)
				}
				if _, err := os.Stat(filepath.Join(f.dest, ".git")); !os.IsNotExist(err) {
					t.Errorf("the source has a .git: %v", err)
				}
				if !strings.Contains(f.output, "Fetched commit "+f.Commit[:7]+" by Ann Author: Change") {
					t.Errorf("the user is told %q", f.output)
				}
			})
		}
	}
}

func TestSubmodule(t *testing.T) {
	r := newRepositories(t)
	f := fetch(t, Git{URL: r.http(gitPassword) + "/whole.git", Credentials: &Credentials{Username: gitUser, Password: gitPassword}}, "lib")
	if f.err != nil {
		t.Fatal(f.err)
	}
	if got := f.file(t, "lib/lib.go"); got != "package lib\n" {
		t.Errorf("lib.go is %q", got)
	}
	if _, err := os.Stat(filepath.Join(f.dest, "lib", ".git")); !os.IsNotExist(err) {
		t.Errorf("the submodule has a .git: %v", err)
	}
}

func TestPasswordOverHTTPS(t *testing.T) {
	r := newRepositories(t)
	url, ca := r.https(gitPassword)
	dir := t.TempDir()
	write(t, dir, "username", gitUser+"\n", 0o600)
	write(t, dir, "password", gitPassword+"\n", 0o600)
	write(t, dir, "ca.crt", string(ca), 0o600)
	credentials, err := ReadCredentials(dir)
	if err != nil {
		t.Fatal(err)
	}
	if f := fetch(t, Git{URL: url + "/app.git", Revision: "main", Credentials: credentials}, ""); f.err != nil || f.Commit != r.commits[2] {
		t.Errorf("got %s, %v", f.Commit, f.err)
	}
	if f := fetch(t, Git{URL: url + "/app.git"}, ""); ReasonOf(f.err) != ServerUnreachable || f.err == nil {
		t.Errorf("an unknown certificate: got %v, want ServerUnreachable", f.err)
	}
}

func TestSSH(t *testing.T) {
	r := newRepositories(t)
	server := r.ssh()
	url := "ssh://git@" + server.address + "/app.git"
	_, otherKey := newKey(t)
	dir := t.TempDir()
	write(t, dir, "known", server.knownHosts, 0o600)
	otherHost := r.ssh()
	write(t, dir, "other", strings.Replace(otherHost.knownHosts, otherHost.address[strings.LastIndex(otherHost.address, ":"):],
		server.address[strings.LastIndex(server.address, ":"):], 1), 0o600)
	known := filepath.Join(dir, "known")

	for name, tc := range map[string]struct {
		git    Git
		reason Reason
		says   string
	}{
		"KnownHost":     {Git{Credentials: &Credentials{SSHKey: server.clientKey, KnownHostsFile: known}}, "", ""},
		"MustBeKnown":   {Git{Credentials: &Credentials{SSHKey: server.clientKey, KnownHostsFile: known}, RequireKnownHosts: true}, "", ""},
		"UnknownHost":   {Git{Credentials: &Credentials{SSHKey: server.clientKey}}, "", "Warning: trusting"},
		"NoKnownHosts":  {Git{Credentials: &Credentials{SSHKey: server.clientKey}, RequireKnownHosts: true}, InvalidCredentials, "ssh-keyscan 127.0.0.1"},
		"OtherHostKey":  {Git{Credentials: &Credentials{SSHKey: server.clientKey, KnownHostsFile: filepath.Join(dir, "other")}}, HostKeyRejected, "ssh-keyscan"},
		"OtherKey":      {Git{Credentials: &Credentials{SSHKey: otherKey, KnownHostsFile: known}}, AuthenticationFailed, "refused the credentials"},
		"NoKey":         {Git{}, AuthenticationFailed, "kubernetes.io/ssh-auth"},
		"NotAKey":       {Git{Credentials: &Credentials{SSHKey: []byte("nonsense")}}, InvalidCredentials, "PEM"},
		"NoRepository":  {Git{URL: "ssh://git@" + server.address + "/nothing.git", Credentials: &Credentials{SSHKey: server.clientKey}}, RepositoryNotFound, "nothing.git"},
		"NoSuchRevison": {Git{Revision: "mian", Credentials: &Credentials{SSHKey: server.clientKey}}, RevisionNotFound, "did you mean main?"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.git.URL == "" {
				tc.git.URL = url
			}
			f := fetch(t, tc.git, "")
			if tc.reason == "" {
				if f.err != nil || f.Commit != r.commits[2] {
					t.Fatalf("got %s, %v", f.Commit, f.err)
				}
				if !strings.Contains(f.output, tc.says) || (tc.says == "" && strings.Contains(f.output, "Warning")) {
					t.Errorf("the user is told %q, want %q", f.output, tc.says)
				}
				return
			}
			if f.err == nil || ReasonOf(f.err) != tc.reason || !strings.Contains(f.err.Error(), tc.says) {
				t.Errorf("got %s: %v, want %s with %q", ReasonOf(f.err), f.err, tc.reason, tc.says)
			}
		})
	}
}

func TestFailuresOverHTTP(t *testing.T) {
	r := newRepositories(t)
	open, closed := r.http(""), r.http(gitPassword)
	good := &Credentials{Username: gitUser, Password: gitPassword}
	for name, tc := range map[string]struct {
		git    Git
		sub    string
		reason Reason
		says   string
	}{
		"NoRepository":    {Git{URL: open + "/nothing.git"}, "", RepositoryNotFound, "/nothing.git does not exist"},
		"EmptyRepository": {Git{URL: open + "/empty.git"}, "", RevisionNotFound, "is empty: push a commit first"},
		"NoCredentials":   {Git{URL: closed + "/app.git"}, "", AuthenticationFailed, "kubernetes.io/basic-auth"},
		"BadCredentials":  {Git{URL: closed + "/app.git", Credentials: &Credentials{Username: gitUser, Password: "hunter2"}}, "", AuthenticationFailed, "refused the credentials"},
		"BadInURL":        {Git{URL: strings.Replace(closed, "://", "://ann:hunter2@", 1) + "/app.git"}, "", AuthenticationFailed, "credentials"},
		"SSHKeyForHTTP":   {Git{URL: closed + "/app.git", Credentials: &Credentials{SSHKey: []byte("x")}}, "", InvalidCredentials, "not an ssh URL"},
		"MissingBranch":   {Git{URL: closed + "/app.git", Revision: "feature/logn", Credentials: good}, "", RevisionNotFound, "did you mean feature/login?"},
		"MissingFarOff":   {Git{URL: open + "/app.git", Revision: "zzzzzzzzz"}, "", RevisionNotFound, "it has feature/login, light, main, v1.0.0"},
		"MissingCommit":   {Git{URL: open + "/app.git", Revision: strings.Repeat("ab", 20)}, "", RevisionNotFound, "is not a branch, tag or commit"},
		"MissingShort":    {Git{URL: open + "/app.git", Revision: "abcdef1"}, "", RevisionNotFound, "is not a branch, tag or commit"},
		"MissingSubPath":  {Git{URL: open + "/app.git"}, "functions/helo", SubPathNotFound, "folder functions has hello/"},
		"LocalPath":       {Git{URL: r.root + "/app.git"}, "", InvalidSource, "must use one of https"},
		"LocalURL":        {Git{URL: "file://" + r.root + "/app.git"}, "", InvalidSource, "must use one of https"},
		"NoURL":           {Git{}, "", InvalidSource, ""},
		"NobodyThere":     {Git{URL: "http://127.0.0.1:1/app.git"}, "", ServerUnreachable, "127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			f := fetch(t, tc.git, tc.sub)
			if f.err == nil || ReasonOf(f.err) != tc.reason || !strings.Contains(f.err.Error(), tc.says) {
				t.Fatalf("got %s: %v, want %s with %q", ReasonOf(f.err), f.err, tc.reason, tc.says)
			}
			shown := f.output + f.err.Error()
			for _, secret := range []string{gitPassword, "hunter2"} {
				if strings.Contains(shown, secret) {
					t.Errorf("a password is shown: %q", shown)
				}
			}
			if strings.ContainsAny(f.err.Error(), "\n\r") {
				t.Errorf("the message has several lines: %q", f.err)
			}
		})
	}
}

func TestCredentialsInURL(t *testing.T) {
	r := newRepositories(t)
	url := strings.Replace(r.http("simple"), "://", "://"+gitUser+":simple@", 1)
	f := fetch(t, Git{URL: url + "/app.git"}, "")
	if f.err != nil || f.Commit != r.commits[2] {
		t.Fatalf("got %s, %v", f.Commit, f.err)
	}
	if strings.Contains(f.output, "simple") {
		t.Errorf("the password is shown: %q", f.output)
	}
}

func TestCredentialsFolder(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"Empty":         {},
		"OnlyOther":     {"token": "x"},
		"NoCertificate": {"password": "x", "ca.crt": "nonsense"},
	} {
		dir := t.TempDir()
		for file, content := range files {
			write(t, dir, file, content, 0o600)
		}
		if _, err := ReadCredentials(dir); ReasonOf(err) != InvalidCredentials || err == nil {
			t.Errorf("%s: got %v, want InvalidCredentials", name, err)
		}
	}
}
