// SPDX-License-Identifier: Apache-2.0

package core

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// finished is a Builder in the state that ended so long before noon; one that is at work has none.
func finished(name, state string, ago time.Duration) *corev1beta2.Builder {
	b := &corev1beta2.Builder{ObjectMeta: metav1.ObjectMeta{Name: name}}
	b.Status.State = state
	ready := metav1.ConditionFalse
	switch state {
	case corev1beta2.Building:
		ready = metav1.ConditionUnknown
	case corev1beta2.Succeeded:
		ready, b.Status.Output = metav1.ConditionTrue, &corev1beta2.BuilderOutput{Digest: "sha256:1"}
	}
	b.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: ready, LastTransitionTime: metav1.NewTime(noon.Add(-ago))}}
	return b
}

func TestExpired(t *testing.T) {
	now, building := finished("now", corev1beta2.Succeeded, 0), finished("now", corev1beta2.Building, 0)
	failed := finished("now", corev1beta2.Failed, 0)
	ok1, ok2, ok3 := finished("ok1", corev1beta2.Succeeded, time.Hour), finished("ok2", corev1beta2.Succeeded, 2*time.Hour), finished("ok3", corev1beta2.Succeeded, 3*time.Hour)
	bad1, bad2 := finished("bad1", corev1beta2.Canceled, time.Hour), finished("bad2", corev1beta2.Timeout, 2*time.Hour)
	running := finished("running", corev1beta2.Building, 9*time.Hour)
	limits := func(good, bad int32, age time.Duration) *corev1beta2.BuildImpl {
		return &corev1beta2.BuildImpl{SuccessfulBuildsHistoryLimit: &good, FailedBuildsHistoryLimit: &bad, BuilderMaxAge: &metav1.Duration{Duration: age}}
	}
	for _, test := range []struct {
		name, because string
		build         *corev1beta2.BuildImpl
		current       *corev1beta2.Builder
		others        []*corev1beta2.Builder
		gone          string
		next          time.Duration
	}{
		{"Defaults", "none that succeeded and one that failed are kept", &corev1beta2.BuildImpl{}, now, []*corev1beta2.Builder{ok1, bad2, bad1}, "bad2 ok1", 0},
		{"CurrentCounts", "the current one takes a place", limits(2, 1, 0), now, []*corev1beta2.Builder{ok3, ok1, ok2}, "ok2 ok3", 0},
		{"CurrentFailed", "and the one place of the failed is taken", limits(2, 1, 0), failed, []*corev1beta2.Builder{ok1, ok2, bad1}, "bad1", 0},
		{"CurrentAtWork", "it takes no place before it has ended", limits(2, 1, 0), building, []*corev1beta2.Builder{ok1, ok2, ok3, bad1}, "ok3", 0},
		{"AtWork", "a build that is being cancelled is not removed", limits(0, 0, time.Minute), now, []*corev1beta2.Builder{running}, "", 0},
		{"TooOld", "age comes before the limits", limits(5, 5, 90*time.Minute), now, []*corev1beta2.Builder{ok1, ok2, bad1, bad2}, "bad2 ok2", 30 * time.Minute},
		{"NoAge", "an age of 0 is none", limits(9, 9, 0), now, []*corev1beta2.Builder{ok1, ok2, ok3, bad1, bad2}, "", 0},
		{"Alone", "the current one always stays", limits(0, 0, time.Nanosecond), finished("now", corev1beta2.Succeeded, time.Hour), nil, "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			gone, next := expired(test.build, test.current, test.others, noon)
			var names []string
			for _, b := range gone {
				names = append(names, b.Name)
			}
			slices.Sort(names)
			if got := strings.Join(names, " "); got != test.gone || next != test.next {
				t.Errorf("%s: %q go and the next in %s; want %q and %s", test.because, got, next, test.gone, test.next)
			}
		})
	}
}

func TestBuilderNameDependsOnWhatIsBuilt(t *testing.T) {
	name := func(change func(f *corev1beta2.Function)) string {
		f := &corev1beta2.Function{ObjectMeta: metav1.ObjectMeta{Name: "hello"}}
		f.Spec.Image = "hello"
		f.Spec.Build = &corev1beta2.BuildImpl{Env: map[string]string{"A": "1", "B": "2"}, Source: &corev1beta2.Source{Inline: map[string]string{"main.go": "x"}}}
		f.Spec.Serving = &corev1beta2.ServingImpl{}
		change(f)
		b, err := builder(f)
		if err != nil {
			t.Fatal(err)
		}
		return b.Name
	}
	same := name(func(*corev1beta2.Function) {})
	for what, change := range map[string]func(f *corev1beta2.Function){
		"a history limit": func(f *corev1beta2.Function) { f.Spec.Build.FailedBuildsHistoryLimit = ptr.To[int32](7) },
		"builderMaxAge":   func(f *corev1beta2.Function) { f.Spec.Build.BuilderMaxAge = &metav1.Duration{Duration: 1} },
		"serving":         func(f *corev1beta2.Function) { f.Spec.Serving.Params = map[string]string{"A": "1"} },
		"a label":         func(f *corev1beta2.Function) { f.Labels = map[string]string{"a": "b"} },
	} {
		if name(change) != same {
			t.Errorf("%s makes another build", what)
		}
	}
	for what, change := range map[string]func(f *corev1beta2.Function){
		"source":           func(f *corev1beta2.Function) { f.Spec.Build.Source.Inline["main.go"] = "y" },
		"env":              func(f *corev1beta2.Function) { f.Spec.Build.Env["A"] = "2" },
		"image":            func(f *corev1beta2.Function) { f.Spec.Image = "other" },
		"imageCredentials": func(f *corev1beta2.Function) { f.Spec.ImageCredentials = &corev1.LocalObjectReference{Name: "push"} },
		"rebuild":          func(f *corev1beta2.Function) { f.Annotations = map[string]string{corev1beta2.RebuildAnnotation: "1"} },
	} {
		if name(change) == same {
			t.Errorf("another %s makes no other build", what)
		}
	}
}

func TestLastLines(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", ""},
		{"short\n\n", "short"},
		{"0123456789", "0123456789"},
		{"first line\nsecond\nthird\n", "third"},
		{strings.Repeat("x", 30), strings.Repeat("x", 10)},
		{strings.Repeat("é", 9), strings.Repeat("é", 5)},
		{"a" + strings.Repeat("日", 9), "日日日"},
		{"bad \xff byte", "bad ? byte"},
	} {
		got := lastLines(test.text, 10)
		if got != test.want || len(got) > 10 || !utf8.ValidString(got) {
			t.Errorf("lastLines(%q) = %q, want %q", test.text, got, test.want)
		}
	}
}

func TestLastLine(t *testing.T) {
	for text, want := range map[string]string{"": "", " \n\n": "", "one": "one", "one\n  two  \n\n": "two"} {
		if got := lastLine(text); got != want {
			t.Errorf("lastLine(%q) = %q, want %q", text, got, want)
		}
	}
}
