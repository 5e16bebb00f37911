// SPDX-License-Identifier: Apache-2.0

package router

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/openfunction/openfunction/pkg/core/route"
)

// function is where the requests of one function go. A change of the route makes a new one.
type function struct {
	*usage
	backends []route.Backend // those with a weight
	total    int64           // of the weights

	mu     sync.Mutex
	credit []int64 // of each backend: what it was promised and has not been given
}

// usage is what is known of the requests of a function; it outlives a change of the route.
type usage struct {
	inFlight atomic.Int64
	removed  atomic.Bool // its counters too
}

func newFunction(r route.Route, u *usage) *function {
	f := &function{usage: u}
	for _, b := range r.Backends {
		if b.Weight > 0 {
			f.backends = append(f.backends, b)
			f.total += int64(b.Weight)
		}
	}
	f.credit = make([]int64, len(f.backends))
	return f
}

// takesRequests tells whether there is a backend to send them to.
func (f *function) takesRequests() bool { return f != nil && len(f.backends) > 0 }

// pick returns the backend of the next request. Of as many requests in a row as the weights amount to each backend gets as many as its
// weight, and they alternate as evenly as they can: each request earns every backend its weight, and costs the richest the total.
func (f *function) pick() *route.Backend {
	if len(f.backends) == 1 {
		return &f.backends[0]
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	richest := 0
	for i := range f.credit {
		f.credit[i] += int64(f.backends[i].Weight)
		if f.credit[i] > f.credit[richest] {
			richest = i
		}
	}
	f.credit[richest] -= f.total
	return &f.backends[richest]
}

// sameAs tells whether requests go to the same places in the same shares.
func (f *function) sameAs(r route.Route) bool {
	return f != nil && slices.Equal(f.backends, newFunction(r, nil).backends)
}
