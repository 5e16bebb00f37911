// SPDX-License-Identifier: Apache-2.0

package v1beta2

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// GetConditions returns the conditions of the status, to be changed in place.
func (b *Builder) GetConditions() *[]metav1.Condition { return &b.Status.Conditions }

// SetObservedGeneration records which generation of the spec the status speaks of.
func (b *Builder) SetObservedGeneration(generation int64) { b.Status.ObservedGeneration = generation }

// SetState sets the established fields phase, state, reason and message.
func (s *BuilderStatus) SetState(state, reason, message string) {
	s.Phase, s.State, s.Reason, s.Message = BuildPhase, state, reason, message
}

// IsFinished tells whether the build has ended, well or not. A Builder is one build: it never begins again.
func (b *Builder) IsFinished() bool {
	return slices.Contains([]string{Succeeded, Failed, Timeout, Canceled}, b.Status.State) && b.FinishedAt() != nil
}

// HasSucceeded tells whether the image was pushed and its digest is known.
func (b *Builder) HasSucceeded() bool {
	return b.Status.State == Succeeded && b.Status.Output != nil && b.Status.Output.Digest != ""
}

// FinishedAt returns when the build ended, nil while it has not.
func (b *Builder) FinishedAt() *metav1.Time {
	for i := range b.Status.Conditions {
		condition := &b.Status.Conditions[i]
		if condition.Type == ReadyCondition && condition.Status != metav1.ConditionUnknown {
			return &condition.LastTransitionTime
		}
	}
	return nil
}
