// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"container/list"
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
)

// How fast the agent notices what became of the function. Together they find a connection that is only half there within 5 s:
// a probe starts at most probeEvery after an answer was due, and takes twice probeTimeout at most.
const (
	resolveEvery   = time.Second
	resolveWaiting = 200 * time.Millisecond // while events wait and no replica is known
	lookupTimeout  = 2 * time.Second
	probeEvery     = time.Second
	probeTimeout   = time.Second
	firstBackoff   = 50 * time.Millisecond
	lastBackoff    = time.Second
)

var (
	errHeld     = errors.New("no replica of the function took the event in time")
	errDraining = errors.New("the agent is about to stop")
)

// transport is the way to one replica.
type transport interface {
	// probe asks for a sign of life over the connection that calls use. It may put a living connection in the place of a dead one,
	// whose calls then fail.
	probe(ctx context.Context) error
	close()
}

// replica is one address of the function.
type replica struct {
	address  string
	to       transport
	heard    atomic.Int64 // when it last answered, in Unix nanoseconds
	previous atomic.Bool  // it knows the preceding token only
	stop     context.CancelFunc

	// Guarded by replicas.mu.
	pending  int
	failures int
	retryAt  time.Time // with failures: when one call may try again
	silent   bool
	gone     bool
}

// replicas are the function as DNS knows it, and the queue of the calls that wait for one.
type replicas struct {
	targets []hostPort
	lookup  func(ctx context.Context, host string) ([]string, error)
	dial    func(address string) transport
	limit   int // calls of one replica at once
	log     logr.Logger
	metrics *metrics
	expired chan struct{} // closed when waiting is over for all
	kick    chan struct{} // has a token when a call has to wait

	mu      sync.Mutex
	all     []*replica
	next    int
	waiting list.List // of chan *replica, each with room for one
	working sync.WaitGroup
}

// acquire returns the replica with the fewest calls, and waits for one until the deadline.
func (s *replicas) acquire(ctx context.Context, deadline time.Time) (*replica, error) {
	s.mu.Lock()
	if s.waiting.Len() == 0 {
		if r := s.best(); r != nil {
			s.give(r)
			s.mu.Unlock()
			return r, nil
		}
	}
	ready := make(chan *replica, 1)
	place := s.waiting.PushBack(ready)
	s.mu.Unlock()
	signal(s.kick)

	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	var err error
	select {
	case r := <-ready:
		return r, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = errHeld
	case <-s.expired:
		err = errDraining
	}
	s.mu.Lock()
	s.waiting.Remove(place)
	s.mu.Unlock()
	select {
	case r := <-ready: // given at the same moment
		s.release(r, sentNothing)
	default:
	}
	return nil, err
}

// release gives the replica back, with what it did with the call.
func (s *replicas) release(r *replica, o outcome) {
	s.mu.Lock()
	r.pending--
	switch o {
	case answered, tokenRefused:
		r.failures, r.silent = 0, false
	case notSent, broken:
		backoff := min(firstBackoff<<min(r.failures, 10), lastBackoff)
		r.retryAt = time.Now().Add(backoff)
		time.AfterFunc(backoff, func() {
			s.mu.Lock()
			s.dispatch()
			s.mu.Unlock()
		})
		if r.pending == 0 { // all calls of a connection fail together, and that is one failure
			r.failures++
		}
		r.failures = max(r.failures, 1)
	case sentNothing, tooSlow:
	}
	if r.gone && r.pending == 0 {
		s.end(r)
	}
	s.dispatch()
	s.mu.Unlock()
}

// best is the replica to send to now, or nil. Callers hold mu.
func (s *replicas) best() *replica {
	var chosen *replica
	now := time.Time{}
	for i := range s.all {
		r := s.all[(s.next+i)%len(s.all)]
		if r.silent || r.pending >= s.limit || (chosen != nil && r.pending >= chosen.pending) {
			continue
		}
		if r.failures > 0 {
			if now.IsZero() {
				now = time.Now()
			}
			if r.retryAt.After(now) {
				continue
			}
		}
		chosen = r
	}
	s.next++
	return chosen
}

// dispatch gives replicas to those that wait longest. Callers hold mu.
func (s *replicas) dispatch() {
	for s.waiting.Len() > 0 {
		r := s.best()
		if r == nil {
			return
		}
		s.give(r)
		s.waiting.Remove(s.waiting.Front()).(chan *replica) <- r
	}
}

