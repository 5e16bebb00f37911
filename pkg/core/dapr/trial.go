// SPDX-License-Identifier: Apache-2.0

package dapr

import (
	"slices"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// OnTrial makes of a Serving one that may run beside another of the same function and has its app id, and with it its state. It takes
// no events, so that none is handled twice. Instead of an agent it has a daprd that Dapr's operator does not know: the operator would move the Service
// of the app id to it, and remove the Service with it.
func OnTrial(s *corev1beta2.Serving) {
	mode, err := modeOf(s)
	if err == nil && enabled(s) && mode == corev1beta2.DaprModeFunction {
		options := corev1beta2.DaprOptions{}
		if s.Spec.Dapr != nil {
			options = *s.Spec.Dapr
		}
		options.Mode = corev1beta2.DaprModeShared
		s.Spec.Dapr = &options
	}
	if s.Spec.Triggers == nil {
		return
	}
	calls := func(t corev1beta2.DaprTrigger) bool { return !isState(normalType(t.Type)) }
	for _, t := range s.Spec.Triggers.Dapr {
		if calls(t) && !isOutput(s, t.Name) {
			delete(s.Spec.Bindings, t.Name)
			delete(s.Spec.Pubsub, t.Name)
		}
	}
	s.Spec.Triggers.Dapr = slices.DeleteFunc(s.Spec.Triggers.Dapr, calls)
}

// isOutput tells whether the function also sends to, or reads from, a component that calls it.
func isOutput(s *corev1beta2.Serving, name string) bool {
	used := func(r reference) bool { return r.name == name }
	return slices.ContainsFunc(inputsOf(s), used) || slices.ContainsFunc(outputsOf(s), func(o outputReference) bool { return used(o.reference) })
}
