// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
)

// Verdict is what KEDA thinks of a scaler.
type Verdict int

const (
	// Unseen means that KEDA has not looked at the scaler, or could not while its target was being made.
	Unseen Verdict = iota
	// Accepted means that KEDA works with the scaler, or leaves it alone because it is paused.
	Accepted
	// Limping means that KEDA works with the scaler, but not with all of its triggers.
	Limping
	// Broken means that KEDA cannot work with the scaler.
	Broken
)

// Opinion is what KEDA thinks of a scaler, and why.
type Opinion struct {
	// Verdict in a word.
	Verdict Verdict
	// Message is KEDA's.
	Message string
	// Kind and Name are the scaler's.
	Kind, Name string
}

// OpinionOf reads the conditions KEDA gives a ScaledObject or a ScaledJob. They do not say which generation they speak of.
func OpinionOf(kind, name string, conditions kedav1alpha1.Conditions) Opinion {
	opinion := Opinion{Kind: kind, Name: name}
	ready, paused := conditions.GetReadyCondition(), conditions.GetPausedCondition()
	opinion.Message = ready.Message
	switch {
	case paused.IsTrue() || ready.IsTrue():
		opinion.Verdict = Accepted
	case ready.IsFalse() && !passes(ready.Message):
		opinion.Verdict = Broken
	case ready.IsUnknown() && ready.Reason != "":
		opinion.Verdict = Limping
	}
	return opinion
}

// passes tells that what KEDA complains of ends by itself: it did not find the workload, which is made before its scaler, or it wrote to the scaler
// when we did.
func passes(message string) bool {
	return strings.HasPrefix(message, "ScaledObject doesn't have correct scaleTargetRef specification") ||
		strings.HasPrefix(message, "Error getting current replicas count for ScaleTarget") ||
		strings.Contains(message, "the object has been modified; please apply your changes to the latest version")
}

// How long KEDA is given before it is believed that a scaler does not work, from when the scaler was written.
const (
	// reflection is for KEDA to look at it: what it said before may be about what the scaler was before.
	reflection = 3 * time.Second
	// warmUp, and the time between two looks of KEDA, are for what the triggers look at to answer. The function or its daprd may be what makes it, such as the
	// consumer group of a stream.
	warmUp = 15 * time.Second
	// defaultPolling is KEDA's own time between two looks (https://keda.sh/docs/2.21/reference/scaledobject-spec/#pollinginterval).
	defaultPolling = 30
)

// unanswered is KEDA's reason where it understands the triggers and what they look at does not answer.
const unanswered = "TriggerError"

// Patience is how long after it was written a ScaledObject or ScaledJob may be broken in KEDA's eyes before that is told.
func Patience(scaler client.Object) time.Duration {
	switch scaler := scaler.(type) {
	case *kedav1alpha1.ScaledObject:
		return patience(scaler.Status.Conditions, scaler.Spec.PollingInterval)
	case *kedav1alpha1.ScaledJob:
		return patience(scaler.Status.Conditions, scaler.Spec.PollingInterval)
	}
	return reflection
}

func patience(conditions kedav1alpha1.Conditions, polling *int32) time.Duration {
	if ready := conditions.GetReadyCondition(); ready.Reason != unanswered {
		return reflection
	}
	return warmUp + time.Duration(ptr.Deref(polling, defaultPolling))*time.Second
}

// Scaled completes the health of a workload with what KEDA thinks of its scaler. What the workload's own pods say is nearer to the cause.
func (o Opinion) Scaled(health core.Health) core.Health {
	if health.Phase == core.Failed {
		return health
	}
	switch o.Verdict {
	case Broken:
		health.Phase, health.Reason = core.Failed, corev1beta2.ScalerFailedReason
		health.Message = fmt.Sprintf("KEDA cannot work with %s %s: %s; look at its events (kubectl describe %s %s) and change spec.serving.scaleOptions.keda",
			o.Kind, o.Name, cmp.Or(o.Message, "it does not say why"), strings.ToLower(o.Kind), o.Name)
	case Unseen:
		if health.Phase == core.Running {
			health = core.Health{Phase: core.Starting, Reason: corev1beta2.StartingReason,
				Message: fmt.Sprintf("KEDA has not looked at %s %s yet", o.Kind, o.Name)}
		}
	case Limping:
		health.Message = fmt.Sprintf("%s, but some triggers of %s %s do not work: look at its events (kubectl describe %s %s)",
			health.Message, o.Kind, o.Name, strings.ToLower(o.Kind), o.Name)
	case Accepted:
	}
	return health
}
