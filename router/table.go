// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"sync"
	"time"

	"github.com/openfunction/openfunction/pkg/core/route"
)

// table has the functions that are known, and lets requests wait for those that are not.
type table struct {
	metrics *metrics
	limit   int // of requests that wait

	mu        sync.RWMutex
	functions map[key]*function
	waiters   map[key]*waiter
	waiting   int
}

// waiter is what the requests for one function wait for.
type waiter struct {
	come  chan struct{} // closed when the function takes requests
	count int
}

func newTable(m *metrics, limit int) *table {
	return &table{metrics: m, limit: limit, functions: map[key]*function{}, waiters: map[key]*waiter{}}
}

// set takes over the route of a function, and tells whether that changed anything.
func (t *table) set(k key, r route.Route) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := &usage{}
	if old, known := t.functions[k]; known {
		if old.sameAs(r) {
			return false
		}
		u = old.usage
	}
	f := newFunction(r, u)
	t.functions[k] = f
	if w := t.waiters[k]; w != nil && f.takesRequests() {
		delete(t.waiters, k)
		close(w.come)
	}
	return true
}

// remove forgets a function.
func (t *table) remove(k key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f, known := t.functions[k]; known {
		f.removed.Store(true)
		delete(t.functions, k)
		t.metrics.forget(k)
	}
}

// sizes returns how many functions are known, and how many requests wait.
func (t *table) sizes() (known, waiting int64) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return int64(len(t.functions)), int64(t.waiting)
}

// get returns a function, or nil.
func (t *table) get(k key) *function {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.functions[k]
}

// await returns a function once it takes requests. After patience, or at once when too many wait already, it returns what it knows: a
// function that takes none, or nil.
func (t *table) await(ctx context.Context, k key, patience time.Duration) *function {
	if f := t.get(k); f.takesRequests() {
		return f
	}
	w := t.join(k)
	if w == nil {
		return t.get(k)
	}
	defer t.leave(k, w)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-w.come:
	case <-timer.C:
	case <-ctx.Done():
	}
	return t.get(k)
}

// join returns what to wait for; nil when there is nothing to wait for, or too many wait.
func (t *table) join(k key) *waiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.functions[k].takesRequests() || t.waiting >= t.limit {
		return nil
	}
	w := t.waiters[k]
	if w == nil {
		w = &waiter{come: make(chan struct{})}
		t.waiters[k] = w
	}
	w.count++
	t.waiting++
	return w
}

func (t *table) leave(k key, w *waiter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting--
	if w.count--; w.count == 0 && t.waiters[k] == w {
		delete(t.waiters, k)
	}
}
