// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"time"

	"github.com/openfunction/openfunction/test/kit"
)

// restart is no fault of the API: managers of a settled world end, and others take their place. They have to find that there is nothing to do.
type restart struct{}

func (restart) String() string { return "" }

func parseRestart(string) (fault, error) { return restart{}, nil }

func everyRestart(*outcome) []fault { return []fault{restart{}} }

func (restart) disturb() disturbance { return disturbance{calm: true, after: startAgain} }

// startAgain lets every object be looked at by new managers, more than once.
func startAgain(r *run) error {
	for range 2 {
		for _, m := range r.managers {
			if err := m.Stop(); err != nil {
				return err
			}
		}
		r.managers = nil
		p, looks := r.program(disturbance{}), r.time.Looks()
		p.Recorder = kit.NewRecorder(nil) // what the managers before have sent may still be under way
		p.Recorder.In(r.world)
		if err := r.start(p); err != nil {
			return err
		}
		objects := len(r.world.Objects("Function")) + len(r.world.Objects("Builder")) + len(r.world.Objects("Serving"))
		for deadline := time.Now().Add(patience); r.time.Looks() < looks+objects && time.Now().Before(deadline); {
			time.Sleep(20 * time.Millisecond)
		}
		if _, err := r.rest(pause); err != nil {
			return err
		}
		time.Sleep(quiet) // Kubernetes Events are posted late
		if written := p.Recorder.All(); len(written) > 0 {
			return diverges("quiet", "written by managers that were started in a settled world: %v", written)
		}
	}
	return nil
}
