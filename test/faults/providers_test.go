// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/openfunction/openfunction/test/kit"
)

// namedCRDs are those of an engine, by its name in a plan.
type namedCRDs struct {
	name string
	crds kit.CRDs
}

var providers = []namedCRDs{
	{"tekton", kit.Tekton}, {"knative", kit.Knative}, {"keda", kit.KEDA}, {"keda-http", kit.KEDAHTTP}, {"dapr", kit.Dapr}, {"gateway-api", kit.GatewayAPI},
}

// without is the fault that providers are not installed: from the start until the world has settled without them, or for a while after it
// has reached its end.
type without struct {
	later bool
	names []string
	group *group
}

func (w without) String() string {
	when := "at-first"
	if w.later {
		when = "later"
	}
	return when + " " + strings.Join(w.names, "+")
}

func parseWithout(text string) (fault, error) {
	when, names, _ := strings.Cut(text, " ")
	w := without{later: when == "later", names: strings.Split(names, "+")}
	for _, name := range w.names {
		if !slices.ContainsFunc(providers, func(p namedCRDs) bool { return p.name == name }) {
			return nil, fmt.Errorf("there is no provider %q", name)
		}
	}
	return w, nil
}

// everyWithout is every set of providers that are missing at first, and each that goes and comes again, for a scenario of one manifest.
func everyWithout(o *outcome) []fault {
	if o.scenario.scratch != nil || len(o.scenario.steps) != 1 || o.scenario.steps[0].manifest == "" || o.scenario.needsEngine() {
		return nil
	}
	var faults []fault
	for set := 1; set < 1<<len(providers); set++ {
		var names []string
		for i, p := range providers {
			if set&(1<<i) != 0 {
				names = append(names, p.name)
			}
		}
		faults = append(faults, without{names: names})
	}
	for _, p := range providers {
		faults = append(faults, without{later: true, names: []string{p.name}})
	}
	return faults
}

// needsEngine tells that the user makes an object of a provider's kind, which cannot be made without, and is lost with it.
func (s scenario) needsEngine() bool {
	for line := range strings.Lines(s.steps[0].manifest) {
		if api, is := strings.CutPrefix(strings.TrimSpace(line), "apiVersion: "); is && strings.Contains(api, "/") && !strings.Contains(api, "openfunction.io/") {
			return true
		}
	}
	return false
}

func (w without) disturb() disturbance {
	g := w.group
	if g == nil {
		g = newGroup(1)
	}
	d := disturbance{recounts: true, blind: true, patient: true, ownDiscovery: true}
	uninstall := func(r *run) error {
		return g.together(r, func() error { return r.Uninstall(r, w.sets()...) })
	}
	install := func(r *run) error {
		return g.together(r, func() error { return r.Install(r, w.sets()...) })
	}
	d.leave = g.leave
	if w.later {
		d.after = func(r *run) error {
			if err := uninstall(r); err != nil {
				return err
			}
			if err := r.reach("a world that keeps the laws without them", func() error {
				return errors.Join(r.world.Unsettled(), r.world.CheckEnd())
			}); err != nil {
				return err
			}
			return install(r)
		}
		if slices.Contains(w.names, "tekton") {
			d.gone = "TaskRun." // a build that has ended is not begun again
		}
		return d
	}
	d.before = uninstall
	d.extra = &step{do: install}
	return d
}

func (w without) sets() []kit.CRDs {
	var sets []kit.CRDs
	for _, p := range providers {
		if slices.Contains(w.names, p.name) {
			sets = append(sets, p.crds)
		}
	}
	return sets
}

// group are runs that share what is done to their control plane.
type group struct {
	mu      sync.Mutex
	members int
	here    int
	do      func() error
	next    chan struct{}
	err     error
}

func newGroup(members int) *group { return &group{members: members, next: make(chan struct{})} }

// together waits for the others, and does something once for all.
func (g *group) together(ctx context.Context, do func() error) error {
	g.mu.Lock()
	g.here, g.do = g.here+1, do
	next := g.next
	g.step()
	g.mu.Unlock()
	select {
	case <-next:
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leave ends the membership of a run, so that nobody waits for it.
func (g *group) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members--
	g.step()
}

// step does what is to be done once everybody is here. The caller holds the lock.
func (g *group) step() {
	if g.here == 0 || g.here < g.members {
		return
	}
	g.err = errors.Join(g.err, g.do())
	g.here = 0
	close(g.next)
	g.next = make(chan struct{})
}

// inGroups makes one group of all plans that miss the same providers at the same time.
func inGroups(plans []plan) [][]plan {
	sets := map[string][]plan{}
	for _, p := range plans {
		sets[p.fault.String()] = append(sets[p.fault.String()], p)
	}
	var groups [][]plan
	for _, set := range slices.Sorted(maps.Keys(sets)) {
		members := sets[set]
		for part := range slices.Chunk(members, concurrently()) {
			g := newGroup(len(part))
			for i := range part {
				w := part[i].fault.(without)
				w.group = g
				part[i].fault = w
			}
			groups = append(groups, part)
		}
	}
	return groups
}
