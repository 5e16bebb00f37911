// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	controllers "github.com/openfunction/openfunction/controllers/core"
	gateways "github.com/openfunction/openfunction/controllers/networking"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/networking"
	"github.com/openfunction/openfunction/pkg/provider"
	"github.com/openfunction/openfunction/test/kit"
)

// plane is a control plane that worlds are run on.
type plane struct {
	*kit.ControlPlane
	// operator is who the controllers run as: what config/rbac allows is all they can do.
	operator *rest.Config
	// end ends the players of the engines.
	end context.CancelFunc
	// harms are what is being done to it.
	harms harms
}

// run is one way through a world.
type run struct {
	context.Context //nolint:containedctx // a run is a call that has many methods
	*plane
	world *kit.World
	// neighbour is another namespace that the managers look at; nil when there is none.
	neighbour *kit.World
	time      *kit.Time
	recorder  *kit.Recorder
	managers  []*kit.Running
	cached    *cached
	// last is how many calls and writes there were before the last step.
	last struct{ calls, writes int }
	// patient tells that the scenario is about what takes its time.
	patient bool
	// path is how each step before the last ended, where it came to rest.
	path string
	// calm tells that nothing disturbs this run: what is late is late by itself.
	calm bool
	// busy is how many disturbances go on beside the step.
	busy atomic.Int32
}

// outcome is how a run ended.
type outcome struct {
	*run
	scenario scenario
	end      kit.Snapshot
	err      error
	// idle tells that the fault did not happen in this run.
	idle    bool
	seconds float64
}

// through lets a new world go through a scenario with a disturbance, and compares it with how it went without; nil means this is how.
func through(ctx context.Context, on *plane, s scenario, d disturbance, want *outcome) *outcome {
	began := time.Now()
	o := &outcome{run: &run{Context: ctx, plane: on, time: kit.NewTime(), recorder: kit.NewRecorder(d.crash),
		cached: &cached{objects: map[runtime.Object]runtime.Object{}}}, scenario: s}
	o.err = o.run.through(s, d, want)
	if o.world != nil {
		o.end = o.world.Snapshot()
	}
	o.idle = d.crash != nil && !o.recorder.Fired() || d.interference != nil && !d.interference.happened()
	o.seconds = time.Since(began).Seconds()
	return o
}

func (r *run) through(s scenario, d disturbance, want *outcome) (err error) {
	r.calm, r.patient = d.calm, s.patient
	if d.leave != nil {
		defer d.leave()
	}
	if err := r.attempt(d, func() error { r.world, err = r.NewWorld(r); return err }); err != nil {
		return err
	}
	if s.neighbour != "" {
		if err := r.attempt(d, func() error { r.neighbour, err = r.NewWorld(r); return err }); err != nil {
			return err
		}
	}
	r.recorder.In(r.world)
	if d.before != nil {
		if err := d.before(r); err != nil {
			return err
		}
	}
	panics := panicked()
	defer func() {
		for _, m := range r.managers {
			err = errors.Join(err, m.Stop())
		}
	}()
	if d.steps != nil {
		s.steps = d.steps
	}
	if d.extra != nil {
		s.steps = append(slices.Clone(s.steps), *d.extra)
	}
	if len(s.steps) == 1 && d.interference != nil {
		d.interference.begin() // the first requests of a manager count too
	}
	for range 1 + d.managers {
		if err := r.attempt(d, func() error {
			return r.start(r.program(d))
		}); err != nil {
			return err
		}
	}
	if err := r.walk(s, d, want); err != nil {
		return err
	}
	if d.after != nil {
		if err := d.after(r); err != nil {
			return err
		}
		end := maps.Clone(want.end)
		maps.DeleteFunc(end, func(name, _ string) bool { return d.gone != "" && strings.HasPrefix(name, d.gone) })
		if err := r.becomes(end); err != nil {
			return err
		}
	}
	return r.check(d, want, panics)
}

// attempt does something once, or, where the control plane may not answer, again until it has worked.
func (r *run) attempt(d disturbance, do func() error) error {
	if d.patient {
		return r.insist(do)
	}
	return do()
}

