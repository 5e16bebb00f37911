// SPDX-License-Identifier: Apache-2.0

package core

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/problem"
	"github.com/openfunction/openfunction/pkg/status"
)

func TestWhatIsInTheWayTakesThePlaceOfWhatWasSaidOfAnEarlierSpec(t *testing.T) {
	type said struct{ built, served, build, serving string }
	waiting := problem.Waiting("BuildCanceled", "The cancelled build is being cleared away")
	stalled := problem.Stalled("NameTaken", "Somebody else has the name")
	for _, test := range []struct {
		name, because, part string
		err                 error
		want                said
	}{
		{"BuildWaits", "the image of the current source is not there yet, so it does not serve", "Built", waiting,
			said{"Unknown BuildCanceled", "Unknown WaitingForImage", " BuildCanceled", "Running "}},
		{"BuildStalls", "nor will it before the user acts", "Built", stalled,
			said{"False NameTaken", "Unknown WaitingForImage", "Failed NameTaken", "Running "}},
		{"ServingWaits", "the build is done, whatever keeps it from being served", "Served", waiting,
			said{"True BuildSucceeded", "Unknown BuildCanceled", "Succeeded ", " BuildCanceled"}},
		{"ServingStalls", "and likewise", "Served", stalled,
			said{"True BuildSucceeded", "False NameTaken", "Succeeded ", "Failed NameTaken"}},
		{"Passing", "an error that passes is not shown", "Built", errors.New("the API server is away"),
			said{"True BuildSucceeded", "True Running", "Succeeded ", "Running "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &corev1beta2.Function{}
			status.Mark(f, corev1beta2.BuiltCondition, metav1.ConditionTrue, corev1beta2.BuildSucceededReason, "Built")
			status.Mark(f, corev1beta2.ServedCondition, metav1.ConditionTrue, corev1beta2.RunningReason, "Served")
			f.Status.Build = &corev1beta2.StageStatus{State: corev1beta2.Succeeded, LastSuccessfulResourceRef: "the last"}
			f.Status.Serving = &corev1beta2.StageStatus{State: corev1beta2.Running, LastSuccessfulResourceRef: "the last"}
			showFunction(f, test.part, test.err)
			of := func(kind string) string {
				c := meta.FindStatusCondition(f.Status.Conditions, kind)
				return string(c.Status) + " " + c.Reason
			}
			got := said{of(corev1beta2.BuiltCondition), of(corev1beta2.ServedCondition),
				f.Status.Build.State + " " + f.Status.Build.Reason, f.Status.Serving.State + " " + f.Status.Serving.Reason}
			if d := cmp.Diff(test.want, got, cmp.AllowUnexported(said{})); d != "" {
				t.Errorf("%s: %s", test.because, d)
			}
			if f.Status.Build.LastSuccessfulResourceRef != "the last" || f.Status.Serving.LastSuccessfulResourceRef != "the last" {
				t.Error("what succeeded last is forgotten")
			}
		})
	}
}
