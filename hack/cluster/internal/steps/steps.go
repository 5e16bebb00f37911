// Package steps orders named steps by what they need and runs them one after the other, telling how long each took and
// how long it was expected to take. It knows nothing about what a step does.
package steps

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// Step is one thing to do.
type Step struct {
	// Name is unique within a plan, and short: it is the first column of the progress lines.
	Name string
	// Needs names the steps that must have been done before.
	Needs []string
	// Expect is how long the step takes on a machine that has no record of it yet.
	Expect time.Duration
	// Idle foretells that there will be nothing to do; nil means that there always is.
	Idle func(ctx context.Context) bool
	// Do does it.
	Do func(ctx context.Context) (Outcome, error)
}

// Outcome is what a step did.
type Outcome struct {
	// Note is shown behind the name.
	Note string
	// Idle tells that there was nothing to do; how long that took says nothing about the next time there is.
	Idle bool
}

// Order returns the steps so that each comes after what it needs, and otherwise as given.
func Order(all []Step) ([]Step, error) {
	byName := make(map[string]Step, len(all))
	for _, s := range all {
		if _, twice := byName[s.Name]; twice {
			return nil, fmt.Errorf("two steps are named %q", s.Name)
		}
		byName[s.Name] = s
	}
	const (
		visiting = 1
		done     = 2
	)
	state := make(map[string]int, len(all))
	ordered := make([]Step, 0, len(all))
	var visit func(s Step, path []string) error
	visit = func(s Step, path []string) error {
		path = append(path, s.Name)
		switch state[s.Name] {
		case done:
			return nil
		case visiting:
			return fmt.Errorf("steps need each other in a circle: %s", strings.Join(path, " -> "))
		}
		state[s.Name] = visiting
		for _, need := range s.Needs {
			needed, ok := byName[need]
			if !ok {
				return fmt.Errorf("step %q needs %q, which does not exist", s.Name, need)
			}
			if err := visit(needed, path); err != nil {
				return err
			}
		}
		state[s.Name] = done
		ordered = append(ordered, s)
		return nil
	}
	for _, s := range all {
		if err := visit(s, nil); err != nil {
			return nil, err
		}
	}
	return ordered, nil
}

// Runner runs steps and reports on them.
type Runner struct {
	// Out receives a line per step, and one every Pulse while a step is running.
	Out io.Writer
	// Pulse is how often a long step says that it is still running; zero means never.
	Pulse time.Duration
	// Times holds the durations of earlier runs and receives those of this one.
	Times *Timings
	// Now is the clock; time.Now when nil.
	Now func() time.Time
}

// Run does all steps in order and stops at the first that fails.
func (r *Runner) Run(ctx context.Context, all []Step) error {
	ordered, err := Order(all)
	if err != nil {
		return err
	}
	now := r.Now
	if now == nil {
		now = time.Now
	}
	began := now()
	var total time.Duration
	expected := make([]time.Duration, len(ordered))
	for i, s := range ordered {
		expected[i] = r.expect(ctx, s)
		total += expected[i]
	}
	_, _ = fmt.Fprintf(r.Out, "%d steps, expected to take %s in all\n", len(ordered), short(total))
	for i, s := range ordered {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("stopped before step %s: %w; run it again to go on from here", s.Name, err)
		}
		start := now()
		label := fmt.Sprintf("[%*d/%d] %-24s", len(fmt.Sprint(len(ordered))), i+1, len(ordered), s.Name)
		stop := r.pulse(label, start, expected[i])
		outcome, err := s.Do(ctx)
		stop()
		took := now().Sub(start)
		if err != nil {
			_, _ = fmt.Fprintf(r.Out, "%s FAILED after %s\n", label, short(took))
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		_, _ = fmt.Fprintf(r.Out, "%s %8s  (expected %s)  %s\n", label, short(took), short(expected[i]), outcome.Note)
		if err := r.Times.record(s.Name, outcome.Idle, took, now()); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintf(r.Out, "done in %s\n", short(now().Sub(began)))
	return nil
}

// expect tells how long a step will take.
func (r *Runner) expect(ctx context.Context, s Step) time.Duration {
	if s.Idle != nil && s.Idle(ctx) {
		return r.Times.idle(s)
	}
	return r.Times.expected(s)
}

// pulse prints a line now and then until the returned function is called.
func (r *Runner) pulse(label string, start time.Time, expected time.Duration) (stop func()) {
	if r.Pulse <= 0 {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(r.Pulse)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				_, _ = fmt.Fprintf(r.Out, "%s %8s  of %s expected ...\n", label, short(time.Since(start)), short(expected))
			}
		}
	}()
	return func() { close(done); <-ended }
}

// short writes a duration the way people say it.
func short(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	default:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
}
