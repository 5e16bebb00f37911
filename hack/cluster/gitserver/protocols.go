package gitserver

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// serveHTTP serves the smart http protocol through git's own CGI program.
func (s *Server) serveHTTP(l net.Listener) {
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 30 * time.Second}
	s.closers = append(s.closers, func() { _ = server.Close() })
	s.running.Go(func() {
		if err := server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.opts.Logger.Printf("serving http on %s: %v", l.Addr(), err)
		}
	})
}

func (s *Server) handler() http.Handler {
	backend := &cgi.Handler{
		Path: backendPath(),
		Dir:  s.opts.Root,
		Env: []string{
			"GIT_PROJECT_ROOT=" + s.opts.Root, "GIT_HTTP_EXPORT_ALL=1",
			// The repositories may belong to another user than the one that serves them.
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		},
		InheritEnv: []string{"PATH"},
		Logger:     s.opts.Logger,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		part, _, _ := strings.Cut(strings.TrimPrefix(path.Clean(r.URL.Path), "/"), "/")
		switch part {
		case Public:
		case Private:
			if !s.mayEnter(r) {
				w.Header().Set("WWW-Authenticate", `Basic realm="private repositories"`)
				http.Error(w, "user and password needed", http.StatusUnauthorized)
				return
			}
		default:
			http.NotFound(w, r)
			return
		}
		if v := r.Header.Get("Git-Protocol"); v != "" {
			withProtocol := *backend
			withProtocol.Env = append(append([]string{}, backend.Env...), "GIT_PROTOCOL="+v)
			withProtocol.ServeHTTP(w, r)
			return
		}
		backend.ServeHTTP(w, r)
	})
}

func (s *Server) mayEnter(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	return ok && s.opts.Password != "" &&
		subtle.ConstantTimeCompare([]byte(user), []byte(s.opts.User)) == 1 &&
		subtle.ConstantTimeCompare([]byte(password), []byte(s.opts.Password)) == 1
}

// backendPath finds git-http-backend, which is not in the PATH.
func backendPath() string {
	out, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return "/usr/lib/git-core/git-http-backend"
	}
	return filepath.Join(strings.TrimSpace(string(out)), "git-http-backend")
}

// serveGit lets one git daemon serve one connection of the git protocol, from the public part only.
func (s *Server) serveGit(ctx context.Context, c net.Conn) {
	cmd := exec.CommandContext(ctx, "git", "-c", "safe.directory=*", "daemon", "--inetd", "--export-all", "--timeout=60",
		"--base-path="+filepath.Join(s.opts.Root, Public), filepath.Join(s.opts.Root, Public))
	cmd.Stdin, cmd.Stdout = c, c
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		s.opts.Logger.Printf("serving git to %s: %v", c.RemoteAddr(), err)
	}
}

func (s *Server) sshConfig() (*ssh.ServerConfig, error) {
	allowed := map[string]bool{}
	for rest := bytes.TrimSpace(s.opts.AuthorizedKeys); len(rest) > 0; {
		key, _, _, next, err := ssh.ParseAuthorizedKey(rest)
		if err != nil {
			return nil, fmt.Errorf("reading authorized keys: %w", err)
		}
		allowed[string(key.Marshal())] = true
		rest = bytes.TrimSpace(next)
	}
	config := &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if allowed[string(key.Marshal())] {
				return &ssh.Permissions{}, nil
			}
			return nil, errors.New("this key is not authorized")
		},
	}
	signer, err := s.hostKey()
	if err != nil {
		return nil, err
	}
	config.AddHostKey(signer)
	return config, nil
}

func (s *Server) hostKey() (ssh.Signer, error) {
	if len(s.opts.HostKey) > 0 {
		signer, err := ssh.ParsePrivateKey(s.opts.HostKey)
		if err != nil {
			return nil, fmt.Errorf("reading the host key: %w", err)
		}
		return signer, nil
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a host key: %w", err)
	}
	return ssh.NewSignerFromKey(key)
}

func (s *Server) serveSSH(ctx context.Context, c net.Conn, config *ssh.ServerConfig) {
	conn, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		s.opts.Logger.Printf("ssh from %s: %v", c.RemoteAddr(), err)
		return
	}
	defer func() { _ = conn.Close() }()
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		if offered.ChannelType() != "session" {
			_ = offered.Reject(ssh.UnknownChannelType, "only sessions are served")
			continue
		}
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		go s.serveSession(ctx, channel, requests)
	}
}

// serveSession answers the one command that may be run.
func (s *Server) serveSession(ctx context.Context, channel ssh.Channel, requests <-chan *ssh.Request) {
	defer func() { _ = channel.Close() }()
	var env []string
	for r := range requests {
		var value struct{ Name, Value string }
		switch r.Type {
		case "env":
			if ssh.Unmarshal(r.Payload, &value) == nil && value.Name == "GIT_PROTOCOL" {
				env = append(env, "GIT_PROTOCOL="+value.Value)
			}
			_ = r.Reply(true, nil)
		case "exec":
			var command struct{ Line string }
			dir, err := "", ssh.Unmarshal(r.Payload, &command)
			if err == nil {
				dir, err = s.repository(command.Line)
			}
			_ = r.Reply(err == nil, nil)
			status := uint32(1)
			if err != nil {
				_, _ = fmt.Fprintln(channel.Stderr(), err)
			} else if s.uploadPack(ctx, channel, dir, env) == nil {
				status = 0
			}
			_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
			return
		default:
			_ = r.Reply(false, nil)
		}
	}
}

var uploadPackLine = regexp.MustCompile(`^git[ -]upload-pack '?([^']+)'?$`)

// repository returns the folder a command line asks to read.
func (s *Server) repository(line string) (string, error) {
	m := uploadPackLine.FindStringSubmatch(line)
	if m == nil {
		return "", errors.New("only git-upload-pack may be run here")
	}
	asked := strings.TrimPrefix(path.Clean("/"+m[1]), "/")
	if part, _, _ := strings.Cut(asked, "/"); part != Public && part != Private {
		return "", errors.New("repositories are in public/ and private/")
	}
	dir := filepath.Join(s.opts.Root, filepath.FromSlash(asked))
	if _, err := os.Stat(filepath.Join(dir, "HEAD")); err != nil {
		return "", fmt.Errorf("there is no repository %s", asked)
	}
	return dir, nil
}

func (s *Server) uploadPack(ctx context.Context, channel ssh.Channel, dir string, env []string) error {
	cmd := exec.CommandContext(ctx, "git", "-c", "safe.directory=*", "upload-pack", dir)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
	// A pipe of our own: with Stdin set, Wait would wait for the client to close its side.
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(in, channel)
		_ = in.Close()
	}()
	return cmd.Wait()
}
