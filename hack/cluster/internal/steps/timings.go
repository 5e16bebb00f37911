package steps

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
)

// Timing is how long a step took on this machine.
type Timing struct {
	// Last is the duration of the last run that had something to do; zero means that there was none yet.
	Last float64 `json:"lastSeconds"`
	// Longest is the longest run, which is usually the one with nothing cached.
	Longest float64 `json:"longestSeconds"`
	// Idle is the duration of the last run that found nothing to do.
	Idle float64 `json:"idleSeconds"`
	// At is when the last run ended.
	At time.Time `json:"at"`
}

// Timings are the durations of steps, kept in one or more files.
type Timings struct {
	steps map[string]Timing
	files []string
}

// LoadTimings reads the first file, if it is there and whole; every record is then written to all of the files.
func LoadTimings(files ...string) *Timings {
	t := &Timings{steps: map[string]Timing{}, files: files}
	if len(files) == 0 {
		return t
	}
	content, err := os.ReadFile(files[0])
	if err != nil || json.Unmarshal(content, &t.steps) != nil || t.steps == nil {
		t.steps = map[string]Timing{} // No record, or half of one: the built-in figures apply.
	}
	return t
}

// Steps returns what is recorded, by the name of the step.
func (t *Timings) Steps() map[string]Timing { return t.steps }

// expected is how long a step takes that has something to do.
func (t *Timings) expected(s Step) time.Duration {
	if seen := t.steps[s.Name].Last; seen > 0 {
		return time.Duration(seen * float64(time.Second))
	}
	return s.Expect
}

// idle is how long a step takes that finds nothing to do.
func (t *Timings) idle(s Step) time.Duration {
	return time.Duration(t.steps[s.Name].Idle * float64(time.Second))
}

func (t *Timings) record(name string, idle bool, took time.Duration, at time.Time) error {
	timing := t.steps[name]
	timing.At = at.UTC()
	if idle {
		timing.Idle = took.Seconds()
	} else {
		timing.Last, timing.Longest = took.Seconds(), max(took.Seconds(), timing.Longest)
	}
	t.steps[name] = timing
	content, err := json.MarshalIndent(t.steps, "", "  ")
	if err != nil {
		return fmt.Errorf("recording step times: %w", err)
	}
	for _, file := range t.files {
		if err := layout.WriteFile(file, append(content, '\n'), 0o644); err != nil {
			return fmt.Errorf("recording step times: %w", err)
		}
	}
	return nil
}
