// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
)

// zone is a DNS of one name.
type zone struct {
	mu    sync.Mutex
	hosts []string
	err   error
	asked int
}

func (z *zone) set(err error, hosts ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.hosts, z.err = hosts, err
}

func (z *zone) lookup(context.Context, string) ([]string, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked++
	return z.hosts, z.err
}

func (z *zone) count() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.asked
}

// way is a transport whose life the test decides.
type way struct {
	mu     sync.Mutex
	err    error
	closed bool
}

func (w *way) probe(context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *way) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
}

func (w *way) die(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

func (w *way) isClosed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

func follow(t *testing.T, z *zone) (*replicas, *budget) {
	t.Helper()
	pending := newBudget(1 << 20)
	s := &replicas{targets: []hostPort{{"fn", "80"}}, lookup: z.lookup, dial: func(string) transport { return &way{} }, limit: 2,
		log: testr.New(t), metrics: newMetrics(pending), expired: make(chan struct{}), kick: make(chan struct{}, 1)}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		s.run(ctx, pending)
		close(done)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return s, pending
}

func (s *replicas) addresses() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.all {
		out = append(out, r.address)
	}
	return out
}

func until(t *testing.T, what string, is func() bool) { (&world{t: t}).eventually(what, is) }

func soon() time.Time { return time.Now().Add(patience) }

func TestReplicasFollowDNS(t *testing.T) {
	z := &zone{hosts: []string{"10.0.0.1"}}
	s, pending := follow(t, z)
	until(t, "the first lookup", func() bool { return z.count() > 0 })
	pending.take(1, 1)
	until(t, "the first replica", func() bool { return slices.Equal(s.addresses(), []string{"10.0.0.1:80"}) })
	r, err := s.acquire(t.Context(), soon())
	if err != nil {
		t.Fatal(err)
	}
	z.set(nil, "10.0.0.2", "10.0.0.3", "10.0.0.2")
	until(t, "two others", func() bool { return slices.Equal(s.addresses(), []string{"10.0.0.2:80", "10.0.0.3:80"}) })
	if r.to.(*way).isClosed() {
		t.Error("the connection was closed with a call under way")
	}
	s.release(r, answered)
	until(t, "the connection of the replica that went away is closed", r.to.(*way).isClosed)
	z.set(errors.New("no answer"))
	before := z.count()
	until(t, "another lookup", func() bool { return z.count() > before+1 })
	if len(s.addresses()) != 2 {
		t.Error("a DNS that does not answer is no function at zero")
	}
	z.set(&net.DNSError{IsNotFound: true})
	until(t, "a name that does not exist is a function at zero", func() bool { return len(s.addresses()) == 0 })
	pending.give(1, 1)
}

func TestNobodyAsksWhileNothingIsPending(t *testing.T) {
	z := &zone{hosts: []string{"10.0.0.1"}}
	_, pending := follow(t, z)
	until(t, "the first lookup", func() bool { return z.count() == 1 })
	time.Sleep(2 * resolveWaiting) // it would ask by now
	if n := z.count(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	pending.take(1, 1)
	until(t, "it asks when there is something to send", func() bool { return z.count() > 1 })
	pending.give(1, 1)
}

func TestTheReplicaWithTheFewestCallsIsNext(t *testing.T) {
	z := &zone{hosts: []string{"10.0.0.1", "10.0.0.2"}}
	s, _ := follow(t, z)
	until(t, "the replicas", func() bool { return len(s.addresses()) == 2 })
	var held []*replica
	for range 4 {
		r, err := s.acquire(t.Context(), soon())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, r)
	}
	if held[0] == held[1] || held[2] == held[3] {
		t.Error("calls are not spread")
	}
	if _, err := s.acquire(t.Context(), time.Now()); !errors.Is(err, errHeld) {
		t.Errorf("more calls than replicas may have: %v", err)
	}
	next := make(chan *replica)
	for range 2 {
		go func() {
			r, err := s.acquire(context.WithoutCancel(t.Context()), soon())
			if err != nil {
				t.Error(err)
			}
			next <- r
		}()
	}
	until(t, "two wait", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.waiting.Len() == 2
	})
	s.release(held[0], answered)
	s.release(held[0], answered)
	if a, b := <-next, <-next; a != held[0] || b != held[0] {
		t.Error("those that waited did not get what came free")
	}
}

func TestAReplicaThatFailsIsLeftAloneForAWhile(t *testing.T) {
	z := &zone{hosts: []string{"10.0.0.1", "10.0.0.2"}}
	s, _ := follow(t, z)
	until(t, "the replicas", func() bool { return len(s.addresses()) == 2 })
	bad, err := s.acquire(t.Context(), soon())
	if err != nil {
		t.Fatal(err)
	}
	failed := time.Now()
	s.release(bad, notSent)
	for range 3 {
		r, err := s.acquire(t.Context(), soon())
		if err != nil {
			t.Fatal(err)
		}
		if r == bad && time.Since(failed) < firstBackoff {
			t.Fatal("it got a call at once")
		}
		s.release(r, answered)
	}
	z.set(nil, bad.address[:len(bad.address)-3]) // the other one goes away
	until(t, "it gets a call again", func() bool {
		r, err := s.acquire(t.Context(), soon())
		if err != nil {
			t.Fatal(err)
		}
		s.release(r, answered)
		return r == bad
	})
}

func TestASilentReplicaGetsNoCalls(t *testing.T) {
	z := &zone{hosts: []string{"10.0.0.1"}}
	s, pending := follow(t, z)
	pending.take(1, 1)
	until(t, "the replica", func() bool { return len(s.addresses()) == 1 })
	r, err := s.acquire(t.Context(), soon())
	if err != nil {
		t.Fatal(err)
	}
	r.to.(*way).die(errors.New("no sign of life"))
	start := time.Now()
	until(t, "it is found silent", func() bool {
		other, err := s.acquire(t.Context(), time.Now())
		if err == nil {
			s.release(other, sentNothing)
		}
		return errors.Is(err, errHeld)
	})
	t.Logf("found after %s", time.Since(start))
	r.to.(*way).die(nil)
	if _, err := s.acquire(t.Context(), soon()); err != nil {
		t.Errorf("it lives again: %v", err)
	}
	pending.give(1, 1)
}
