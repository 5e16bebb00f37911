// SPDX-License-Identifier: Apache-2.0

// Package router_test runs the router as the real process it is, and takes away what stands around it, and itself, under load.
package router_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/openfunction/openfunction/pkg/core/route"
	"github.com/openfunction/openfunction/test/ports"
	"github.com/openfunction/openfunction/test/router/standin"
)

// patience is for what has to happen some day.
const patience = 30 * time.Second

var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "router-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "router")
		build := exec.Command("go", "build", "-o", program, "./cmd/router")
		build.Dir, build.Env = filepath.Join("..", ".."), append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// process is one router.
type process struct {
	t               *testing.T
	cmd             *exec.Cmd
	done            chan struct{}
	requests, state string // its addresses

	mu   sync.Mutex
	said bytes.Buffer
}

// Write implements io.Writer.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.Write(b)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.String()
}

// start runs a router whose functions are all at one address.
func start(t *testing.T, kubeconfig, functions string, more ...string) *process {
	t.Helper()
	p := &process{t: t, done: make(chan struct{}), requests: free(t), state: free(t)}
	p.cmd = exec.Command(program, append([]string{"--kubeconfig", kubeconfig, "--listen", p.requests, "--health-probe-bind-address", p.state,
		"--metrics-bind-address", free(t), "--interceptor", functions, "--unknown-wait", "100ms"}, more...)...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the router said:\n%s", p.output())
		}
	})
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

func free(t *testing.T) string {
	t.Helper()
	address, err := ports.Address()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func (p *process) isReady() bool {
	res, err := http.Get("http://" + p.state + "/readyz")
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// get asks a function.
func (p *process) get(host string) (int, string) {
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "http://"+p.requests+"/", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Host = host
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(text)
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// to is a route to an address, for a function of a namespace.
func to(address, namespace, name string) route.Route {
	return route.Route{Backends: []route.Backend{{Address: address, Host: name + "." + namespace + ".svc.cluster.local", Weight: 1}}}
}

// functions starts a server that plays them all. It answers with the host it was asked for and the body it got.
func functions(t *testing.T) string {
	t.Helper()
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if websocket.IsWebSocketUpgrade(r) {
			c, err := upgrader.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer c.Close()
			for kind, text, err := c.ReadMessage(); err == nil; kind, text, err = c.ReadMessage() {
				_ = c.WriteMessage(kind, text)
			}
			return
		}
		body, _ := io.ReadAll(r.Body)
		pause, _ := time.ParseDuration(r.URL.Query().Get("pause"))
		select {
		case <-time.After(pause):
		case <-r.Context().Done():
		}
		fmt.Fprintf(w, "%s %s", r.Host, body)
	}))
	server.Config.Protocols = &http.Protocols{}
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// api starts a stand-in for the API server and returns a kubeconfig for it.
func api(t *testing.T) (services *standin.Services, server *httptest.Server, kubeconfig string) {
	t.Helper()
	services = &standin.Services{}
	server = httptest.NewServer(services)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	kubeconfig, err := standin.Kubeconfig(t.TempDir(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return services, server, kubeconfig
}

// TestWhatIsKnownOutlivesTheAPIServer: a router goes on as it was, and catches up.
func TestWhatIsKnownOutlivesTheAPIServer(t *testing.T) {
	services, server, kubeconfig := api(t)
	at := functions(t)
	services.Set("shop", "a", to(at, "shop", "a"))
	p := start(t, kubeconfig, at)
	eventually(t, "it is ready", p.isReady)
	address := server.Listener.Addr().String()
	server.CloseClientConnections()
	server.Close()
	services.Set("shop", "b", to(at, "shop", "b"))
	services.Delete("shop", "a")
	for range 20 {
		if status, text := p.get("a.shop"); status != http.StatusOK || !p.isReady() {
			t.Fatalf("without an API server: %d %q", status, text)
		}
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skip("somebody else took the port")
	}
	again := &httptest.Server{Listener: l, Config: &http.Server{Handler: services, ReadHeaderTimeout: time.Second}}
	again.Start()
	defer func() { again.CloseClientConnections(); again.Close() }()
	eventually(t, "it knows the new function", func() bool { status, _ := p.get("b.shop"); return status == http.StatusOK })
	eventually(t, "it forgot the old one", func() bool { status, _ := p.get("a.shop"); return status == http.StatusNotFound })
}

// balancer hands connections to one of several routers, as a Service does.
type balancer struct {
	net.Listener

	mu   sync.Mutex
	to   []string
	next int
}

func newBalancer(t *testing.T, to ...string) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{Listener: l, to: to}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go b.hand(c)
		}
	}()
	return b
}

func (b *balancer) choose(to ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.to = to
}

func (b *balancer) hand(c net.Conn) {
	defer c.Close()
	b.mu.Lock()
	b.next++
	address := b.to[b.next%len(b.to)]
	b.mu.Unlock()
	there, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer there.Close()
	var group sync.WaitGroup
	pass := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		_ = to.(*net.TCPConn).CloseWrite()
	}
	group.Go(func() { pass(there, c) })
	group.Go(func() { pass(c, there) })
	group.Wait()
}

// load sends requests all the time, over connections that are kept, and counts.
type load struct {
	sent, failed atomic.Int64
	group        sync.WaitGroup
	stop         context.CancelFunc
}

