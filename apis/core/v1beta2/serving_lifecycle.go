// SPDX-License-Identifier: Apache-2.0

package v1beta2

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// GetConditions returns the conditions of the status, to be changed in place.
func (s *Serving) GetConditions() *[]metav1.Condition { return &s.Status.Conditions }

// SetObservedGeneration records which generation of the spec the status speaks of.
func (s *Serving) SetObservedGeneration(generation int64) { s.Status.ObservedGeneration = generation }

// SetState sets the established fields phase, state, reason and message.
func (s *ServingStatus) SetState(state, reason, message string) {
	s.Phase, s.State, s.Reason, s.Message = ServingPhase, state, reason, message
}