// give counts a call as the replica's. After a failure there is one such call a second, until one was answered. Callers hold mu.
func (s *replicas) give(r *replica) {
	r.pending++
	if r.failures > 0 {
		r.retryAt = time.Now().Add(lastBackoff)
	}
}

// end closes a replica that nobody uses. Callers hold mu.
func (s *replicas) end(r *replica) {
	r.stop()
	s.working.Go(r.to.close)
}

// set makes addresses the replicas. What a replica that went away still works on may end.
func (s *replicas) set(ctx context.Context, addresses []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.all[:0:0]
	for _, r := range s.all {
		if slices.Contains(addresses, r.address) {
			kept = append(kept, r)
			continue
		}
		s.log.V(1).Info("A replica went away", "address", r.address)
		if r.gone = true; r.pending == 0 {
			s.end(r)
		}
	}
	for _, address := range addresses {
		if slices.ContainsFunc(kept, func(r *replica) bool { return r.address == address }) {
			continue
		}
		s.log.V(1).Info("A replica came", "address", address)
		watching, stop := context.WithCancel(ctx)
		r := &replica{address: address, to: s.dial(address), stop: stop}
		kept = append(kept, r)
		s.working.Go(func() { s.watch(watching, r) })
	}
	s.all = kept
	s.metrics.replicas.Set(float64(len(kept)))
	s.dispatch()
}

// run keeps the replicas as DNS has them while something is pending, until ctx ends.
func (s *replicas) run(ctx context.Context, pending *budget) {
	failing := false
	for {
		addresses, err := s.resolve(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			s.log.Error(err, "Kept the replicas, the function's name cannot be looked up")
		}
		if failing = err != nil; !failing {
			s.set(ctx, addresses)
		}
		if !s.pause(ctx, pending) {
			break
		}
	}
	s.mu.Lock()
	for _, r := range s.all {
		s.end(r)
	}
	s.all = nil
	s.mu.Unlock()
	s.working.Wait()
}

// pause waits until the function's name is to be looked up again: not before there is something to send, and seldom while all goes well.
// It is false when ctx ended.
func (s *replicas) pause(ctx context.Context, pending *budget) bool {
	if !wait(ctx, resolveWaiting, nil) {
		return false
	}
	if pending.calls.Load() == 0 {
		select {
		case <-ctx.Done():
			return false
		case <-pending.started:
			return true
		}
	}
	s.mu.Lock()
	s.dispatch()
	urgent := len(s.all) == 0 || s.waiting.Len() > 0
	s.mu.Unlock()
	return urgent || wait(ctx, resolveEvery-resolveWaiting, s.kick)
}

// wait returns after some time, or when it is kicked. It is false when ctx ended.
func wait(ctx context.Context, long time.Duration, kick <-chan struct{}) bool {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-kick:
	case <-timer.C:
	}
	return true
}

// lookupHost asks for the addresses of one family, so that no replica is there twice.
func lookupHost(ctx context.Context, host string) ([]string, error) {
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
	if missing := (*net.DNSError)(nil); errors.As(err, &missing) && missing.IsNotFound {
		found, err = net.DefaultResolver.LookupNetIP(ctx, "ip6", host)
	}
	out := make([]string, 0, len(found))
	for _, ip := range found {
		out = append(out, ip.Unmap().String())
	}
	return out, err
}

// resolve returns every address of the function. A name that does not exist is a function at zero.
func (s *replicas) resolve(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	var out []string
	for _, t := range s.targets {
		if net.ParseIP(t.host) != nil {
			out = append(out, net.JoinHostPort(t.host, t.port))
			continue
		}
		hosts, err := s.lookup(ctx, t.host)
		if missing := (*net.DNSError)(nil); errors.As(err, &missing) && missing.IsNotFound {
			continue
		} else if err != nil {
			return nil, err
		}
		for _, h := range hosts {
			out = append(out, net.JoinHostPort(h, t.port))
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// watch looks after a replica that has work and says nothing: it gets no more work until it shows that it lives.
func (s *replicas) watch(ctx context.Context, r *replica) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.mu.Lock()
		quiet := r.pending > 0 && time.Since(time.Unix(0, r.heard.Load())) >= probeEvery
		ask := quiet || r.silent
		s.mu.Unlock()
		if !ask {
			continue
		}
		err := r.to.probe(ctx)
		if ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		if err == nil {
			r.failures = 0
		}
		if silent := err != nil; silent != r.silent {
			r.silent = silent
			s.log.Info("A replica changed", "address", r.address, "silent", silent)
			s.dispatch()
		}
		s.mu.Unlock()
	}
}
