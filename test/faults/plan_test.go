// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/openfunction/openfunction/test/kit"
)

// plan is one run of the campaign. Its text is all that is needed to run it again.
type plan struct {
	scenario scenario
	kind     *kind
	fault    fault
}

// String is the form that parsePlan reads: "change the image: crash after patch servings/status hello #2".
func (p plan) String() string {
	return strings.TrimSpace(p.scenario.name + ": " + p.kind.word + " " + p.fault.String())
}

// parsePlan is the inverse of String.
func parsePlan(text string) (plan, error) {
	name, rest, found := strings.Cut(text, ": ")
	s := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })
	if !found || s < 0 {
		return plan{}, fmt.Errorf("%q does not begin with the name of a scenario and a colon", text)
	}
	word, rest, _ := strings.Cut(rest, " ")
	k := slices.IndexFunc(kinds, func(k *kind) bool { return k.word == word })
	if k < 0 {
		return plan{}, fmt.Errorf("%q is no kind of fault", word)
	}
	if kinds[k].parse == nil {
		return plan{scenarios[s], kinds[k], atOnce{scenarios[s].scratch}}, nil
	}
	f, err := kinds[k].parse(rest)
	if err != nil {
		return plan{}, fmt.Errorf("reading %q: %w", text, err)
	}
	return plan{scenarios[s], kinds[k], f}, nil
}

// kind is a kind of fault.
type kind struct {
	// word begins the text of its faults in a plan.
	word string
	// parse is the inverse of a fault's String.
	parse func(text string) (fault, error)
	// of are all faults of this kind that a scenario can meet, knowing how it went without.
	of func(*outcome) []fault
	// short is how many plans of this kind are in the short campaign, all in the whole one; fewer if there are fewer.
	short, all int
	// per, if there is one, makes these numbers those for each value of it.
	per func(*outcome) string
	// alone tells that it disturbs every world of a control plane.
	alone bool
	// together are the runs that share what is done to their control plane; nil means that each is on its own.
	together func(plans []plan) [][]plan
}

// fault is one way in which a world is worse than in a quiet run.
type fault interface {
	// String is its form in a plan, after the word of its kind.
	String() string
	// disturb says what it changes about one run.
	disturb() disturbance
}

// disturbance is what a fault changes about one run. The zero value changes nothing.
type disturbance struct {
	// steps stand in the place of the scenario's.
	steps []step
	// before is done before the managers start.
	before func(r *run) error
	// extra is a step more, after which the scenario's end is expected.
	extra *step
	// leave is called when the run has ended, however it did.
	leave func()
	// patient tells that the control plane may not answer for a while.
	patient bool
	// lossy tells that what the API server did may not be known, because its answer was lost.
	lossy bool
	// ownDiscovery keeps the managers from sharing the kit's knowledge of which kinds are served.
	ownDiscovery bool
	// crash ends the manager at a write.
	crash *kit.Fault
	// interference comes between each manager and the API server.
	interference interference
	// managers is how many more of them run at the same time.
	managers int
	// off is how far their clock is off.
	off time.Duration
	// beside is done at the same time as the last step. The world may settle only when it has returned.
	beside func(r *run) error
	// after is done to the world once it has reached its end, which it has to reach again.
	after func(r *run) error
	// gone begins the names of the objects that are rightly not there any more after that.
	gone string
	// calm tells that it disturbs nothing.
	calm bool
	// recounts tells that objects are rightly made, or deleted, more often than without.
	recounts bool
	// blind tells that the managers rightly believe for a while what is not so: the story of the world may break all laws
	// but that of transition.
	blind bool
}

// interference is one that is armed for the last step of a scenario: those before are the last steps of others.
type interference interface {
	kit.Interference
	// begin arms it.
	begin()
	// happened tells whether it has done anything yet.
	happened() bool
}
