package gitserver_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/openfunction/openfunction/hack/cluster/gitserver"
)

func folder(t *testing.T, content string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func load(t *testing.T, root, part, name, dir string) string {
	t.Helper()
	commit, err := gitserver.Load(t.Context(), root, part, name, dir)
	if err != nil {
		t.Fatal(err)
	}
	return commit
}

// clone returns the commit it got, or nothing if it was refused.
func clone(t *testing.T, url string, env ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "clone")
	base := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "GIT_TERMINAL_PROMPT=0"}
	for _, args := range [][]string{{"clone", "--quiet", url, dir}, {"-C", dir, "rev-parse", "HEAD"}} {
		cmd := exec.Command("git", args...)
		cmd.Env = append(base, env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Logf("git %s: %s", strings.Join(args, " "), out)
			return ""
		}
		if args[0] == "-C" {
			return strings.TrimSpace(string(out))
		}
	}
	return ""
}

func TestLoad(t *testing.T) {
	root := t.TempDir()
	dir := folder(t, "package one")
	first := load(t, root, gitserver.Public, "hello", dir)
	if again := load(t, root, gitserver.Public, "hello", dir); again != first {
		t.Errorf("the same content gave another commit: %s, then %s", first, again)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte("package two"), 0o600); err != nil {
		t.Fatal(err)
	}
	if second := load(t, root, gitserver.Public, "hello", dir); second == first {
		t.Error("other content gave no commit")
	}
	for _, name := range []string{"../x", "", ".git", "a/b"} {
		if _, err := gitserver.Load(t.Context(), root, gitserver.Public, name, dir); err == nil {
			t.Errorf("%q was accepted as a name", name)
		}
	}
}

func TestProtocols(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	open := load(t, root, gitserver.Public, "open", folder(t, "package open"))
	closed := load(t, root, gitserver.Private, "closed", folder(t, "package closed"))
	server, err := gitserver.Start(t.Context(), gitserver.Options{
		Root: root, User: "git", Password: "secret", AuthorizedKeys: ssh.MarshalAuthorizedKey(key),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	host := strings.TrimPrefix(server.HTTPURL(), "http://")
	withKey := "GIT_SSH_COMMAND=ssh -i " + keyFile + " -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
	withoutKey := "GIT_SSH_COMMAND=ssh -i /dev/null -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"

	for name, tc := range map[string]struct {
		because, url, env, want string
	}{
		"HTTP":              {"the public part is open", "http://" + host + "/public/open.git", "", open},
		"HTTPPassword":      {"the password opens the private part", "http://git:secret@" + host + "/private/closed.git", "", closed},
		"HTTPNoPassword":    {"the private part is closed", "http://" + host + "/private/closed.git", "", ""},
		"HTTPWrongPassword": {"the private part is closed", "http://git:guess@" + host + "/private/closed.git", "", ""},
		"HTTPAround":        {"dots lead nowhere", "http://" + host + "/public/../private/closed.git", "", ""},
		"SSH":               {"the key opens both parts", server.SSHURL() + "/private/closed.git", withKey, closed},
		"SSHPublic":         {"the key opens both parts", server.SSHURL() + "/public/open.git", withKey, open},
		"SSHNoKey":          {"without the key there is no ssh", server.SSHURL() + "/public/open.git", withoutKey, ""},
		"Git":               {"the git protocol serves the public part", server.GitURL() + "/open.git", "", open},
		"GitPrivate":        {"the git protocol knows no secrets", server.GitURL() + "/../private/closed.git", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.HasPrefix(name, "SSH") {
				if _, err := exec.LookPath("ssh"); err != nil {
					t.Skip("this machine has no ssh client")
				}
			}
			env := []string{}
			if tc.env != "" {
				env = append(env, tc.env)
			}
			if got := clone(t, tc.url, env...); got != tc.want {
				t.Errorf("cloned %q, want %q, because %s", got, tc.want, tc.because)
			}
		})
	}
}