// walk goes through the steps. Under a fault the last one has to end in what it ended in without.
func (r *run) walk(s scenario, d disturbance, want *outcome) (err error) {
	for i, step := range s.steps {
		isLast := i == len(s.steps)-1
		if isLast {
			if i > 0 {
				r.last.calls, r.last.writes = len(r.recorder.Calls()), len(r.recorder.Writes())
			}
			if d.interference != nil {
				d.interference.begin()
			}
			if d.beside != nil {
				r.busy.Add(1)
				failed := make(chan error, 1)
				go func() {
					defer r.busy.Add(-1)
					failed <- d.beside(r)
				}()
				defer func() { err = errors.Join(err, <-failed) }()
			}
		}
		was := r.world.Snapshot()
		if i == 0 && r.neighbour != nil {
			if err := r.attempt(d, func() error { return r.neighbour.Apply(r, s.neighbour) }); err != nil {
				return fmt.Errorf("the neighbour: %w", err)
			}
		}
		if err := r.attempt(d, func() error { return step.do(r) }); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
		until := func() error { return step.until(r, was) }
		if isLast && want != nil {
			until = func() error { return r.becomes(want.end) }
		}
		if err := until(); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
		if !isLast && r.world.Unsettled() == nil {
			r.path += fmt.Sprintf("# after step %d:\n%s", i+1, r.world.Conditions())
		}
		if r.neighbour != nil {
			if err := r.reach("the neighbour to settle", r.neighbour.Unsettled); err != nil {
				return fmt.Errorf("step %d: %w", i+1, err)
			}
		}
	}
	return nil
}

// start starts managers.
func (r *run) start(p kit.Program) error {
	return labelled(r.world.Namespace, func() error {
		m, err := r.Run(r, p)
		if err == nil {
			r.managers = append(r.managers, m)
		}
		return err
	})
}

// program is our controllers, looking at the world of this run.
func (r *run) program(d disturbance) kit.Program {
	p := kit.Program{
		Config:     r.operator,
		Cache:      cacheOf(r.world.Namespace),
		NewCache:   controllers.NewCache,
		Recorder:   r.recorder,
		Namespaces: []string{r.world.Namespace},

		OwnDiscovery: d.ownDiscovery,
		Setup: func(mgr ctrl.Manager) error {
			kinds := provider.NewKinds(mgr)
			if err := controllers.SetupWithManager(mgr, controllers.Options{
				SkipNameValidation: true,
				Clock:              wrong{r.time, d.off},
				Queue:              r.time.Queue,
				Kinds:              kinds,
				Build:              core.BuildSettings{FetcherImage: "registry.example.test/fetcher:v1"},
				Serving:            core.ServingSettings{AgentImage: "registry.example.test/agent:v1", DaprdImage: "registry.example.test/daprd:v1"},
			}); err != nil {
				return err
			}
			return gateways.SetupWithManager(mgr, gateways.Options{SkipNameValidation: true, Queue: r.time.Queue, Kinds: kinds})
		},
	}
	p.Cache.DefaultTransform = r.cached.keep(p.Cache.DefaultTransform)
	if r.neighbour != nil {
		p.Namespaces = append(p.Namespaces, r.neighbour.Namespace)
	} else { // telling every manager of every world's namespace is work that grows with the square of their number
		p.Cache.ByObject[&corev1.Namespace{}] = cache.ByObject{Field: fields.OneTermEqualSelector(metav1.ObjectNameField, r.world.Namespace)}
	}
	if d.interference != nil {
		p.Interference = d.interference
	}
	return p
}

// cacheOf is the cache of production for a manager that looks at one world: what the whole cluster is looked through for there, is looked for here in
// the world and, where it is made in the platform's namespace, by its name.
func cacheOf(world string) cache.Options {
	o := controllers.CacheOptions(controllers.Options{})
	byObject := map[client.Object]cache.ByObject{}
	for kind, by := range o.ByObject {
		if all, everywhere := by.Namespaces[cache.AllNamespaces]; everywhere {
			by.Namespaces = maps.Clone(by.Namespaces)
			all.FieldSelector = fields.OneTermEqualSelector("metadata.namespace", world)
			by.Namespaces[cache.AllNamespaces] = all
			if _, grants := kind.(*gatewayv1beta1.ReferenceGrant); grants {
				by.Namespaces[platform] = cache.Config{FieldSelector: fields.OneTermEqualSelector("metadata.name", networking.GrantName(world))}
			}
		}
		byObject[kind] = by
	}
	o.ByObject = byObject
	return o
}

