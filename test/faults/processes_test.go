// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// harm is a fault of the control plane itself, which every world on it meets.
type harm struct {
	what string
	seed uint64
}

func (h harm) String() string { return fmt.Sprintf("%s seed %d", h.what, h.seed) }

func parseHarm(text string) (fault, error) {
	var h harm
	_, err := fmt.Sscanf(text, "%s seed %d", &h.what, &h.seed)
	if err == nil && h.what != "killed" && h.what != "frozen" {
		err = fmt.Errorf("%q is neither killed nor frozen", h.what)
	}
	return h, err
}

func everyKilled(o *outcome) []fault { return seeded(o, "killed", 3) }

func everyFrozen(o *outcome) []fault { return seeded(o, "frozen", 2) }

func seeded(o *outcome, what string, seeds uint64) []fault {
	var faults []fault
	if o.scenario.hands {
		return nil
	}
	for seed := range seeds {
		faults = append(faults, harm{what, seed + 1})
	}
	return faults
}

// disturb harms the control plane some time into the last step. Worlds that ask for it at about the same time share it.
func (h harm) disturb() disturbance {
	draw := rand.New(rand.NewPCG(h.seed, 0))
	after := time.Duration(draw.IntN(2500)) * time.Millisecond
	long := time.Duration(2000+draw.IntN(4000)) * time.Millisecond
	return disturbance{blind: true, patient: true, lossy: true, beside: func(r *run) error {
		if err := pass(r, after); err != nil {
			return err
		}
		return r.harms.share(h.what, func() error {
			if h.what == "frozen" {
				return r.FreezeEtcd(r, long)
			}
			return r.KillAPIServer(r)
		})
	}}
}

// harms are what is being done to a control plane.
type harms struct {
	mu      sync.Mutex
	waiting map[string]*sharedHarm
	active  atomic.Int32
	// one is held by what is being done.
	one sync.Mutex
}

type sharedHarm struct {
	done chan struct{}
	err  error
}

// gathering is how long the first waits for others to share what is done.
const gathering = 2 * time.Second

// share does something for all who ask for it before it begins.
func (h *harms) share(what string, do func() error) error {
	h.mu.Lock()
	s := h.waiting[what]
	if s != nil {
		h.mu.Unlock()
		<-s.done
		return s.err
	}
	if h.waiting == nil {
		h.waiting = map[string]*sharedHarm{}
	}
	s = &sharedHarm{done: make(chan struct{})}
	h.waiting[what] = s
	h.mu.Unlock()
	time.Sleep(gathering)
	h.mu.Lock()
	delete(h.waiting, what)
	h.mu.Unlock()
	h.active.Add(1)
	h.one.Lock() // an API server that starts beside a frozen etcd gives up
	s.err = do()
	h.one.Unlock()
	h.active.Add(-1)
	close(s.done)
	return s.err
}

// insist does what a user does whose command fails because nobody answers: the same again.
func (r *run) insist(do func() error) error {
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if err = do(); err == nil {
			return nil
		}
		if waited := pass(r, 200*time.Millisecond); waited != nil {
			return errors.Join(err, waited)
		}
	}
	return err
}
