// SPDX-License-Identifier: Apache-2.0

package agent

import "sync/atomic"

// What a pending call costs besides its body: its goroutines, its buffers and its share of the connections. An HTTP/1.1 call has
// connections of its own.
const (
	costOfStream = 10 << 10
	costOfCall   = 32 << 10
)

// budget bounds the memory of what is pending. It is what the scaler looks at.
type budget struct {
	limit    int64
	bytes    atomic.Int64
	calls    atomic.Int64
	draining atomic.Bool
	// started and woken have a token when something became pending after nothing was: for the replicas, and for the scaler.
	started, woken chan struct{}
	// ended has a token when nothing is pending any more.
	ended chan struct{}
}

func newBudget(limit int64) *budget {
	return &budget{limit: limit, started: make(chan struct{}, 1), woken: make(chan struct{}, 1), ended: make(chan struct{}, 1)}
}

// take makes room for some events, or says why there is none.
func (b *budget) take(size, events int64) (result, bool) {
	if b.draining.Load() {
		return resultDraining, false
	}
	if b.bytes.Add(size) > b.limit {
		b.bytes.Add(-size)
		return resultFull, false
	}
	if b.calls.Add(events) == events {
		signal(b.started)
		signal(b.woken)
	}
	return resultSuccess, true
}

func (b *budget) give(size, events int64) {
	b.bytes.Add(-size)
	if b.calls.Add(-events) == 0 {
		signal(b.ended)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// gate lets a few in at a time: what reads a body whose size nobody has promised yet.
type gate chan struct{}

func (g gate) enter() { g <- struct{}{} }
func (g gate) leave() { <-g }
