// SPDX-License-Identifier: Apache-2.0

package core

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// steps are those of a text like "10/1m 50 90/5m".
func steps(text string) []corev1beta2.RolloutStep {
	var steps []corev1beta2.RolloutStep
	for field := range strings.FieldsSeq(text) {
		percent, pause, paused := strings.Cut(field, "/")
		step := corev1beta2.RolloutStep{}
		for _, digit := range percent {
			step.Percent = step.Percent*10 + digit - '0'
		}
		if paused {
			duration, err := time.ParseDuration(pause)
			if err != nil {
				panic(err)
			}
			step.Pause = &metav1.Duration{Duration: duration}
		}
		steps = append(steps, step)
	}
	return steps
}

// since is a progress that reached a step so long before noon.
func since(step int, ago time.Duration, marks ...string) progress {
	p := progress{Revision: "r", Step: step, Since: metav1.NewMicroTime(noon.Add(-ago)), Begun: step > 0}
	for _, mark := range marks {
		switch mark {
		case "begun":
			p.Begun = true
		case "stopped":
			p.Stopped, p.Begun = true, true
		}
	}
	return p
}

func TestARolloutIsNotOverWhileTheCanaryHasTheRequests(t *testing.T) {
	served := metav1.Condition{Status: metav1.ConditionTrue, Reason: corev1beta2.RunningReason, Message: "Serving"}
	for _, test := range []struct {
		name    string
		percent int32
		ended   bool
		want    string
	}{
		{"Taken", 100, false, "Unknown RollingOut"},
		{"GivenBack", 0, false, "True Running"},
		{"Ended", 100, true, "True Running"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := &functionVisit{function: &corev1beta2.Function{}, target: &version{name: "r"}, serving: servingAt("hello", "r"), canary: servingAt("hello--canary", "r")}
			p := since(1, 0)
			p.Ended = test.ended
			v.canary.Annotations[corev1beta2.RolloutAnnotation] = p.String()
			if test.percent > 0 {
				v.serving.Spec.Split = &corev1beta2.ServingSplit{Serving: v.canary.Name, Percent: test.percent}
			}
			v.function.Spec.Serving = &corev1beta2.ServingImpl{}
			verdict := v.showRollout(served)
			if got := string(verdict.Status) + " " + verdict.Reason; got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// servingAt is a Serving of a version.
func servingAt(name, version string) *corev1beta2.Serving {
	return &corev1beta2.Serving{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{corev1beta2.RevisionAnnotation: version}}}
}

func TestRolloutProgress(t *testing.T) {
	fresh := progress{Revision: "r"}
	for _, test := range []struct {
		name, because string
		from          progress
		is            health
		steps         string
		released      int
		want          progress
		recheck       time.Duration
		done          bool
	}{
		{"Starting", "requests wait for a version that is ready", fresh, healthStarting, "10/1m", 0, fresh, 0, false},
		{"NeverReady", "what has had no requests may mend itself", fresh, healthFailed, "10/1m", 0, fresh, 0, false},
		{"Begins", "ready", fresh, healthReady, "10/1m 50", 0, since(1, 0), time.Minute, false},
		{"BeginsAndHolds", "a step without a pause waits for the user", fresh, healthReady, "10 50", 0, since(1, 0), 0, false},
		{"Waits", "the pause is not over", since(1, 20*time.Second), healthReady, "10/1m 50/1m", 0, since(1, 20*time.Second), 40 * time.Second, false},
		{"NextStep", "the pause is over", since(1, time.Minute), healthReady, "10/1m 50/2m", 0, since(2, 0), 2 * time.Minute, false},
		{"NextStepLate", "a step lasts its time even when nobody looked", since(1, time.Hour), healthReady, "10/1m 50/2m", 0, since(2, 0), 2 * time.Minute, false},
		{"Done", "the last pause is over", since(2, time.Minute), healthReady, "10/1m 50/1m", 0, since(2, time.Minute), 0, true},
		{"Holds", "time does not pass a step without a pause", since(1, time.Hour), healthReady, "10 50/1m", 0, since(1, time.Hour), 0, false},
		{"Released", "the user lets it go on", since(1, time.Hour), healthReady, "10 50/1m", 2, since(2, 0), time.Minute, false},
		{"ReleasedBefore", "that step is behind it", since(2, time.Second), healthReady, "10 50/1m", 2, since(2, time.Second), 59 * time.Second, false},
		{"Promoted", "the user lets it take over", since(1, 0), healthReady, "10 50", 3, since(1, 0), 0, true},
		{"PromotedAtOnce", "the user needs no step", fresh, healthReady, "10 50", 3, fresh, 0, true},
		{"PromotedUnready", "nothing takes over that is not ready", since(1, 0), healthStarting, "10 50", 3, since(0, 0, "begun"), 0, false},
		{"Falters", "it may be ready again soon, and then begins again", since(2, time.Hour), healthStarting, "10/1m 50/1m", 0, since(0, 0, "begun"), 0, false},
		{"Recovers", "from the first step", since(0, time.Hour, "begun"), healthReady, "10/1m 50/1m", 0, since(1, 0), time.Minute, false},
		{"Fails", "requests have shown that it does not work", since(2, time.Second), healthFailed, "10/1m 50/1m", 0, since(2, 0, "stopped"), 0, false},
		{"FailsAfterFaltering", "the same", since(0, time.Second, "begun"), healthFailed, "10/1m 50/1m", 0, since(0, 0, "stopped"), 0, false},
		{"StaysStopped", "what failed under load may look well without", since(2, time.Hour, "stopped"), healthReady, "10/1m 50/1m", 0, since(2, time.Hour, "stopped"), 0, false},
		{"PromotedAllTheSame", "the user decides", since(2, time.Hour, "stopped"), healthReady, "10/1m 50/1m", 3, since(2, time.Hour, "stopped"), 0, true},
		{"FewerSteps", "steps may change meanwhile", since(4, time.Second), healthReady, "10/1m 50/1m", 0, since(2, time.Second), 59 * time.Second, false},
		{"ClockSetBack", "a step takes no longer than its pause from now", since(1, -time.Hour), healthReady, "10/1m 50/1m", 0, since(1, 0), time.Minute, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, recheck, done := test.from.next(test.is, steps(test.steps), test.released, noon)
			if diff := cmp.Diff(test.want, got); diff != "" || recheck != test.recheck || done != test.done {
				t.Errorf("%s: recheck %s, done %t, - want + got:\n%s", test.because, recheck, done, diff)
			}
			if again, _, _ := got.next(test.is, steps(test.steps), test.released, noon); again != got {
				t.Errorf("the same again is %v, not %v", again, got)
			}
		})
	}
}

func TestProgressIsReadAsItWasWritten(t *testing.T) {
	for _, test := range []struct {
		name, because, text string
		want                progress
	}{
		{"Written", "it goes on from there", since(2, time.Minute, "stopped").String(), since(2, time.Minute, "stopped")},
		{"None", "nothing has begun", "", progress{Revision: "r"}},
		{"Another", "it says nothing of another version", `{"revision":"q","step":2}`, progress{Revision: "r"}},
		{"Garbage", "somebody else wrote it", "2", progress{Revision: "r"}},
		{"Negative", "there is no such step", `{"revision":"r","step":-3}`, progress{Revision: "r"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			canary := &corev1beta2.Serving{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{
				corev1beta2.RevisionAnnotation: "r", corev1beta2.RolloutAnnotation: test.text}}}
			got := progressOf(canary)
			if !got.Since.Equal(&test.want.Since) {
				t.Errorf("%s: since %s, not %s", test.because, got.Since, test.want.Since)
			}
			got.Since = test.want.Since // the same time in another zone
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s: %s", test.because, diff)
			}
		})
	}
}

