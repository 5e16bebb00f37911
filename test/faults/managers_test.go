// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"strconv"
	"time"

	"github.com/openfunction/openfunction/test/kit"
)

// crash is the fault that the manager ends at one write, and is started again.
type crash kit.Fault

func (c crash) String() string { return kit.Fault(c).String() }

func parseCrash(text string) (fault, error) {
	f, err := kit.ParseFault(text)
	return crash(f), err
}

func (c crash) disturb() disturbance { f := kit.Fault(c); return disturbance{crash: &f} }

// everyCrash is one before and one after each write of the last step.
func everyCrash(o *outcome) []fault {
	var faults []fault
	for _, f := range o.recorder.Faults()[2*o.last.writes:] {
		faults = append(faults, crash(f))
	}
	return faults
}

// more is the fault that managers run at the same time which should not.
type more int

func (m more) String() string { return fmt.Sprintf("%d", int(m)) }

func parseMore(text string) (fault, error) {
	n, err := strconv.Atoi(text)
	return more(n), err
}

func (m more) disturb() disturbance { return disturbance{managers: int(m) - 1} }

func everyMore(*outcome) []fault { return []fault{more(2), more(3)} }

// clockOff is the fault that the managers' clock is off.
type clockOff time.Duration

func (c clockOff) String() string { return time.Duration(c).String() }

func parseClock(text string) (fault, error) {
	d, err := time.ParseDuration(text)
	return clockOff(d), err
}

func (c clockOff) disturb() disturbance { return disturbance{off: time.Duration(c)} }

func everyClock(*outcome) []fault { return []fault{clockOff(time.Hour), clockOff(-time.Hour)} }

// nothing is no fault.
type nothing struct{}

func (nothing) String() string { return "" }

func (nothing) disturb() disturbance { return disturbance{calm: true} }

func parseNothing(string) (fault, error) { return nothing{}, nil }

func everyNothing(*outcome) []fault { return []fault{nothing{}} }

// atOnce is the way that leads to the same end without the scenario's detours.
type atOnce struct{ manifests []string }

func (atOnce) String() string { return "" }

func (a atOnce) disturb() disturbance {
	d := disturbance{calm: true, recounts: true, steps: []step{}}
	for _, manifest := range a.manifests {
		d.steps = append(d.steps, apply(manifest))
	}
	return d
}
