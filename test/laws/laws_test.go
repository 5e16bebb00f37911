// SPDX-License-Identifier: Apache-2.0

package laws

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/openfunction/openfunction/test/kit"
)

// To look at one failure again, name its scenario and its crash; a failing spec prints them.
//
// A crash before a write leaves the API server as a crash after the write before it does, so unless LAWS_CRASH is "all"
// only the first write of a step is crashed on both sides.
const (
	scenarioVariable = "LAWS_SCENARIO"
	crashVariable    = "LAWS_CRASH"
)

// atOnce is how many worlds are worked on at the same time: they wait more than they work.
const atOnce = 8

// outcome is how a scenario went without a crash.
type outcome struct {
	world    *kit.World
	end      kit.Snapshot
	recorder *kit.Recorder
	// faults are the crashes before and after each write of the last step.
	faults []kit.Fault
	err    error
}

var _ = Describe("The laws", Ordered, ContinueOnFailure, func() {
	if len(chosen()) == 0 {
		return
	}
	var outcomes []*outcome

	BeforeAll(func(ctx SpecContext) {
		outcomes = make([]*outcome, len(chosen()))
		inParallel(len(outcomes), func(i int) { outcomes[i] = run(ctx, chosen()[i].steps, nil) })
	})

	for i, s := range chosen() {
		It("hold at the end: "+s.name, func() {
			expectNone(outcomes[i].err)
			expectNone(outcomes[i].world.CheckLaws())
			if !s.again {
				Expect(outcomes[i].recorder.CreatedTwice()).To(BeEmpty())
			}
		})
		if s.scratch != nil {
			It("let the end depend on the spec only: "+s.name, func(ctx SpecContext) {
				var steps []step
				for _, manifest := range s.scratch {
					steps = append(steps, apply(manifest))
				}
				direct := run(ctx, steps, nil)
				expectNone(errors.Join(outcomes[i].err, direct.err))
				Expect(direct.end.Diff(outcomes[i].end)).To(BeEmpty(), "- at once, + by the steps of the scenario")
			})
		}
	}

	It("leave a settled world alone", func(ctx SpecContext) {
		var worlds []*kit.World
		for _, o := range outcomes {
			worlds = append(worlds, o.world)
		}
		for _, life := range []string{"after a restart", "after another"} {
			r := kit.NewRecorder(nil)
			p := program(r, worlds...)
			p.Resync = 500 * time.Millisecond
			before := reconciliations()
			running, err := cp.Run(ctx, p)
			Expect(err).NotTo(HaveOccurred())
			// Three times as often as there are objects: all were listed, and delivered again at least once.
			Eventually(reconciliations).WithTimeout(30*time.Second).Should(BeNumerically(">", before+3*ourObjects(worlds)), life)
			Expect(running.Stop()).To(Succeed())
			Expect(r.All()).To(BeEmpty(), life)
		}
		for i, o := range outcomes {
			Expect(o.end.Diff(o.world.Snapshot())).To(BeEmpty(), chosen()[i].name)
		}
	})

	for i, s := range chosen() {
		It("survive a crash at every write: "+s.name, func(ctx SpecContext) {
			want := outcomes[i]
			expectNone(want.err)
			faults := chosenFaults(want.faults)
			errs := make([]error, len(faults))
			inParallel(len(faults), func(f int) {
				begin := time.Now()
				errs[f] = survives(ctx, s, want.end, faults[f])
				AddReportEntry(faults[f].String(), time.Since(begin).Round(time.Millisecond).String(), ReportEntryVisibilityFailureOrVerbose)
			})
			expectNone(errors.Join(errs...))
		})
	}
})

// expectNone fails with the text of the error alone: Gomega's picture of a joined error repeats it many times.
func expectNone(err error) {
	GinkgoHelper()
	if err != nil {
		Fail(err.Error())
	}
}

// run lets a new world go through the steps under our controllers, with a crash if there is a fault.
func run(ctx context.Context, steps []step, fault *kit.Fault) *outcome {
	o := &outcome{recorder: kit.NewRecorder(fault)}
	w, err := cp.NewWorld(ctx)
	if err != nil {
		return &outcome{err: err}
	}
	o.world = w
	running, err := cp.Run(ctx, program(o.recorder, w))
	if err != nil {
		return &outcome{err: err}
	}
	before := 0
	for _, step := range steps {
		before = len(o.recorder.Writes())
		was := w.Snapshot()
		if err = step.do(ctx, w); err == nil {
			err = step.until(ctx, w, was)
		}
		if err != nil {
			break
		}
	}
	o.err = errors.Join(err, running.Stop())
	o.end = w.Snapshot()
	o.faults = o.recorder.Faults()[2*before:]
	return o
}

// survives runs a scenario with a crash and waits for the same end as without.
func survives(ctx context.Context, s scenario, want kit.Snapshot, fault kit.Fault) error {
	last := len(s.steps) - 1
	steps := append(slices.Clone(s.steps[:last]), step{do: s.steps[last].do, until: func(ctx context.Context, w *kit.World, _ kit.Snapshot) error {
		return w.Becomes(ctx, want)
	}})
	got := run(ctx, steps, &fault)
	err := got.err
	if err == nil {
		err = got.world.CheckLaws()
	}
	if twice := got.recorder.CreatedTwice(); err == nil && len(twice) > 0 && !s.again {
		err = fmt.Errorf("created twice: %s", strings.Join(twice, ", "))
	}
	if err == nil && !got.recorder.Fired() {
		AddReportEntry(fault.String(), "did not happen in this run", ReportEntryVisibilityFailureOrVerbose)
	}
	if err != nil {
		return fmt.Errorf("%w\nits writes: %v\nto see it again:\n  %s='%s' %s='%s' go test -race ./test/laws", err, got.recorder.Writes(),
			scenarioVariable, s.name, crashVariable, fault)
	}
	return nil
}

// chosen are the scenarios to run: all, unless the environment names one.
func chosen() []scenario {
	name := os.Getenv(scenarioVariable)
	return slices.DeleteFunc(slices.Clone(scenarios), func(s scenario) bool { return name != "" && s.name != name })
}

// chosenFaults are those after each write and before the first, unless the environment asks for all or names one.
func chosenFaults(all []kit.Fault) []kit.Fault {
	switch text := os.Getenv(crashVariable); text {
	case "all":
		return all
	case "":
		return slices.DeleteFunc(slices.Clone(all), func(f kit.Fault) bool { return !f.After && f != all[0] })
	default:
		fault, err := kit.ParseFault(text)
		Expect(err).NotTo(HaveOccurred())
		return []kit.Fault{fault}
	}
}

// inParallel calls f with 0 to n-1, some at once.
func inParallel(n int, f func(int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer GinkgoRecover()
			defer func() { <-slots }()
			f(i)
		})
	}
	wg.Wait()
}

// ourObjects counts what our controllers look at.
func ourObjects(worlds []*kit.World) int {
	n := 0
	for _, w := range worlds {
		n += len(w.Objects("Function")) + len(w.Objects("Builder")) + len(w.Objects("Serving"))
	}
	return n
}

// reconciliations is how often the controllers of this process have looked at an object so far.
func reconciliations() int {
	families, err := metrics.Registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	sum := 0.0
	for _, family := range families {
		if family.GetName() == "controller_runtime_reconcile_total" {
			for _, m := range family.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return int(sum)
}