func TestReleased(t *testing.T) {
	for annotation, want := range map[string]int{"": 0, "hello-1": 3, "hello-2": 0, "hello-1/2": 2, "hello-1/3": 3, "hello-1/x": 0, "hello-1/": 0, "hello-1/-4": 0} {
		f := &corev1beta2.Function{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{corev1beta2.PromoteAnnotation: annotation}}}
		f.Spec.Serving = &corev1beta2.ServingImpl{Rollout: &corev1beta2.Rollout{Steps: steps("10 50")}}
		if got := (&functionVisit{function: f}).released("hello-1"); got != want {
			t.Errorf("released by %q to %d, want %d", annotation, got, want)
		}
	}
}

// recordsOf are records with these numbers, named after them.
func recordsOf(numbers ...int64) history {
	var records history
	for _, number := range numbers {
		records = append(records, &appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Name: string(rune('a' + number - 1))}, Revision: number})
	}
	return records
}

func TestSurplusRevisions(t *testing.T) {
	for _, test := range []struct {
		name, because string
		limit         int
		current       string
		inUse         []string
		want          string
	}{
		{"WithinLimit", "there is room", 4, "", nil, ""},
		{"Oldest", "the oldest goes first", 3, "", nil, "a"},
		{"Current", "the one that serves does not count", 3, "d", nil, ""},
		{"CurrentIsOldest", "the one that serves stays", 1, "a", nil, "cb"},
		{"InUse", "one that is rolled back to stays", 1, "", []string{"a", ""}, "cb"},
		{"None", "a limit of none", 0, "x", nil, "dcba"},
		{"NoneButInUse", "a limit of none spares what is in use", 0, "b", []string{"c"}, "da"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			for _, record := range recordsOf(4, 3, 2, 1).surplus(test.limit, test.current, test.inUse...) {
				got += record.Name
			}
			if got != test.want {
				t.Errorf("gone: %q, want %q: %s", got, test.want, test.because)
			}
		})
	}
}

func TestRevisionNumbers(t *testing.T) {
	if n := (history{}).number("x"); n != 1 {
		t.Errorf("the first version has the number %d", n)
	}
	if n := recordsOf(7, 3).number("x"); n != 8 {
		t.Errorf("a version after 7 has the number %d", n)
	}
	if n := recordsOf(7, 3).number("c"); n != 3 {
		t.Errorf("a version recorded as 3 has the number %d", n)
	}
}

func TestVersionsDifferByWhatServes(t *testing.T) {
	f := &corev1beta2.Function{ObjectMeta: metav1.ObjectMeta{Name: "hello"}}
	f.Spec.Serving = &corev1beta2.ServingImpl{Params: map[string]string{"A": "1"}}
	name := func(image string) string {
		v, err := newest(f, image)
		if err != nil {
			t.Fatal(err)
		}
		return v.name
	}
	one := name("one")
	f.Spec.Serving.Rollout = &corev1beta2.Rollout{Steps: steps("10")}
	if name("one") != one {
		t.Error("how it takes over is no part of a version")
	}
	if name("two") == one {
		t.Error("another image is another version")
	}
	f.Spec.Serving.Params["A"] = "2"
	if name("one") == one {
		t.Error("another setting is another version")
	}
}
