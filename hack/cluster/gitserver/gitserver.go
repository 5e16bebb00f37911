// Package gitserver serves bare git repositories from a folder, for tests and for the local cluster: over http, with a
// public part and one behind a password, over ssh with a key, and over the git protocol. It needs the git command.
//
// A folder has two parts, public/ and private/; a repository is PART/NAME.git in it. http serves both, the private part to
// who knows the password; ssh serves both to who has the key; the git protocol serves the public part.
package gitserver

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"sync"
)

// The parts of a folder of repositories.
const (
	Public  = "public"
	Private = "private"
)

// Options says what to serve, where, and to whom.
type Options struct {
	// Root is the folder of repositories. It is created if it is not there.
	Root string
	// HTTP, SSH and Git are the listeners for each protocol. Without any, each gets a free port on the loopback.
	HTTP, SSH, Git []net.Listener
	// User and Password open the private part over http; without a password it stays closed.
	User, Password string
	// HostKey is the server's ssh key in PEM; one is made when empty.
	HostKey []byte
	// AuthorizedKeys are the public keys that may use ssh, in the format of authorized_keys.
	AuthorizedKeys []byte
	// Logger receives a line per problem; nothing is logged when nil.
	Logger *log.Logger
}

// Server is a running git server.
type Server struct {
	opts    Options
	closers []func()
	running sync.WaitGroup
}

// Start serves until the context ends or Close is called.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if opts.Logger == nil {
		opts.Logger = log.New(os.Stderr, "", 0)
		opts.Logger.SetOutput(nowhere{})
	}
	for _, part := range []string{Public, Private} {
		if err := os.MkdirAll(filepath.Join(opts.Root, part), 0o755); err != nil {
			return nil, fmt.Errorf("starting the git server: %w", err)
		}
	}
	s := &Server{opts: opts}
	if len(opts.HTTP)+len(opts.SSH)+len(opts.Git) == 0 {
		if err := s.listenOnLoopback(); err != nil {
			return nil, err
		}
	}
	if err := s.serveAll(ctx); err != nil {
		s.Close()
		return nil, err
	}
	context.AfterFunc(ctx, s.shut)
	return s, nil
}

func (s *Server) listenOnLoopback() error {
	for _, to := range []*[]net.Listener{&s.opts.HTTP, &s.opts.SSH, &s.opts.Git} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("starting the git server: %w", err)
		}
		*to = []net.Listener{l}
	}
	return nil
}

func (s *Server) serveAll(ctx context.Context) error {
	for _, l := range s.opts.HTTP {
		s.serveHTTP(l)
	}
	if len(s.opts.SSH) > 0 {
		config, err := s.sshConfig()
		if err != nil {
			return err
		}
		for _, l := range s.opts.SSH {
			s.accept(l, func(c net.Conn) { s.serveSSH(ctx, c, config) })
		}
	}
	for _, l := range s.opts.Git {
		s.accept(l, func(c net.Conn) { s.serveGit(ctx, c) })
	}
	return nil
}

// accept hands every connection of a listener to f, each in a goroutine of its own.
func (s *Server) accept(l net.Listener, f func(net.Conn)) {
	s.closers = append(s.closers, func() { _ = l.Close() })
	s.running.Go(func() {
		for {
			conn, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				s.opts.Logger.Printf("accepting on %s: %v", l.Addr(), err)
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				f(conn)
			}()
		}
	})
}

// Close stops serving.
func (s *Server) Close() {
	s.shut()
	s.running.Wait()
}

func (s *Server) shut() {
	for _, c := range s.closers {
		c()
	}
}

// HTTPURL is the base of http addresses; a repository is at HTTPURL/PART/NAME.git.
func (s *Server) HTTPURL() string { return "http://" + first(s.opts.HTTP) }

// SSHURL is the base of ssh addresses.
func (s *Server) SSHURL() string { return "ssh://git@" + first(s.opts.SSH) }

// GitURL is the base of git protocol addresses; a repository is at GitURL/NAME.git.
func (s *Server) GitURL() string { return "git://" + first(s.opts.Git) }

func first(ls []net.Listener) string {
	if len(ls) == 0 {
		return ""
	}
	return ls[0].Addr().String()
}

// nowhere swallows logs.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
