// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/status"
)

// route tells where the function answers: the addresses its Serving has been given.
func (r *FunctionReconciler) route(_ context.Context, v *functionVisit) error {
	f := v.function
	f.Status.Addresses = nil
	if f.Spec.Serving == nil || f.Spec.Serving.HTTP() == nil {
		status.Clear(f, corev1beta2.RoutedCondition)
		return nil
	}
	if v.serving != nil {
		f.Status.Addresses = v.serving.Status.Addresses
	}
	if len(f.Status.Addresses) == 0 {
		status.Mark(f, corev1beta2.RoutedCondition, metav1.ConditionUnknown, corev1beta2.NoAddressReason, "The engine has not given an address yet")
		return nil
	}
	status.Mark(f, corev1beta2.RoutedCondition, metav1.ConditionTrue, corev1beta2.AddressedReason, "Reachable at "+f.Status.Addresses[0].Value)
	return nil
}
