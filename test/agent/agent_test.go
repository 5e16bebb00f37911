// SPDX-License-Identifier: Apache-2.0

// Package agent_test breaks what stands around an agent, all of it real processes, and counts: an event that was acknowledged was worked
// on by the function, whatever happened, and in the end every event was acknowledged.
package agent_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/openfunction/openfunction/test/agent/standin"
	"github.com/openfunction/openfunction/test/ports"
)

const (
	// back is how soon events go on after what was broken is whole again.
	back = 5 * time.Second
	// patience is for what has to happen some day.
	patience  = 30 * time.Second
	mostBytes = 64 << 20
	token     = "the-token-of-the-tests"
)

var programs string

func TestMain(m *testing.M) {
	for _, variable := range []string{"GOGC", "GOMEMLIMIT"} { // make test sets them; the memory that is measured is what users see
		_ = os.Unsetenv(variable)
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "agent-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		programs = dir
		build := exec.Command("go", "build", "-o", dir, "./cmd/agent", "./test/agent/standin/standin")
		build.Dir, build.Env = filepath.Join("..", ".."), append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// process is one program under test, or around it.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{}
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

func run(t *testing.T, program string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(filepath.Join(programs, program), args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // its state is read later
		close(p.done)
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGCONT)
		p.kill()
		if t.Failed() {
			t.Logf("%s %s said:\n%s", program, args[0], p.output())
		}
	})
	return p
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// scene is an agent with all that stands around it.
type scene struct {
	t                              *testing.T
	protocol                       string
	dir, tokens                    string
	app, scaler, status, functions string
	agent                          *process
	events                         int
}

func newScene(t *testing.T, protocol string, functions ...string) *scene {
	t.Helper()
	s := &scene{t: t, protocol: protocol, dir: t.TempDir(), app: free(t), scaler: free(t), status: free(t), functions: strings.Join(functions, ",")}
	s.tokens = filepath.Join(s.dir, "secret")
	s.rotate(token, "")
	return s
}

// rotate swaps the token's folder in one step, as the kubelet does.
func (s *scene) rotate(token, previous string) {
	s.t.Helper()
	real, err := os.MkdirTemp(s.dir, "state-")
	if err != nil {
		s.t.Fatal(err)
	}
	write(s.t, filepath.Join(real, "token"), token)
	if previous != "" {
		write(s.t, filepath.Join(real, "previous"), previous)
	}
	next := real + ".link"
	if err := os.Symlink(real, next); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(next, s.tokens); err != nil {
		s.t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *scene) startAgent(more ...string) {
	s.t.Helper()
	port := func(address string) string {
		_, p, _ := net.SplitHostPort(address)
		return p
	}
	s.agent = run(s.t, "agent", append([]string{"--app-protocol", s.protocol, "--app-port", port(s.app), "--scaler-port", port(s.scaler),
		"--status-port", port(s.status), "--function-address", s.functions, "--token-dir", s.tokens, "--triggers", standin.Triggers}, more...)...)
	s.eventually("the agent is ready", patience, func() bool { return s.get("/readyz") == http.StatusOK })
}

func (s *scene) startFunction(address, token string, more ...string) *process {
	s.t.Helper()
	p := run(s.t, "standin", append([]string{"function", "--address", address, "--protocol", s.protocol, "--token", token,
		"--notes", filepath.Join(s.dir, "worked")}, more...)...)
	s.eventually("the function listens", patience, func() bool { return strings.Contains(p.output(), "listening") || p.ended() })
	if p.ended() {
		s.t.Fatal("the function ended")
	}
	return p
}

func (s *scene) startDaprd(events int, more ...string) *process {
	s.t.Helper()
	s.events = events
	p := run(s.t, "standin", append([]string{"daprd", "--app", s.app, "--protocol", s.protocol, "--token", token,
		"--done", filepath.Join(s.dir, "done"), "--events", strconv.Itoa(events)}, more...)...)
	s.eventually("daprd's questions are answered", back, func() bool {
		return strings.Contains(p.output(), "subscribed source bus/orders")
	})
	return p
}

func (s *scene) get(path string) int {
	response, err := http.Get("http://" + s.status + path)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

func (s *scene) eventually(what string, within time.Duration, is func() bool) {
	s.t.Helper()
	for timer := startTimer(); !is(); time.Sleep(10 * time.Millisecond) {
		if timer.past(within) {
			s.t.Fatalf("waited %s: %s", within, what)
		}
	}
}

// timer measures how long something takes, without the time in which it, or anything on this machine, had to wait for a processor: what has
// none can keep no deadline, and that is no fault of the agent's.
type timer struct {
	start   time.Time
	starved time.Duration
}

func startTimer() timer { return timer{time.Now(), starved()} }

// past tells whether more than a time has passed, or five times as much on any machine.
func (t timer) past(within time.Duration) bool {
	passed := time.Since(t.start)
	return passed-(starved()-t.starved) > within || passed > 5*within
}

// starved is how long something has waited for a processor since the machine started; nothing where the kernel does not tell.
func starved() time.Duration {
	text, err := os.ReadFile("/proc/pressure/cpu")
	if err != nil {
		return 0
	}
	some, _, _ := strings.Cut(string(text), "\n")
	_, total, _ := strings.Cut(some, "total=")
	microseconds, err := strconv.ParseInt(total, 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(microseconds) * time.Microsecond
}

func (s *scene) lines(name string) map[string]int {
	s.t.Helper()
	lines, err := standin.Lines(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return lines
}

// count is how many different events a file has.
func (s *scene) count(name string) int { return len(s.lines(name)) }

// goesOn fails unless events are acknowledged again soon.
func (s *scene) goesOn() {
	s.t.Helper()
	before := s.count("done")
	if before == s.events {
		s.t.Fatalf("all %d events were acknowledged before the fault was over: it proves nothing", before)
	}
	start := time.Now()
	s.eventually("events are acknowledged again", back, func() bool { return s.count("done") > before+10 || s.count("done") == s.events })
	s.t.Logf("events went on after %s", time.Since(start).Round(time.Millisecond))
}

// settles waits for the end of all events and judges the books.
func (s *scene) settles() {
	s.t.Helper()
	s.eventually("every event is acknowledged", patience, func() bool { return s.count("done") == s.events })
	s.nothingLost()
}

func (s *scene) nothingLost() {
	s.t.Helper()
	worked, repeated := s.lines("worked"), 0
	for event := range s.lines("done") {
		if worked[event] == 0 {
			s.t.Errorf("%s was acknowledged, and no function worked on it", event)
		}
		repeated += worked[event] - 1
	}
	peak := s.peak()
	s.t.Logf("%d events acknowledged, %d times worked on again, agent's peak memory %.1f MiB", s.count("done"), repeated, float64(peak)/(1<<20))
	if peak > mostBytes {
		s.t.Errorf("the agent had %d bytes in memory, more than %d", peak, mostBytes)
	}
}

// peak is the largest memory the agent ever had.
func (s *scene) peak() int64 {
	s.t.Helper()
	if s.agent.ended() {
		return 0
	}
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", s.agent.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	defer file.Close()
	for scan := bufio.NewScanner(file); scan.Scan(); {
		if text, ok := strings.CutPrefix(scan.Text(), "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(text), " kB"), 10, 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	s.t.Fatal("no VmHWM")
	return 0
}

func free(t *testing.T) string {
	t.Helper()
	address, err := ports.Address()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// both runs a test with either protocol.
func both(t *testing.T, test func(t *testing.T, protocol string)) {
	t.Helper()
	for _, protocol := range []string{"grpc", "http"} {
		t.Run(protocol, func(t *testing.T) { test(t, protocol) })
	}
}

// some waits until the events are well under way.
func (s *scene) some() {
	s.t.Helper()
	before := s.count("done")
	s.eventually("events are under way", patience, func() bool { return s.count("done") >= before+s.events/10 })
}

func TestTenThousandEventsWakeAFunctionAtZero(t *testing.T) {
	both(t, func(t *testing.T, protocol string) {
		function := free(t)
		s := newScene(t, protocol, function)
		s.startAgent()
		s.startDaprd(10000, "--concurrency", "1000", "--size", "512")
		s.eventually("events wait in the agent", patience, func() bool { return s.pending() > 100 })
		if n := s.count("done"); n > 0 {
			t.Fatalf("%d events were acknowledged without a function", n)
		}
		s.startFunction(function, token)
		s.goesOn()
		s.settles()
		s.eventually("nothing is pending", back, func() bool { return s.pending() == 0 })
	})
}

// pending asks the agent as its peers do.
func (s *scene) pending() int {
	response, err := http.Get("http://" + s.status + "/pending")
	if err != nil {
		return -1
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return -1
	}
	_, after, _ := strings.Cut(string(text), `"pending":`)
	n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(after), "}")))
	if err != nil {
		s.t.Fatalf("/pending said %q", text)
	}
	return n
}

func TestDaprdIsKilledAndRestarted(t *testing.T) {
	both(t, func(t *testing.T, protocol string) {
		function := free(t)
		s := newScene(t, protocol, function)
		s.startFunction(function, token, "--delay", "10ms")
		s.startAgent()
		daprd := s.startDaprd(3000)
		s.some()
		daprd.kill()
		s.startDaprd(3000)
		s.goesOn()
		s.settles()
	})
}

func TestFunctionIsKilledAndRestarted(t *testing.T) {
	both(t, func(t *testing.T, protocol string) {
		address := free(t)
		s := newScene(t, protocol, address)
		function := s.startFunction(address, token, "--delay", "10ms")
		s.startAgent()
		s.startDaprd(4000)
		for range 2 {
			s.some()
			function.kill()
			function = s.startFunction(address, token, "--delay", "10ms")
			s.goesOn()
		}
		s.settles()
	})
}

func TestOneOfTwoReplicasFreezes(t *testing.T) {
	both(t, func(t *testing.T, protocol string) {
		one, two := free(t), free(t)
		s := newScene(t, protocol, one, two)
		s.startFunction(one, token, "--delay", "100ms")
		frozen := s.startFunction(two, token, "--delay", "100ms")
		s.startAgent()
		// More events are under way at once than the frozen replica can hold, so that they go on without it.
		s.startDaprd(6000, "--concurrency", "150")
		s.some()
		frozen.signal(syscall.SIGSTOP)
		s.goesOn()
		s.eventually("the frozen replica gets no more events", back, func() bool {
			return strings.Contains(s.agent.output(), "silent=true")
		})
		s.goesOn()
		frozen.signal(syscall.SIGCONT)
		s.settles()
	})
}

func TestConnectionIsHalfOpen(t *testing.T) {
	function := free(t)
	proxy := newProxy(t, function)
	s := newScene(t, "grpc", proxy.address())
	s.startFunction(function, token, "--delay", "10ms")
	s.startAgent()
	s.startDaprd(3000)
	s.some()
	proxy.freeze()
	s.eventually("events stop", patience, func() bool {
		before := s.count("done")
		time.Sleep(100 * time.Millisecond) // longer than an event takes
		return before == s.count("done")
	})
	s.goesOn()
	s.settles()
}

// proxy forwards connections, until those there are stop to, without being closed.
type proxy struct {
	listener net.Listener
	mu       sync.Mutex
	frozen   chan struct{}
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
	})
	p := &proxy{listener: l, frozen: make(chan struct{})}
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", target)
			if err != nil {
				_ = from.Close()
				continue
			}
			p.mu.Lock()
			frozen := p.frozen
			p.mu.Unlock()
			go forward(ctx, from, to, frozen)
			go forward(ctx, to, from, frozen)
		}
	}()
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.frozen)
	p.frozen = make(chan struct{})
}

