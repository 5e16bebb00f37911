package steps

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOrder(t *testing.T) {
	step := func(name string, needs ...string) Step { return Step{Name: name, Needs: needs} }
	for name, tc := range map[string]struct {
		because string
		steps   []Step
		want    []string
		err     string
	}{
		"AsGiven":     {"nothing needs anything", []Step{step("b"), step("a")}, []string{"b", "a"}, ""},
		"NeedsFirst":  {"a needs c", []Step{step("a", "c"), step("b"), step("c")}, []string{"c", "a", "b"}, ""},
		"Diamond":     {"each runs once", []Step{step("d", "b", "c"), step("b", "a"), step("c", "a"), step("a")}, []string{"a", "b", "c", "d"}, ""},
		"Circle":      {"no order fits", []Step{step("a", "b"), step("b", "a")}, nil, "circle"},
		"Unknown":     {"the need is misspelt", []Step{step("a", "z")}, nil, "does not exist"},
		"DoubledName": {"needs would be ambiguous", []Step{step("a"), step("a")}, nil, "two steps"},
	} {
		t.Run(name, func(t *testing.T) {
			ordered, err := Order(tc.steps)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("error %v does not tell of %q, although %s", err, tc.err, tc.because)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range ordered {
				got = append(got, s.Name)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("order is %v, want %v, because %s", got, tc.want, tc.because)
			}
		})
	}
}

func TestRunStopsAtTheFirstFailureAndRemembersTimes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "timings.json")
	clock := time.Unix(0, 0)
	var out bytes.Buffer
	var ran []string
	do := func(name string, took time.Duration, idle bool, err error) Step {
		return Step{Name: name, Expect: time.Minute, Do: func(context.Context) (Outcome, error) {
			ran = append(ran, name)
			clock = clock.Add(took)
			return Outcome{Idle: idle}, err
		}}
	}
	runner := &Runner{Out: &out, Times: LoadTimings(file), Now: func() time.Time { return clock }}
	broken := errors.New("broken")
	err := runner.Run(t.Context(), []Step{
		do("first", 2*time.Second, false, nil), do("idle", 3*time.Second, true, nil),
		do("second", time.Second, false, broken), do("third", time.Second, false, nil),
	})
	if !errors.Is(err, broken) || !slices.Equal(ran, []string{"first", "idle", "second"}) {
		t.Fatalf("ran %v with error %v, want the third left out", ran, err)
	}
	times := LoadTimings(file)
	if got := times.expected(Step{Name: "first", Expect: time.Minute}); got != 2*time.Second {
		t.Errorf("first is expected to take %s, want what it took", got)
	}
	if got := times.expected(Step{Name: "idle", Expect: time.Minute}); got != time.Minute {
		t.Errorf("idle is expected to take %s, want the built-in figure: it has never done anything", got)
	}
	if !strings.Contains(out.String(), "[3/4] second") || !strings.Contains(out.String(), "FAILED after 1.0s") {
		t.Errorf("the failure is not reported:\n%s", out.String())
	}
}

func TestBrokenTimingsAreNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "timings.json")
	for _, content := range []string{"", "{", "null", "[]"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := LoadTimings(file).expected(Step{Name: "a", Expect: time.Second}); got != time.Second {
			t.Errorf("with %q a step is expected to take %s", content, got)
		}
	}
}
