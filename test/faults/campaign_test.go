// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openfunction/openfunction/test/kit"
)

// What the environment may say. All is optional.
const (
	// planVariable is one plan, to look at it again.
	planVariable = "FAULTS_PLAN"
	// campaignVariable is "all" for the whole campaign; otherwise it is the short one that `make test` runs.
	campaignVariable = "FAULTS"
	// scenarioVariable is the name of the only scenario.
	scenarioVariable = "FAULTS_SCENARIO"
	// kindsVariable are the words of the only kinds of fault.
	kindsVariable = "FAULTS_KINDS"
	// limitVariable is how many plans of each kind there are at most.
	limitVariable = "FAULTS_LIMIT"
	// seedVariable chooses where not all plans of a kind are run.
	seedVariable = "FAULTS_SEED"
	// firstVariable ends the campaign with the first divergence.
	firstVariable = "FAULTS_FIRST"
	// atOnceVariable is how many worlds are worked on at the same time.
	atOnceVariable = "FAULTS_ATONCE"
)

// lifetime is how many worlds a control plane gets before a fresh one takes its place: what worlds leave behind slows it down.
const lifetime = 500

// campaign is what is run, and what came of it.
type campaign struct {
	outcomes map[string]*outcome
	plans    []plan
	began    time.Time

	mu      sync.Mutex
	tallies map[string]*tally
	ended   int
	broken  bool
	// enough ends what runs.
	enough context.CancelFunc
}

// tally is what came of the plans of a kind.
type tally struct {
	plans, divergences, idle int
	seconds                  float64
}

