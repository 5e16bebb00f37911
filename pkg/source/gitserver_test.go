// SPDX-License-Identifier: Apache-2.0

package source

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/openfunction/openfunction/test/ports"
)

const (
	gitUser     = "ann"
	gitPassword = "correct-horse/battery@staple"
)

// repositories is a folder of bare repositories, served by real git.
type repositories struct {
	t    *testing.T
	root string

	// The commits of repository app, oldest first.
	commits []string
}

// gitRun runs git away from the configuration of this machine and returns its output.
func gitRun(t *testing.T, dir string, args ...string) string {
	t.Helper()
	c := exec.Command("git", args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=Ann Author", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_COMMITTER_NAME=Carl", "GIT_COMMITTER_EMAIL=carl@example.com")
	output, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, output)
	}
	return strings.TrimSpace(string(output))
}

func write(t *testing.T, dir, name, content string, mode os.FileMode) {
	t.Helper()
	at := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// newRepositories makes app.git, with three commits on main, branch feature/login at the second, tag light at the first and
// annotated tag v1.0.0 at the second; lib.git; whole.git, which has lib as a submodule; and empty.git.
func newRepositories(t *testing.T) *repositories {
	t.Helper()
	r := &repositories{t: t, root: t.TempDir()}
	work := t.TempDir()
	gitRun(t, work, "init", "-q", "-b", "main")
	for i := 1; i <= 3; i++ {
		write(t, work, "functions/hello/handler.go", fmt.Sprintf("package hello // %d\n", i), 0o644)
		write(t, work, "run.sh", "#!/bin/sh\n", 0o755)
		gitRun(t, work, "add", ".")
		gitRun(t, work, "commit", "-q", "-m", fmt.Sprintf("Change %d\n\nbody", i))
		r.commits = append(r.commits, gitRun(t, work, "rev-parse", "HEAD"))
	}
	gitRun(t, work, "branch", "feature/login", r.commits[1])
	gitRun(t, work, "tag", "light", r.commits[0])
	gitRun(t, work, "tag", "-a", "-m", "first release", "v1.0.0", r.commits[1])
	r.publish(work, "app")

	lib := t.TempDir()
	gitRun(t, lib, "init", "-q", "-b", "main")
	write(t, lib, "lib.go", "package lib\n", 0o644)
	gitRun(t, lib, "add", ".")
	gitRun(t, lib, "commit", "-q", "-m", "lib")
	r.publish(lib, "lib")

	whole := t.TempDir()
	gitRun(t, whole, "init", "-q", "-b", "main")
	write(t, whole, ".gitmodules", "[submodule \"lib\"]\n\tpath = lib\n\turl = ../lib.git\n", 0o644)
	gitRun(t, whole, "add", ".gitmodules")
	gitRun(t, whole, "update-index", "--add", "--cacheinfo", "160000,"+gitRun(t, lib, "rev-parse", "HEAD")+",lib")
	gitRun(t, whole, "commit", "-q", "-m", "whole")
	r.publish(whole, "whole")

	gitRun(t, r.root, "init", "-q", "--bare", "-b", "main", "empty.git")
	return r
}

func (r *repositories) publish(work, name string) {
	r.t.Helper()
	gitRun(r.t, r.root, "clone", "-q", "--bare", work, name+".git")
}

// handler serves the repositories over http, with a password if there is one.
func (r *repositories) handler(password string) http.Handler {
	backend := &cgi.Handler{
		Path: filepath.Join(gitRun(r.t, "", "--exec-path"), "git-http-backend"),
		Env: []string{"GIT_PROJECT_ROOT=" + r.root, "GIT_HTTP_EXPORT_ALL=1",
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if user, given, _ := q.BasicAuth(); password != "" && (user != gitUser || given != password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, q)
	})
}

func (r *repositories) http(password string) string {
	server := httptest.NewServer(r.handler(password))
	r.t.Cleanup(server.Close)
	return server.URL
}

// https returns the address and the certificate authority of a server with a password.
func (r *repositories) https(password string) (string, []byte) {
	server := httptest.NewTLSServer(r.handler(password))
	r.t.Cleanup(server.Close)
	return server.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

// daemon serves the repositories with git's own protocol.
func (r *repositories) daemon() string {
	r.t.Helper()
	address, err := ports.Address()
	if err != nil {
		r.t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(address)
	c := exec.Command(filepath.Join(gitRun(r.t, "", "--exec-path"), "git-daemon"), "--export-all", "--base-path="+r.root,
		"--listen=127.0.0.1", "--port="+port, "--reuseaddr", r.root)
	c.Env = append(os.Environ(), "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")
	if err := c.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	deadline := time.Now().Add(time.Minute)
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			return "git://" + address
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("git daemon does not listen: %v", err)
		}
		time.Sleep(time.Millisecond)
	}
}

// sshServer serves the repositories over ssh to the owner of one key.
type sshServer struct {
	address    string
	clientKey  []byte // private, in PEM form
	knownHosts string // a line for the server
}

func newKey(t *testing.T) (ssh.Signer, []byte) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	return signer, pem.EncodeToMemory(block)
}

func (r *repositories) ssh() sshServer {
	r.t.Helper()
	hostKey, _ := newKey(r.t)
	clientSigner, clientKey := newKey(r.t)
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(clientSigner.PublicKey().Marshal()) {
			return nil, fmt.Errorf("unknown key")
		}
		return nil, nil
	}}
	config.AddHostKey(hostKey)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go r.serveSSH(conn, config)
		}
	}()
	address := listener.Addr().String()
	return sshServer{address: address, clientKey: clientKey, knownHosts: knownhosts.Line([]string{address}, hostKey.PublicKey()) + "\n"}
}

func (r *repositories) serveSSH(conn net.Conn, config *ssh.ServerConfig) {
	defer conn.Close()
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for next := range channels {
		channel, requests, err := next.Accept()
		if err != nil {
			return
		}
		go func() {
			defer channel.Close()
			for request := range requests {
				var line struct{ Command string }
				if request.Type != "exec" || ssh.Unmarshal(request.Payload, &line) != nil {
					_ = request.Reply(false, nil)
					continue
				}
				_ = request.Reply(true, nil)
				repository := strings.Trim(strings.TrimPrefix(line.Command, "git-upload-pack "), "'")
				c := exec.Command("git", "-c", "safe.directory=*", "upload-pack", filepath.Join(r.root, filepath.Clean("/"+repository)))
				c.Stdout, c.Stderr = channel, channel.Stderr()
				input, err := c.StdinPipe() // not Stdin, for whose end Run would wait after git has failed
				if err != nil {
					return
				}
				go func() {
					_, _ = io.Copy(input, channel)
					_ = input.Close()
				}()
				status := make([]byte, 4)
				if c.Run() != nil {
					status[3] = 128
				}
				_, _ = channel.SendRequest("exit-status", false, status)
				return
			}
		}()
	}
}
