// Package services is the one process of ours among the daemons: it serves the registry, the git server and the module
// proxy into the cluster's network namespace and on the host's loopback, and forwards the API server and the ingress
// from the loopback into the namespace. It runs on the host, because it alone works on both sides.
package services

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/openfunction/openfunction/hack/cluster/gitserver"
	"github.com/openfunction/openfunction/hack/cluster/internal/forward"
	"github.com/openfunction/openfunction/hack/cluster/internal/goproxy"
	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
	"github.com/openfunction/openfunction/hack/cluster/internal/netns"
	"github.com/openfunction/openfunction/hack/cluster/internal/registry"
)

// Run serves until the context ends.
func Run(ctx context.Context, l layout.Layout, ports Ports) error {
	s := &sides{netns: netns.Namespace{Name: layout.Netns}, ports: ports}
	logger := log.New(os.Stderr, "", log.LstdFlags|log.LUTC)
	for _, start := range []func(context.Context, layout.Layout, *sides, *log.Logger) error{
		startRegistry, startGit, startGoproxy, startForwards,
	} {
		if err := start(ctx, l, s, logger); err != nil {
			return err
		}
	}
	logger.Printf("serving in namespace %s and on 127.0.0.1: %v", s.netns.Name, ports)
	<-ctx.Done()
	return nil
}

// sides opens listeners and connections on both sides.
type sides struct {
	netns netns.Namespace
	ports Ports
}

// inside listens on the node's address in the namespace.
func (s *sides) inside(port int) (l net.Listener, err error) {
	err = s.netns.Do(func() error {
		var err error
		l, err = net.Listen("tcp", net.JoinHostPort(layout.NodeIP, strconv.Itoa(port)))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listening in namespace %s: %w", s.netns.Name, err)
	}
	return l, nil
}

// host listens on the host's loopback.
func (s *sides) host(name string) (net.Listener, error) {
	l, err := net.Listen("tcp", loopback(s.ports[name]))
	if err != nil {
		return nil, fmt.Errorf("listening for %s on the host: %w", name, err)
	}
	return l, nil
}

// both listens on both sides.
func (s *sides) both(name string, port int) ([]net.Listener, error) {
	in, err := s.inside(port)
	if err != nil {
		return nil, err
	}
	out, err := s.host(name)
	if err != nil {
		return nil, err
	}
	return []net.Listener{in, out}, nil
}

// dialer connects to an address in the namespace.
func (s *sides) dialer(ip string, port int) forward.Dial {
	return func() (conn net.Conn, err error) {
		err = s.netns.Do(func() error {
			var err error
			conn, err = net.DialTimeout("tcp", net.JoinHostPort(ip, strconv.Itoa(port)), 10*time.Second)
			return err
		})
		return conn, err
	}
}

func startRegistry(ctx context.Context, l layout.Layout, s *sides, _ *log.Logger) error {
	file, err := os.OpenFile(l.Path("logs", "registry.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("starting the registry: %w", err)
	}
	handler, err := registry.New(l.Path("registry"), log.New(file, "", log.LstdFlags|log.LUTC))
	if err != nil {
		return err
	}
	listeners, err := s.both("registry", layout.RegistryPort)
	if err != nil {
		return err
	}
	serve(ctx, handler, listeners...)
	return nil
}

func startGit(ctx context.Context, l layout.Layout, s *sides, logger *log.Logger) error {
	password, err := Credentials(l, s.ports)
	if err != nil {
		return err
	}
	opts := gitserver.Options{Root: l.Path("git", "repositories"), User: gitUser, Password: password, Logger: logger}
	if opts.HostKey, err = os.ReadFile(l.Path("git", "host_key")); err != nil {
		return fmt.Errorf("starting the git server: %w", err)
	}
	if opts.AuthorizedKeys, err = os.ReadFile(l.Path("git", "authorized_keys")); err != nil {
		return fmt.Errorf("starting the git server: %w", err)
	}
	if opts.HTTP, err = s.both("git-http", layout.GitHTTPPort); err != nil {
		return err
	}
	if opts.SSH, err = s.both("git-ssh", layout.GitSSHPort); err != nil {
		return err
	}
	if opts.Git, err = s.both("git", layout.GitDaemonPort); err != nil {
		return err
	}
	_, err = gitserver.Start(ctx, opts)
	return err
}

func startGoproxy(ctx context.Context, _ layout.Layout, s *sides, logger *log.Logger) error {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMODCACHE").Output()
	if err != nil {
		return fmt.Errorf("finding the module cache: %w", err)
	}
	listener, err := s.inside(layout.GoproxyPort)
	if err != nil {
		return err
	}
	serve(ctx, goproxy.New(strings.TrimSpace(string(out)), logger), listener)
	return nil
}

func startForwards(_ context.Context, _ layout.Layout, s *sides, logger *log.Logger) error {
	for name, dial := range map[string]forward.Dial{
		"apiserver": s.dialer(layout.NodeIP, layout.APIServerPort),
		"ingress":   s.dialer(layout.IngressIP, layout.IngressPort),
	} {
		listener, err := s.host(name)
		if err != nil {
			return err
		}
		go forward.Serve(listener, dial, logger)
	}
	return nil
}

// serve answers http on several listeners until the context ends.
func serve(ctx context.Context, handler http.Handler, listeners ...net.Listener) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 30 * time.Second}
	for _, l := range listeners {
		go func() {
			if err := server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
				log.Fatalf("serving on %s: %v", l.Addr(), err) // The next `up` starts it again.
			}
		}()
	}
	context.AfterFunc(ctx, func() { _ = server.Close() })
}