func TestFaults(t *testing.T) {
	c := &campaign{outcomes: map[string]*outcome{}, tallies: map[string]*tally{}, began: time.Now()}
	chosen, only, err := asked()
	if err != nil {
		t.Fatal(err)
	}
	first, err := newPlane(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	c.enough = enough
	if err := c.baseline(ctx, first, chosen); err != nil {
		_ = first.stop()
		t.Fatal(err)
	}
	c.plans = c.choose(chosen, only)
	if err := c.execute(ctx, first); err != nil {
		t.Error(err)
	}
	fmt.Print(c.summary())
	if c.broken {
		t.Fail()
	}
}

// asked are the scenarios that the environment asks for, and its only plan if it names one.
func asked() ([]scenario, *plan, error) {
	if text := os.Getenv(planVariable); text != "" {
		p, err := parsePlan(text)
		return []scenario{p.scenario}, &p, err
	}
	name := os.Getenv(scenarioVariable)
	chosen := slices.DeleteFunc(slices.Clone(scenarios), func(s scenario) bool { return name != "" && s.name != name })
	if len(chosen) == 0 {
		return nil, nil, fmt.Errorf("there is no scenario %q", name)
	}
	return chosen, nil, nil
}

// number is what a variable says, or what is usual.
func number(variable string, usual int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return usual
}

// baseline runs every scenario without a fault.
func (c *campaign) baseline(ctx context.Context, on *plane, chosen []scenario) error {
	found := make([]*outcome, len(chosen))
	inParallel(len(chosen), func(i int) {
		if !c.over() {
			found[i] = c.undisturbed(ctx, on, chosen[i])
		}
	})
	var errs []error
	for i, o := range found {
		c.outcomes[chosen[i].name] = o
		if o != nil && o.err != nil {
			errs = append(errs, fmt.Errorf("%s: %s", chosen[i].name, oracleOf(o.err)))
		}
	}
	return errors.Join(errs...)
}

// undisturbed runs a scenario without a fault.
func (c *campaign) undisturbed(ctx context.Context, on *plane, s scenario) *outcome {
	o := through(ctx, on, s, nothing{}.disturb(), nil)
	if o.err == nil && !s.again {
		if twice := o.recorder.CreatedTwice(); len(twice) > 0 {
			o.err = diverges("creates", "created twice: %s", strings.Join(twice, ", "))
		}
	}
	if o.err == nil && os.Getenv(firstVariable) != "" {
		o.err = checkGolden(o) // no need to wait for the plan that does it
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if o.err != nil {
		c.diverged(plan{s, kinds[0], nothing{}}, o)
	}
	return o
}

// diverged tells of a divergence. Where the first is enough, what else runs ends. The caller holds the lock.
func (c *campaign) diverged(p plan, o *outcome) {
	if c.broken && os.Getenv(firstVariable) != "" {
		return // it was told to end
	}
	c.broken = true
	fmt.Print(c.report(p, o))
	if os.Getenv(firstVariable) != "" {
		c.enough()
	}
}

// choose makes the plans.
func (c *campaign) choose(chosen []scenario, only *plan) []plan {
	if only != nil {
		return []plan{*only}
	}
	words := strings.Fields(os.Getenv(kindsVariable))
	var plans []plan
	for _, k := range kinds {
		if len(words) > 0 && !slices.Contains(words, k.word) {
			continue
		}
		limit := k.short
		if os.Getenv(campaignVariable) == "all" {
			limit = k.all
		}
		plans = append(plans, c.ofKind(k, chosen, min(limit, number(limitVariable, limit)))...)
	}
	// Slow kinds are spread among the others.
	draw := rand.New(rand.NewPCG(uint64(number(seedVariable, 1)), 1))
	draw.Shuffle(len(plans), func(i, j int) { plans[i], plans[j] = plans[j], plans[i] })
	return plans
}

// ofKind are the plans of a kind, or as many as the limit allows, chosen by lot.
func (c *campaign) ofKind(k *kind, chosen []scenario, limit int) []plan {
	var plans []plan
	for _, s := range chosen {
		for _, f := range k.of(c.outcomes[s.name]) {
			plans = append(plans, plan{s, k, f})
		}
	}
	slices.SortFunc(plans, func(a, b plan) int { return cmp.Compare(a.String(), b.String()) })
	draw := rand.New(rand.NewPCG(uint64(number(seedVariable, 1)), 0))
	draw.Shuffle(len(plans), func(i, j int) { plans[i], plans[j] = plans[j], plans[i] })
	return plans[:min(limit, len(plans))]
}

// execute runs the plans, on one control plane after another: first those that only disturb their own world, then the others.
func (c *campaign) execute(ctx context.Context, on *plane) error {
	var own, shared []plan
	var grouped [][]plan
	for _, p := range c.plans {
		switch {
		case p.kind.together != nil:
		case p.kind.alone:
			shared = append(shared, p)
		default:
			own = append(own, p)
		}
	}
	for _, k := range kinds {
		if k.together != nil {
			grouped = append(grouped, k.together(slices.DeleteFunc(slices.Clone(c.plans), func(p plan) bool { return p.kind != k }))...)
		}
	}
	parts := slices.Collect(slices.Chunk(own, lifetime))
	if len(shared) > 0 {
		parts = append(parts, shared)
	}
	for _, part := range parts {
		if err := c.part(ctx, &on, func() { c.all(ctx, on, part) }); err != nil {
			return err
		}
	}
	if len(grouped) == 0 {
		return errors.Join(stopped(on))
	}
	return c.part(ctx, &on, func() {
		for _, g := range grouped {
			c.all(ctx, on, g)
		}
	})
}

// stopped ends a control plane if there is one.
func stopped(on *plane) error {
	if on == nil {
		return nil
	}
	return on.stop()
}

// part does something on a control plane, which is fresh unless there is one, and ends it.
func (c *campaign) part(ctx context.Context, on **plane, do func()) (err error) {
	if *on == nil {
		if *on, err = newPlane(ctx); err != nil {
			return err
		}
	}
	do()
	err = (*on).stop()
	*on = nil
	return err
}

// all runs plans, some at once.
func (c *campaign) all(ctx context.Context, on *plane, plans []plan) {
	inParallel(len(plans), func(i int) {
		if !c.over() {
			c.one(ctx, on, plans[i])
		}
	})
}

// over tells that the first divergence was enough.
func (c *campaign) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken && os.Getenv(firstVariable) != ""
}

// one runs a plan and counts it.
func (c *campaign) one(ctx context.Context, on *plane, p plan) {
	o := c.through(ctx, on, p)
	if o.err != nil && isShort() {
		o = c.again(ctx, on, p, o)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tallies[p.kind.word]
	if t == nil {
		t = &tally{}
		c.tallies[p.kind.word] = t
	}
	t.plans++
	t.seconds += o.seconds
	if o.idle {
		t.idle++
	}
	if o.err != nil {
		t.divergences++
		c.diverged(p, o)
	}
	if c.ended++; c.ended%100 == 0 {
		fmt.Printf("%d of %d plans in %s\n", c.ended, len(c.plans), time.Since(c.began).Round(time.Second))
	}
}

// through runs a plan.
func (c *campaign) through(ctx context.Context, on *plane, p plan) *outcome {
	o := through(ctx, on, p.scenario, p.fault.disturb(), c.outcomes[p.scenario.name])
	if _, quiet := p.fault.(nothing); quiet && o.err == nil {
		o.err = checkGolden(o)
	}
	return o
}

// isShort tells that this is the part of the campaign in `make test`, with which no divergence is looked for.
func isShort() bool {
	return os.Getenv(campaignVariable) != "all" && os.Getenv(planVariable) == "" && os.Getenv(firstVariable) == ""
}

// again runs a plan that diverged twice more. One that does not do so each time depends on who was faster: in `make test` it is told, in `make
// faults` it counts.
func (c *campaign) again(ctx context.Context, on *plane, p plan, first *outcome) *outcome {
	for range 2 {
		if o := c.through(ctx, on, p); o.err == nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			fmt.Print("UNSTABLE, for it did not happen again: ", c.report(p, first))
			return o
		}
	}
	return first
}

// report is what is said of a divergence.
func (c *campaign) report(p plan, o *outcome) string {
	var b strings.Builder
	fmt.Fprintf(&b, "DIVERGENCE oracle=%s scenario='%s' plan='%s'\n%s\n", oracleOf(o.err), p.scenario.name, p, o.err)
	if o.world != nil {
		fmt.Fprintf(&b, "its writes: %v\nthe log:\n%s", o.recorder.Writes(), kit.LoggedAbout(o.world.Namespace))
	}
	fmt.Fprintf(&b, "replay: make faults PLAN='%s'\n", p)
	return b.String()
}

// summary is a line for each kind, and one for all.
func (c *campaign) summary() string {
	var b strings.Builder
	var all tally
	fmt.Fprintf(&b, "%-12s %6s %11s %6s %8s\n", "kind", "plans", "divergences", "idle", "seconds")
	for _, k := range kinds {
		if t := c.tallies[k.word]; t != nil {
			fmt.Fprintf(&b, "%-12s %6d %11d %6d %8.0f\n", k.word, t.plans, t.divergences, t.idle, t.seconds)
			all.plans, all.divergences, all.idle = all.plans+t.plans, all.divergences+t.divergences, all.idle+t.idle
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(operations)) {
		if n := operations[kind].Load(); n > 0 {
			fmt.Fprintf(&b, "changes of a %s by chains: %d\n", kind, n)
		}
	}
	fmt.Fprintf(&b, "plans %d, divergences %d, idle %d, seconds %.0f\n", all.plans, all.divergences, all.idle, time.Since(c.began).Seconds())
	return b.String()
}

// inParallel calls f with 0 to n-1, some at once: worlds wait more than they work.
func inParallel(n int, f func(int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, concurrently())
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(i)
		})
	}
	wg.Wait()
}

// concurrently is how many worlds are worked on at once.
func concurrently() int { return number(atOnceVariable, 6*runtime.NumCPU()) }

// newPlane starts a control plane, with what our controllers need of a cluster and players for the engines.
func newPlane(ctx context.Context) (*plane, error) {
	cp, err := kit.Start(ctx, kit.Options{})
	if err != nil {
		return nil, err
	}
	p := &plane{ControlPlane: cp}
	if err := p.prepare(ctx); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

func (p *plane) prepare(ctx context.Context) (err error) {
	for _, namespace := range []string{"openfunction", "dapr-system"} {
		if err := p.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
			return err
		}
	}
	if err := p.Client.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "dapr-trust-bundle", Namespace: "dapr-system"},
		Data: map[string]string{"ca.crt": "ANCHORS"}}); err != nil {
		return err
	}
	if p.operator, _, err = p.UserWith(ctx, "openfunction-core", "config/rbac/role.yaml"); err != nil {
		return err
	}
	playing, end := context.WithCancel(context.WithoutCancel(ctx))
	p.end = end
	return p.PlayEngines(playing)
}

// stop ends the players, and then the control plane.
func (p *plane) stop() error {
	if p.end != nil {
		p.end()
	}
	return p.ControlPlane.Stop()
}
