// SPDX-License-Identifier: Apache-2.0

package core

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/status"
)

// event is something that happened, told to the user once.
type event struct {
	on     client.Object
	kind   string
	reason string
	action string
	text   string
}

func (e event) record(recorder events.EventRecorder) {
	recorder.Eventf(e.on, nil, e.kind, e.reason, e.action, "%s", e.text)
}

// announceServing speaks only for a Serving that stands alone; a Function's is announced by the Function.
func announceServing(recorder events.EventRecorder, s *corev1beta2.Serving, report *status.Report) {
	if metav1.GetControllerOf(s) == nil {
		report.Announce(recorder, corev1beta2.ReadyCondition, "Serve")
	}
}

// announceBuilder speaks only for a Builder that stands alone; a Function's is announced by the Function.
func announceBuilder(recorder events.EventRecorder, b *corev1beta2.Builder, report *status.Report) {
	if metav1.GetControllerOf(b) == nil {
		report.Announce(recorder, corev1beta2.ReadyCondition, "Build")
	}
}

// announceFunction tells when a build begins and how it ends, and when the function is ready or cannot become so.
func announceFunction(recorder events.EventRecorder, f *corev1beta2.Function, report *status.Report) {
	built, changed := report.Became(corev1beta2.BuiltCondition)
	if changed && built.Reason == corev1beta2.BuildPendingReason {
		event{f, corev1.EventTypeNormal, "BuildStarted", "Build", "Building " + f.Spec.Image + " with Builder " + f.Status.Build.ResourceRef}.record(recorder)
	}
	report.Announce(recorder, corev1beta2.BuiltCondition, "Build")
	report.Announce(recorder, corev1beta2.RolledBackCondition, "RollBack")
	if ready := report.Before(corev1beta2.ReadyCondition); changed && built.Status == metav1.ConditionFalse && ready.Reason != "" {
		return // Ready only repeats what Built has just said.
	}
	report.Announce(recorder, corev1beta2.ReadyCondition, "Serve")
}

// announceRollout tells when a new version is tried, gets another share of the requests, and takes over. That it was stopped is told with Ready.
func announceRollout(recorder events.EventRecorder, f *corev1beta2.Function, report *status.Report, before *corev1beta2.RolloutStatus) {
	now := f.Status.Rollout
	if now == nil || !report.Written() {
		return
	}
	if before == nil || before.Revision != now.Revision {
		event{f, corev1.EventTypeNormal, "RolloutStarted", "RollOut", "Trying revision " + now.Revision + " beside the current one"}.record(recorder)
		before = &corev1beta2.RolloutStatus{}
	}
	switch now.Percent {
	case before.Percent, 0:
	case 100:
		event{f, corev1.EventTypeNormal, "RolloutPromoted", "RollOut", "Revision " + now.Revision + " takes over"}.record(recorder)
	default:
		event{f, corev1.EventTypeNormal, "RolloutStep", fmt.Sprintf("RollOutStep%d", now.Step), // events of one action are counted, not told again
			fmt.Sprintf("Revision %s gets %d %% of the requests, step %d of %d", now.Revision, now.Percent, now.Step, now.Steps)}.record(recorder)
	}
}
