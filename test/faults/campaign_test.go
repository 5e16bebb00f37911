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
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
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
	// campaignVariable is whole for the whole campaign; otherwise it is the short one that `make test` runs.
	campaignVariable = "FAULTS"
	whole            = "all"
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

// slots are for the worlds that are worked on at the same time.
type slots chan struct{}

func newSlots() slots { return make(slots, concurrently()) }

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
	rarely(t)
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
	fmt.Printf("%d scenarios in %s; plans: %s\n", len(chosen), time.Since(c.began).Round(time.Second), c.counted())
	if err := c.execute(ctx, first); err != nil {
		t.Error(err)
	}
	fmt.Print(c.summary())
	if c.broken {
		t.Fail()
	}
}

// rarely lets all programs collect garbage less often than usual, up to some memory: a fifth of their work is that.
func rarely(t *testing.T) {
	const percent, memory = 400, 4 << 30
	debug.SetGCPercent(percent)
	debug.SetMemoryLimit(memory)
	t.Setenv("GOGC", strconv.Itoa(percent))
	t.Setenv("GOMEMLIMIT", strconv.Itoa(memory))
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
		if os.Getenv(campaignVariable) == whole {
			limit = k.all
		}
		plans = append(plans, c.ofKind(k, chosen, min(limit, number(limitVariable, limit)))...)
	}
	// Slow kinds are spread among the others.
	draw := rand.New(rand.NewPCG(uint64(number(seedVariable, 1)), 1))
	draw.Shuffle(len(plans), func(i, j int) { plans[i], plans[j] = plans[j], plans[i] })
	return plans
}

// counted tells how many plans of each kind there are.
func (c *campaign) counted() string {
	counts := map[string]int{}
	for _, p := range c.plans {
		counts[p.kind.word]++
	}
	var b strings.Builder
	for _, k := range kinds {
		if counts[k.word] > 0 {
			fmt.Fprintf(&b, "%s %d, ", k.word, counts[k.word])
		}
	}
	fmt.Fprintf(&b, "all %d", len(c.plans))
	return b.String()
}

// ofKind are the plans of a kind, or as many as the limit allows, chosen by lot.
func (c *campaign) ofKind(k *kind, chosen []scenario, limit int) []plan {
	var plans []plan
	for _, s := range chosen {
		for _, f := range k.of(c.outcomes[s.name]) {
			plans = append(plans, plan{s, k, f})
		}
	}
	if k.word == "nothing" && isShort() { // the run that the plans are made of was one, and will do where it ended as approved
		plans = slices.DeleteFunc(plans, func(p plan) bool { return checkGolden(c.outcomes[p.scenario.name]) == nil })
	}
	slices.SortFunc(plans, func(a, b plan) int { return cmp.Compare(a.String(), b.String()) })
	draw := rand.New(rand.NewPCG(uint64(number(seedVariable, 1)), 0))
	draw.Shuffle(len(plans), func(i, j int) { plans[i], plans[j] = plans[j], plans[i] })
	if k.per == nil {
		return plans[:min(limit, len(plans))]
	}
	taken := map[string]int{}
	return slices.DeleteFunc(plans, func(p plan) bool {
		class := k.per(c.outcomes[p.scenario.name])
		taken[class]++
		return taken[class] > limit
	})
}