// send starts the load: by POST, since a client may repeat a GET on its own.
func send(t *testing.T, url string) *load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{stop: cancel}
	for i := range 8 {
		protocols := &http.Protocols{}
		protocols.SetHTTP1(i%4 != 0)
		protocols.SetUnencryptedHTTP2(i%4 == 0)
		transport := &http.Transport{Protocols: protocols}
		client := &http.Client{Transport: transport}
		t.Cleanup(transport.CloseIdleConnections)
		l.group.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				l.sent.Add(1)
				body := fmt.Sprintf("%d %d", i, n)
				if err := ask(t.Context(), client, url, body); err != nil {
					l.failed.Add(1)
					t.Errorf("request %d of client %d: %v", n, i, err)
				}
				time.Sleep(time.Duration(i) * time.Millisecond / 2)
			}
		})
	}
	return l
}

func ask(ctx context.Context, client *http.Client, url, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Host = "fn.shop"
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if want := "fn.shop.svc.cluster.local " + body; err == nil && (res.StatusCode != http.StatusOK || string(text) != want) {
		return fmt.Errorf("%d %q", res.StatusCode, text)
	}
	return err
}

func (l *load) end(t *testing.T) {
	l.stop()
	l.group.Wait()
	t.Logf("%d requests, %d failed", l.sent.Load(), l.failed.Load())
	if l.sent.Load() == 0 {
		t.Error("no request was sent")
	}
}

// TestARolloutFailsNoRequest replaces both replicas, one after the other, as a rollout does: the new one is ready first, and that the old one is
// to go is told to it at once, and to those who send there a while later.
func TestARolloutFailsNoRequest(t *testing.T) {
	services, _, kubeconfig := api(t)
	at := functions(t)
	services.Set("shop", "fn", to(at, "shop", "fn"))
	drains := []string{"--drain-delay=1500ms", "--drain=20s"}
	replicas := []*process{start(t, kubeconfig, at, drains...), start(t, kubeconfig, at, drains...)}
	for _, p := range replicas {
		eventually(t, "it is ready", p.isReady)
	}
	b := newBalancer(t, replicas[0].requests, replicas[1].requests)
	url := "http://" + b.Addr().String() + "/"
	l := send(t, url)
	time.Sleep(500 * time.Millisecond)
	for range 2 {
		fresh := start(t, kubeconfig, at, drains...)
		eventually(t, "it is ready", fresh.isReady)
		old := replicas[0]
		replicas = []*process{replicas[1], fresh}
		_ = old.cmd.Process.Signal(syscall.SIGTERM)
		eventually(t, "it is not ready", func() bool { return !old.isReady() })
		time.Sleep(500 * time.Millisecond)
		b.choose(replicas[0].requests, replicas[1].requests)
		<-old.done
		if code := old.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("it ended with %d", code)
		}
	}
	l.end(t)
}

// TestWhatIsUnderWayMayEnd: a request and a websocket that were there before SIGTERM work until they are done, and then so is the router.
func TestWhatIsUnderWayMayEnd(t *testing.T) {
	services, _, kubeconfig := api(t)
	at := functions(t)
	services.Set("shop", "fn", to(at, "shop", "fn"))
	p := start(t, kubeconfig, at, "--drain-delay=100ms", "--drain=20s")
	eventually(t, "it is ready", p.isReady)
	socket, _, err := (&websocket.Dialer{}).Dial("ws://"+p.requests, http.Header{"Host": {"fn.shop"}})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	slow := make(chan error, 1)
	go func() { slow <- ask(t.Context(), http.DefaultClient, "http://"+p.requests+"/?pause=2s", "slow") }()
	time.Sleep(200 * time.Millisecond)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if err := <-slow; err != nil {
		t.Error(err)
	}
	for range 3 {
		if err := socket.WriteMessage(websocket.TextMessage, []byte("still here")); err != nil {
			t.Fatal(err)
		}
		if _, text, err := socket.ReadMessage(); err != nil || string(text) != "still here" {
			t.Errorf("%q: %v", text, err)
		}
	}
	select {
	case <-p.done:
		t.Error("it ended before the websocket did")
	default:
	}
	start := time.Now()
	socket.Close()
	<-p.done
	if took := time.Since(start); took > 5*time.Second || p.cmd.ProcessState.ExitCode() != 0 {
		t.Errorf("it ended %s after the websocket did, with %d", took, p.cmd.ProcessState.ExitCode())
	}
}

// TestTheDrainEnds: what does not end by itself is broken off.
func TestTheDrainEnds(t *testing.T) {
	services, _, kubeconfig := api(t)
	at := functions(t)
	services.Set("shop", "fn", to(at, "shop", "fn"))
	p := start(t, kubeconfig, at, "--drain-delay=0s", "--drain=500ms")
	eventually(t, "it is ready", p.isReady)
	slow := make(chan error, 1)
	go func() { slow <- ask(t.Context(), http.DefaultClient, "http://"+p.requests+"/?pause=60s", "slow") }()
	time.Sleep(200 * time.Millisecond)
	start := time.Now()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.done
	if took := time.Since(start); took > 5*time.Second || p.cmd.ProcessState.ExitCode() != 0 {
		t.Errorf("it ended after %s, with %d", took, p.cmd.ProcessState.ExitCode())
	}
	if err := <-slow; err == nil {
		t.Error("the request was answered")
	}
}

func TestAWrongCommandLineIsRefused(t *testing.T) {
	for _, args := range [][]string{{"--response-header-timeout=9m"}, {"--max-requests=0"}, {"more"}, {"--listen=8000"}, {"--interceptor=none"}} {
		out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 || !bytes.Contains(out, []byte("cannot start")) {
			t.Errorf("%v: %v %s", args, err, out)
		}
	}
}
