// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/problem"
	"github.com/openfunction/openfunction/pkg/status"
)

func TestSentence(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		"a full stop.":                  "A full stop",
		"Downloading...":                "Downloading",
		"two\n lines\tand  spaces . ":   "Two lines and spaces",
		`"quoted" names stay`:           `"quoted" names stay`,
		strings.Repeat("é", 300):        strings.Repeat("é", 254) + "...",
		"É" + strings.Repeat("x", 1000): "É" + strings.Repeat("x", 507) + "...",
	} {
		if strings.HasPrefix(text, "é") {
			want = "É" + strings.TrimPrefix(want, "é")
		}
		if got := status.Sentence(text); got != want {
			t.Errorf("Sentence(%q) = %q, want %q", text, got, want)
		}
	}
}

// FuzzSentence says that whatever a tool prints makes a condition that keeps the laws.
func FuzzSentence(f *testing.F) {
	for _, text := range []string{"done.", "wait...", "ß", ". . .", "x" + strings.Repeat("日本", 300)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if status.Sentence(text) == "" {
			return // a reconciler has to say something
		}
		object := &corev1beta2.Function{}
		status.MarkReady(object, "Done", text)
		if err := status.Check(object); err != nil {
			t.Error(err)
		}
	})
}

func TestSummarize(t *testing.T) {
	for _, test := range []struct {
		name, because string
		parts         map[string]metav1.ConditionStatus
		want          string
	}{
		{"Nothing", "parts that are absent do not count", nil, "Ready"},
		{"AllTrue", "every part is done", map[string]metav1.ConditionStatus{"Built": metav1.ConditionTrue, "Served": metav1.ConditionTrue}, "Ready"},
		{"OnePending", "the first that is not done says why", map[string]metav1.ConditionStatus{"Built": metav1.ConditionTrue, "Served": metav1.ConditionUnknown}, "Reconciling Served"},
		{"FirstPending", "parts speak in their order", map[string]metav1.ConditionStatus{"Built": metav1.ConditionUnknown, "Served": metav1.ConditionUnknown}, "Reconciling Built"},
		{"FalseAfterPending", "a version that fails is about to be replaced by the one being built", map[string]metav1.ConditionStatus{"Built": metav1.ConditionUnknown, "Served": metav1.ConditionFalse}, "Reconciling Built"},
		{"OneFalse", "nothing goes on until the user acts", map[string]metav1.ConditionStatus{"Built": metav1.ConditionTrue, "Served": metav1.ConditionFalse}, "Stalled Served"},
	} {
		t.Run(test.name, func(t *testing.T) {
			object := &corev1beta2.Function{}
			status.MarkStalled(object, "Earlier", "Something else")
			for part, state := range test.parts {
				status.Mark(object, part, state, part, part+" speaks")
			}
			status.Summarize(object, "Serving", "Built", "Served")
			if got := summary(object); got != test.want {
				t.Errorf("%s: got %q, want %q", test.because, got, test.want)
			}
			if err := status.Check(object); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestConcludesTellsWhatIsNews(t *testing.T) {
	made := func(generation int64, mark func(f *corev1beta2.Function)) *corev1beta2.Function {
		f := &corev1beta2.Function{ObjectMeta: metav1.ObjectMeta{Generation: generation}}
		mark(f)
		return f
	}
	ready := func(f *corev1beta2.Function) { status.MarkReady(f, "Ready", "Serving") }
	stalled := func(f *corev1beta2.Function) { status.MarkStalled(f, "Broken", "Broken") }
	reconciling := func(f *corev1beta2.Function) { status.MarkReconciling(f, "Starting", "Starting") }
	// What was said of the generation before is not said of this one.
	earlier := func(mark func(*corev1beta2.Function)) func(*corev1beta2.Function) {
		return func(f *corev1beta2.Function) { f.Generation--; mark(f); f.Generation++ }
	}
	for name, test := range map[string]struct {
		before, after func(f *corev1beta2.Function)
		want          bool
	}{
		"the first verdict":           {func(*corev1beta2.Function) {}, ready, true},
		"ready after a while":         {reconciling, ready, true},
		"stalled after a while":       {reconciling, stalled, true},
		"the other verdict":           {stalled, ready, true},
		"ready as before":             {ready, ready, false},
		"stalled as before":           {stalled, stalled, false},
		"ready as the spec before":    {earlier(ready), ready, true},
		"stalled as the spec before":  {earlier(stalled), stalled, true},
		"no verdict any more":         {ready, reconciling, false},
		"no verdict on the last spec": {ready, earlier(ready), false},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			if got := status.Concludes(made(2, test.before), made(2, test.after)); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// summary is the one of Ready, Reconciling and Stalled that is True, with its reason unless it is Ready.
func summary(object status.Object) string {
	var found []string
	for _, kind := range []string{status.Ready, status.Reconciling, status.Stalled} {
		if c := meta.FindStatusCondition(*object.GetConditions(), kind); c != nil && c.Status == metav1.ConditionTrue {
			found = append(found, strings.TrimSuffix(kind+" "+c.Reason, " Ready"))
		}
	}
	return strings.Join(found, ", ")
}

func TestCheckFindsWhatIsBroken(t *testing.T) {
	good := func() *corev1beta2.Function {
		f := &corev1beta2.Function{ObjectMeta: metav1.ObjectMeta{Generation: 2}}
		status.MarkReady(f, "Ready", "Serving")
		return f
	}
	if err := status.Check(good()); err != nil {
		t.Fatal(err)
	}
	for want, breakIt := range map[string]func(f *corev1beta2.Function){
		"has no Ready":           func(f *corev1beta2.Function) { status.Clear(f, status.Ready) },
		"beside Reconciling":     func(f *corev1beta2.Function) { status.Mark(f, status.Reconciling, metav1.ConditionTrue, "R", "M") },
		"exists and is False":    func(f *corev1beta2.Function) { status.Mark(f, status.Stalled, metav1.ConditionFalse, "R", "M") },
		"speaks of generation 1": func(f *corev1beta2.Function) { f.Status.Conditions[0].ObservedGeneration = 1 },
		"has the reason":         func(f *corev1beta2.Function) { f.Status.Conditions[0].Reason = "two words" },
		"is empty":               func(f *corev1beta2.Function) { f.Status.Conditions[0].Message = "" },
		"is too long":            func(f *corev1beta2.Function) { f.Status.Conditions[0].Message = strings.Repeat("X", 600) },
		"more than one line":     func(f *corev1beta2.Function) { f.Status.Conditions[0].Message = "A\nb" },
		"begins with a small":    func(f *corev1beta2.Function) { f.Status.Conditions[0].Message = "small" },
		"ends with a full stop":  func(f *corev1beta2.Function) { f.Status.Conditions[0].Message = "End." },
		"Reconciling and Stalled are both True": func(f *corev1beta2.Function) {
			status.Mark(f, status.Reconciling, metav1.ConditionTrue, "R", "M")
			status.Mark(f, status.Stalled, metav1.ConditionTrue, "R", "M")
		},
	} {
		f := good()
		breakIt(f)
		if err := status.Check(f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// world is a fake API server with one Function, that counts status patches and answers them with an error if there is one.
func world(t *testing.T, answer error) (c client.Client, read func() *corev1beta2.Function, patches *int) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := corev1beta2.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	patches = new(int)
	object := &corev1beta2.Function{ObjectMeta: metav1.ObjectMeta{Name: "f", Namespace: "n", Generation: 3}}
	c = fake.NewClientBuilder().WithScheme(scheme).WithObjects(object).WithStatusSubresource(object).WithInterceptorFuncs(interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			*patches++
			if answer != nil {
				return answer
			}
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
	}).Build()
	return c, func() *corev1beta2.Function {
		f := &corev1beta2.Function{}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(object), f); err != nil {
			t.Fatal(err)
		}
		return f
	}, patches
}

func TestFinishWritesOnceAndOnlyWhatChanged(t *testing.T) {
	c, read, patches := world(t, nil)
	for range 3 {
		f := read()
		report := status.Begin(f)
		status.MarkReady(f, "Ready", "Serving")
		res, err := report.Finish(t.Context(), c, ctrl.Result{RequeueAfter: time.Hour}, nil)
		if err != nil || res.RequeueAfter != time.Hour {
			t.Fatalf("Finish = %v, %v", res, err)
		}
	}
	if *patches != 1 {
		t.Errorf("%d patches, want 1", *patches)
	}
	if f := read(); f.Status.ObservedGeneration != 3 || f.Status.Conditions[0].ObservedGeneration != 3 {
		t.Errorf("the status speaks of another generation: %+v", f.Status)
	}
}

func TestFinishTurnsErrorsIntoConditions(t *testing.T) {
	passing := errors.New("the network is down")
	conflict := apierrors.NewConflict(schema.GroupResource{}, "f", errors.New("changed"))
	for _, test := range []struct {
		name    string
		err     error
		summary string
		patches int
		recheck time.Duration
		returns error
	}{
		{"Stalled", fmt.Errorf("applying: %w", problem.Stalled("Wrong", "mend it")), "Stalled Wrong", 1, 0, nil},
		{"Waiting", problem.Waiting("Later", "it comes"), "Reconciling Later", 1, 0, nil},
		{"WaitingUntil", problem.WaitingUntil(time.Minute, "Later", "it comes"), "Reconciling Later", 1, time.Minute, nil},
		{"Passing", passing, "", 0, 0, passing},
		{"Conflict", conflict, "", 0, 50 * time.Millisecond, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, read, patches := world(t, nil)
			f := read()
			res, err := status.Begin(f).Finish(t.Context(), c, ctrl.Result{}, test.err)
			if !errors.Is(err, test.returns) || res.RequeueAfter != test.recheck || *patches != test.patches || summary(read()) != test.summary {
				t.Errorf("Finish = %v, %v after %d patches with %q", res, err, *patches, summary(read()))
			}
		})
	}
}

func TestFinishWhenTheWriteFails(t *testing.T) {
	group := schema.GroupResource{}
	for name, answer := range map[string]error{
		"conflict": apierrors.NewConflict(group, "f", errors.New("changed")), "gone": apierrors.NewNotFound(group, "f"),
		"refused": apierrors.NewForbidden(group, "f", errors.New("no")),
	} {
		c, read, _ := world(t, answer)
		f := read()
		report := status.Begin(f)
		status.MarkReady(f, "Ready", "Serving")
		_, err := report.Finish(t.Context(), c, ctrl.Result{}, nil)
		if (err != nil) != (name == "refused") {
			t.Errorf("%s: the error is %v", name, err)
		}
		if _, became := report.Became(status.Ready); became {
			t.Errorf("%s: what was not written is told as an Event", name)
		}
	}
}

func TestAStaleCallWritesNothing(t *testing.T) {
	c, read, _ := world(t, nil)
	stale := read()
	current := read()
	report := status.Begin(current)
	status.MarkReady(current, "Ready", "Serving")
	if _, err := report.Finish(t.Context(), c, ctrl.Result{}, nil); err != nil {
		t.Fatal(err)
	}
	report = status.Begin(stale)
	status.MarkStalled(stale, "Old", "Of another time")
	res, err := report.Finish(t.Context(), c, ctrl.Result{}, nil)
	if err != nil || res.RequeueAfter == 0 || summary(read()) != "Ready" {
		t.Errorf("Finish = %v, %v and the status is %q", res, err, summary(read()))
	}
}

// What a call said before it found out better has never been so.
func TestATransitionIsOneBetweenCalls(t *testing.T) {
	c, read, patches := world(t, nil)
	since := metav1.NewTime(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC))
	f := read()
	report := status.Begin(f)
	status.MarkStalled(f, "Refused", "The first is refused")
	status.Mark(f, "Built", metav1.ConditionFalse, "Refused", "The first is refused")
	for i := range f.Status.Conditions {
		f.Status.Conditions[i].LastTransitionTime = since
	}
	if _, err := report.Finish(t.Context(), c, ctrl.Result{}, nil); err != nil {
		t.Fatal(err)
	}
	f = read()
	report = status.Begin(f)
	status.Mark(f, "Built", metav1.ConditionTrue, "Built", "It is built")
	status.MarkReady(f, "Ready", "Serving")
	status.Mark(f, "Built", metav1.ConditionFalse, "Refused", "The second is refused")
	if _, err := report.Finish(t.Context(), c, ctrl.Result{}, problem.Stalled("Refused", "The second is refused")); err != nil {
		t.Fatal(err)
	}
	f = read()
	if *patches != 2 || len(f.Status.Conditions) != 3 {
		t.Fatalf("%d patches, and the conditions are %v", *patches, f.Status.Conditions)
	}
	for _, condition := range f.Status.Conditions {
		if !condition.LastTransitionTime.Time.Equal(since.Time) || condition.Message != "The second is refused" {
			t.Errorf("%s is %s since %s: %s", condition.Type, condition.Status, condition.LastTransitionTime, condition.Message)
		}
	}
}

func TestHoldLeavesTheStatusAlone(t *testing.T) {
	c, read, patches := world(t, nil)
	f := read()
	report := status.Begin(f)
	status.MarkReady(f, "Ready", "Serving")
	report.Hold()
	if _, err := report.Finish(t.Context(), c, ctrl.Result{}, nil); err != nil || *patches != 0 {
		t.Errorf("%d patches, %v", *patches, err)
	}
	if _, became := report.Became(status.Ready); became {
		t.Error("what is held back is told as an Event")
	}
}