// execute runs the plans, each on a control plane of its lane: those that only disturb their own world, those that disturb every world, and those that
// share what is done to the control plane.
func (c *campaign) execute(ctx context.Context, first *plane) error {
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
	var wg sync.WaitGroup
	errs := make([]error, 3)
	for i, lane := range []func() error{
		func() error { return c.oneByOne(ctx, first, own) },
		func() error { return c.oneByOne(ctx, nil, shared) },
		func() error { return c.inGroups(ctx, grouped) },
	} {
		wg.Go(func() { errs[i] = lane() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// oneByOne runs plans as slots get free. A control plane is for so many worlds; the next starts while the last plans of the one before run.
func (c *campaign) oneByOne(ctx context.Context, first *plane, plans []plan) error {
	var stopping sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		errs = append(errs, err)
	}
	free := newSlots()
	next := starting(func() (*plane, error) { return first, nil })
	if first == nil && len(plans) > 0 {
		next = starting(func() (*plane, error) { return newPlane(ctx) })
	}
	for first != nil || len(plans) > 0 {
		on, err := next()
		if err != nil {
			fail(err)
			break
		}
		first = nil
		part := plans[:min(lifetime, len(plans))]
		plans = plans[len(part):]
		var running sync.WaitGroup
		for i, p := range part {
			if len(plans) > 0 && i == max(0, len(part)-concurrently()) {
				next = starting(func() (*plane, error) { return newPlane(ctx) })
			}
			free.run(&running, func() {
				if !c.over() {
					c.one(ctx, on, p)
				}
			})
		}
		stopping.Go(func() {
			running.Wait()
			if err := on.stop(); err != nil {
				fail(err)
			}
		})
	}
	stopping.Wait()
	return errors.Join(errs...)
}

// starting starts something now and returns what waits for it.
func starting[T any](start func() (T, error)) func() (T, error) {
	once := sync.OnceValues(start)
	go once() //nolint:errcheck // who waits gets the error
	return once
}

// inGroups runs groups of plans one after another, each at once.
func (c *campaign) inGroups(ctx context.Context, groups [][]plan) error {
	if len(groups) == 0 {
		return nil
	}
	on, err := newPlane(ctx)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if c.over() {
			break
		}
		var running sync.WaitGroup
		for _, p := range g { // all of them, for they wait for one another
			running.Go(func() { c.one(ctx, on, p) })
		}
		running.Wait()
	}
	return on.stop()
}

// run does something when a slot is free.
func (s slots) run(running *sync.WaitGroup, run func()) {
	s <- struct{}{}
	running.Go(func() {
		defer func() { <-s }()
		run()
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

// isLookedFor tells that a divergence is looked for: by a plan, or the first there is.
func isLookedFor() bool { return os.Getenv(planVariable) != "" || os.Getenv(firstVariable) != "" }

// isShort tells that this is the part of the campaign in `make test`, with which no divergence is looked for.
func isShort() bool { return os.Getenv(campaignVariable) != whole && !isLookedFor() }

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
	var changes []string
	for _, kind := range slices.Sorted(maps.Keys(operations)) {
		changes = append(changes, fmt.Sprintf("%s %d", kind, operations[kind].Load()))
	}
	fmt.Fprintf(&b, "processor seconds: managers, engines and onlooker %.0f, control planes %.0f\n", worked(syscall.RUSAGE_SELF), worked(syscall.RUSAGE_CHILDREN))
	fmt.Fprintf(&b, "plans %d, divergences %d, idle %d, minutes %.1f, changes of specs: %s\n",
		all.plans, all.divergences, all.idle, time.Since(c.began).Minutes(), strings.Join(changes, ", "))
	return b.String()
}

// worked is how long the processor has worked for this process, or for those that it has started and that have ended.
func worked(who int) float64 {
	var u syscall.Rusage
	if syscall.Getrusage(who, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// inParallel calls f with 0 to n-1, some at once: worlds wait more than they work.
func inParallel(n int, f func(int)) {
	var wg sync.WaitGroup
	free := newSlots()
	for i := range n {
		free.run(&wg, func() { f(i) })
	}
	wg.Wait()
}

// concurrently is how many worlds are worked on at once: fewer where other suites run beside.
func concurrently() int {
	if isShort() {
		return number(atOnceVariable, 6*runtime.NumCPU())
	}
	return number(atOnceVariable, 10*runtime.NumCPU())
}

// platform is the namespace of the operator.
const platform = "openfunction"

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
	for _, namespace := range []string{platform, "dapr-system"} {
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