// wrong is a clock that is off by some time.
type wrong struct {
	clock.PassiveClock
	by time.Duration
}

// Now is the wrong time.
func (w wrong) Now() time.Time { return w.PassiveClock.Now().Add(w.by) }

// Since is right again: both ends are wrong.
func (w wrong) Since(then time.Time) time.Duration { return w.Now().Sub(then) }

const (
	// patience is how long a world may take to get where it should, on a machine that has other things to do.
	patience = 150 * time.Second
	// still is how long nothing may have moved before a world that is not where it should be is given up: longer than a broken watch of
	// client-go waits before it begins again.
	still = 50 * time.Second
	// quiet is how long nothing must have changed before a world may be called settled.
	quiet = 250 * time.Millisecond
	// waits is how long nothing must have changed before time may jump.
	waits = 150 * time.Millisecond
	// prompt is how soon what is asked for has to go on where nothing is disturbed.
	prompt = time.Minute
	// future is how far time may jump in one run: past every delay of the controllers, and every backoff.
	future = 3 * time.Hour
)

// errStuck is the error of a world that does not get where it should.
var errStuck = errors.New("stuck")

// reach waits until done has no objection, and nothing moves any more. Where everything waits for time to pass, time passes.
func (r *run) reach(what string, done func() error) error {
	deadline, moved := time.Now().Add(patience), time.Now()
	for {
		now := time.Now()
		rest := min(r.world.Quiet(), r.recorder.Quiet())
		if r.harms.active.Load() > 0 { // nothing can be told from a control plane that does not answer
			rest, moved, deadline = 0, now, now.Add(patience)
		}
		if !r.time.Idle() {
			rest, moved = 0, now
		}
		if now.Add(-rest).After(moved) {
			moved = now.Add(-rest)
		}
		if rest >= waits && r.busy.Load() == 0 {
			objection := done()
			if objection == nil && rest >= quiet && r.isSeen() {
				return nil
			}
			if objection != nil {
				in, any := r.time.Due()
				if any && r.calm && !r.patient && in > prompt {
					if now.Sub(moved) > still {
						return diverges("late", "nothing moves, and the next look is in %s: waited for %s: %s", in.Round(time.Second), what, objection)
					}
				} else if any && r.time.Ahead()+in < future {
					r.time.Jump(max(in, 0))
				} else if now.Sub(moved) > still || now.After(deadline) {
					return fmt.Errorf("%w: waited for %s: %w", errStuck, what, objection)
				}
			}
		}
		if now.After(deadline) {
			return fmt.Errorf("%w: waited %s for %s: %w", errStuck, patience, what, done())
		}
		select {
		case <-r.Done():
			return r.Err()
		case <-time.After(40 * time.Millisecond):
		}
	}
}

// isSeen tells that the onlooker has missed nothing, and that nothing has moved while it was asked.
func (r *run) isSeen() bool {
	behind, err := r.world.Behind(r)
	return err == nil && behind == "" && min(r.world.Quiet(), r.recorder.Quiet()) >= quiet
}

// becomes waits until the world is as wanted.
func (r *run) becomes(want kit.Snapshot) error {
	return r.reach("the end", func() error {
		if is := r.world.Snapshot(); !maps.Equal(want, is) {
			return differs{want.Diff(is)}
		}
		return nil
	})
}

// differs is the difference between the end that was wanted and the one that is.
type differs struct{ diff string }

func (d differs) Error() string { return "- wanted, + is:\n" + strings.TrimSpace(d.diff) }

// settled waits until everything has its answer.
func (r *run) settled() error { return r.reach("the world to settle", r.world.Unsettled) }

// rest lets so much time pass for a world in which nothing happens. It returns how often the controllers looked at an object.
func (r *run) rest(d time.Duration) (int, error) {
	looks, end := r.time.Looks(), r.time.Ahead()+d
	for r.time.Ahead() < end && r.time.Looks()-looks < 10*storm {
		step := end - r.time.Ahead()
		if in, any := r.time.Due(); any {
			step = min(step, max(in, time.Millisecond))
		}
		r.time.Jump(step)
		for !r.time.Idle() {
			select {
			case <-r.Done():
				return 0, r.Err()
			case <-time.After(time.Millisecond):
			}
		}
	}
	return r.time.Looks() - looks, nil
}
