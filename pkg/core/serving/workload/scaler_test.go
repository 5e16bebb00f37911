// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/serving/workload"
	"github.com/openfunction/openfunction/pkg/problem"
)

// conditions are those of a scaler that KEDA has taken up, with the Ready condition given.
func conditions(status metav1.ConditionStatus, reason, message string) kedav1alpha1.Conditions {
	conditions := *kedav1alpha1.GetInitializedConditions()
	conditions.SetReadyCondition(status, reason, message)
	return conditions
}

func paused(of kedav1alpha1.Conditions) kedav1alpha1.Conditions {
	of = slices.Clone(of)
	of.SetPausedCondition(metav1.ConditionTrue, "ScaledObjectPaused", "ScaledObject is paused")
	return of
}

// TestOpinion has KEDA's own words, as its controllers write them.
func TestOpinion(t *testing.T) {
	running := core.Health{Phase: core.Running, Reason: "Running", Message: "This version serves"}
	starting := core.Health{Phase: core.Starting, Reason: "Starting", Message: "No copy of this version is ready yet"}
	crashing := core.Health{Phase: core.Failed, Reason: corev1beta2.ContainerCrashedReason, Message: "it crashes"}
	unseen := core.Health{Phase: core.Starting, Reason: "Starting", Message: "KEDA has not looked at ScaledObject work--async yet"}
	broken := core.Health{Phase: core.Failed, Reason: corev1beta2.ScalerFailedReason,
		Message: "KEDA cannot work with ScaledObject work--async: Triggers defined in ScaledObject are not working correctly; " +
			"look at its events (kubectl describe scaledobject work--async) and change spec.serving.scaleOptions.keda"}
	limping := running
	limping.Message += ", but some triggers of ScaledObject work--async do not work: look at its events (kubectl describe scaledobject work--async)"
	failing := conditions(metav1.ConditionFalse, "TriggerError", "Triggers defined in ScaledObject are not working correctly")
	for _, test := range []struct {
		name, because string
		conditions    kedav1alpha1.Conditions
		of, want      core.Health
	}{
		{"None", "KEDA has not looked at it", nil, running, unseen},
		{"Initialized", "KEDA has begun to look", *kedav1alpha1.GetInitializedConditions(), running, unseen},
		{"Starting", "the workload says it better", nil, starting, starting},
		{"Ready", "KEDA works with it", conditions(metav1.ConditionTrue, "ScaledObjectReady", "fine"), running, running},
		{"Paused", "the user wants it so", paused(failing), running, running},
		{"PausedAtOnce", "the user wants it so", paused(nil), running, running},
		{"Target", "KEDA will find the workload in a moment", conditions(metav1.ConditionFalse, "ScaledObjectCheckFailed",
			`ScaledObject doesn't have correct scaleTargetRef specification: deployments.apps "work--async" not found`), running, unseen},
		{"Conflict", "KEDA will try again", conditions(metav1.ConditionFalse, "ScaledObjectCheckFailed",
			`failed to update ScaledObject with scaledObjectName label: Operation cannot be fulfilled on scaledobjects.keda.sh "work--async": `+
				"the object has been modified; please apply your changes to the latest version and try again"), running, unseen},
		{"Broken", "it would never scale", failing, running, broken},
		{"BrokenBeforeTheStart", "at zero nothing would ever start it", failing, starting, broken},
		{"BrokenBesideCrash", "what the pods say is nearer to the cause", failing, crashing, crashing},
		{"Partly", "the other triggers scale it", conditions(metav1.ConditionUnknown, "PartialTriggerError", "some"), running, limping},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, workload.OpinionOf("ScaledObject", "work--async", test.conditions).Scaled(test.of)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.because, diff)
			}
		})
	}
}

func TestOpinionKeepsWhatServes(t *testing.T) {
	beside := core.Health{Phase: core.Starting, Serving: "work--async-1"}
	opinion := workload.OpinionOf("ScaledObject", "work--async", conditions(metav1.ConditionFalse, "TriggerError", ""))
	if health := opinion.Scaled(beside); health.Serving != beside.Serving || health.Phase != core.Failed {
		t.Errorf("got %+v", health)
	}
}

func TestPatience(t *testing.T) {
	object := func(reason string, polling *int32) *kedav1alpha1.ScaledObject {
		return &kedav1alpha1.ScaledObject{Spec: kedav1alpha1.ScaledObjectSpec{PollingInterval: polling},
			Status: kedav1alpha1.ScaledObjectStatus{Conditions: conditions(metav1.ConditionFalse, reason, "broken")}}
	}
	job := &kedav1alpha1.ScaledJob{Status: kedav1alpha1.ScaledJobStatus{Conditions: conditions(metav1.ConditionFalse, "TriggerError", "broken")}}
	for _, test := range []struct {
		name, because string
		of            client.Object
		want          time.Duration
	}{
		{"Refused", "KEDA will not change its mind", object("ScaledObjectCheckFailed", nil), 3 * time.Second},
		{"New", "KEDA has said nothing", &kedav1alpha1.ScaledObject{}, 3 * time.Second},
		{"Unanswered", "KEDA looks every 30 s", object("TriggerError", nil), 45 * time.Second},
		{"UnansweredSoon", "the user has KEDA look more often", object("TriggerError", ptr.To[int32](1)), 16 * time.Second},
		{"Job", "Jobs are no different", job, 45 * time.Second},
		{"Other", "it is no scaler with triggers", &corev1.Service{}, 3 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := workload.Patience(test.of); got != test.want {
				t.Errorf("%s: got %s, want %s", test.because, got, test.want)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	options := func(least, most int32) *corev1beta2.ScaleOptions {
		return &corev1beta2.ScaleOptions{MinReplicas: ptr.To(least), MaxReplicas: ptr.To(most)}
	}
	for _, test := range []struct {
		name, because string
		options       *corev1beta2.ScaleOptions
		least, most   *int32
		want          workload.Bounds
		refused       bool
	}{
		{"None", "KEDA has defaults of its own", nil, nil, nil, workload.Bounds{}, false},
		{"Common", "these are for every engine", options(1, 5), nil, nil, workload.Bounds{Min: 1, Max: ptr.To[int32](5)}, false},
		{"Own", "the nearer ones win", options(1, 5), ptr.To[int32](0), ptr.To[int32](7), workload.Bounds{Max: ptr.To[int32](7)}, false},
		{"NoMaximum", "0 is no limit, as with Knative", options(1, 0), nil, nil, workload.Bounds{Min: 1}, false},
		{"Crossed", "each pair is right, and both together are not", options(4, 5), nil, ptr.To[int32](3), workload.Bounds{}, true},
		{"AboveTheDefault", "KEDA's own maximum is 100", options(101, 0), nil, nil, workload.Bounds{}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := workload.BoundsOf(test.options, test.least, test.most)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.because, diff)
			}
			var stalled *problem.StalledError
			if is := errors.As(err, &stalled) && stalled.Reason == corev1beta2.InvalidSpecReason; is != test.refused {
				t.Errorf("%s: %v", test.because, err)
			}
		})
	}
}