func forward(ctx context.Context, from, to net.Conn, frozen <-chan struct{}) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		select {
		case <-frozen: // what was read is gone, and nobody is told
			<-ctx.Done()
			return
		default:
		}
		if _, wrong := to.Write(buffer[:n]); wrong != nil || err != nil {
			return
		}
	}
}

func TestBodiesOverTheLimitAreRefused(t *testing.T) {
	both(t, func(t *testing.T, protocol string) {
		function := free(t)
		s := newScene(t, protocol, function)
		s.startFunction(function, token)
		s.startAgent()
		large := s.startDaprd(20, "--size", strconv.Itoa(5<<20), "--concurrency", "10")
		s.eventually("daprd is told why", patience, func() bool {
			return strings.Contains(large.output(), "larger than")
		})
		large.kill()
		if n := s.count("done"); n > 0 {
			t.Errorf("%d events over the limit were acknowledged", n)
		}
		s.startDaprd(40, "--size", strconv.Itoa(4<<20-100), "--concurrency", "40")
		s.settles()
	})
}

func TestWrongTokenIsRefused(t *testing.T) {
	both(t, func(t *testing.T, protocol string) {
		function := free(t)
		s := newScene(t, protocol, function)
		s.startFunction(function, token)
		s.startAgent()
		for _, wrong := range []string{"another-token", "", token + "x", token[1:]} {
			app, err := standin.Dial(protocol, s.app, wrong)
			if err != nil {
				t.Fatal(err)
			}
			if err := app.Deliver(context.Background(), 0, []byte("event ")); err == nil {
				t.Errorf("a token of %d characters that is not the token was accepted", len(wrong))
			}
		}
		if n := s.count("worked"); n > 0 {
			t.Errorf("%d events with a wrong token reached the function", n)
		}
		if out := s.agent.output(); strings.Contains(out, token) || strings.Contains(out, "another-token") {
			t.Error("the agent logged a token")
		}
	})
}

func TestAgentWithoutTokenDoesNotStart(t *testing.T) {
	for name, prepare := range map[string]func(dir string){
		"NoFile":    func(string) {},
		"EmptyFile": func(dir string) { write(t, filepath.Join(dir, "token"), "\n") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			prepare(dir)
			p := run(t, "agent", "--function-address", "127.0.0.1:1", "--token-dir", dir, "--app-port", "0", "--scaler-port", "0", "--status-port", "0")
			<-p.done
			if p.cmd.ProcessState.Success() || !strings.Contains(p.output(), "app token") {
				t.Errorf("ended with %s, and said %q", p.cmd.ProcessState, p.output())
			}
		})
	}
}

func TestTokenIsRotatedUnderLoad(t *testing.T) {
	both(t, func(t *testing.T, protocol string) {
		one, two := free(t), free(t)
		s := newScene(t, protocol, one, two)
		first, second := s.startFunction(one, token, "--delay", "5ms"), s.startFunction(two, token, "--delay", "5ms")
		s.startAgent()
		daprd := s.startDaprd(6000, "--concurrency", "32")
		s.some()
		s.rotate("the-next-token", token)
		s.eventually("the agent takes the token", back, func() bool { return strings.Contains(s.agent.output(), "Took the new app token") })
		s.goesOn() // with functions that know the old one only
		first.kill()
		s.startFunction(one, "the-next-token", "--delay", "5ms")
		s.goesOn() // with one of either
		second.kill()
		s.startFunction(two, "the-next-token", "--delay", "5ms")
		s.settles()
		if strings.Contains(daprd.output(), "token") {
			t.Errorf("daprd saw the rotation: %s", daprd.output())
		}
	})
}

func TestAgentIsStoppedUnderLoad(t *testing.T) {
	both(t, func(t *testing.T, protocol string) {
		function := free(t)
		s := newScene(t, protocol, function)
		s.startFunction(function, token, "--delay", "20ms")
		s.startAgent()
		s.startDaprd(4000)
		for range 2 {
			s.some()
			start := time.Now()
			s.agent.signal(syscall.SIGTERM)
			s.eventually("the agent ends, and events take 20 ms", back, s.agent.ended)
			if !s.agent.cmd.ProcessState.Success() {
				t.Fatalf("the agent ended with %s", s.agent.cmd.ProcessState)
			}
			t.Logf("drained in %s", time.Since(start).Round(time.Millisecond))
			s.startAgent()
			s.goesOn()
		}
		s.settles()
	})
}

func TestAgentIsKilledUnderLoad(t *testing.T) {
	both(t, func(t *testing.T, protocol string) {
		function := free(t)
		s := newScene(t, protocol, function)
		s.startFunction(function, token, "--delay", "10ms")
		s.startAgent()
		s.startDaprd(3000)
		s.some()
		s.agent.kill()
		s.startAgent()
		s.goesOn()
		s.settles()
	})
}
