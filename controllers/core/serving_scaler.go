// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"fmt"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/serving/workload"
)

// saysScalerFailed tells that the status has it already, for this generation: it is not said again.
func saysScalerFailed(s *corev1beta2.Serving) bool {
	stalled := meta.FindStatusCondition(s.Status.Conditions, corev1beta2.StalledCondition)
	return stalled != nil && stalled.Reason == corev1beta2.ScalerFailedReason && stalled.ObservedGeneration == s.Generation
}

// doubtScaler takes back that KEDA cannot work with a scaler that has not been there for long.
func (r *ServingReconciler) doubtScaler(ctx context.Context, v *servingVisit) error {
	if v.health.Phase != core.Failed || v.health.Reason != corev1beta2.ScalerFailedReason || saysScalerFailed(v.serving) {
		return nil
	}
	for _, child := range v.live.Objects {
		kind := ""
		switch child.(type) {
		case *kedav1alpha1.ScaledObject:
			kind = "ScaledObject"
		case *kedav1alpha1.ScaledJob:
			kind = "ScaledJob"
		default:
			continue
		}
		scaler := &metav1.PartialObjectMetadata{} // not of the cache, which does not keep when fields were written
		scaler.SetGroupVersionKind(kedav1alpha1.SchemeGroupVersion.WithKind(kind))
		if err := r.Live.Get(ctx, client.ObjectKeyFromObject(child), scaler); apierrors.IsNotFound(err) {
			continue
		} else if err != nil {
			return fmt.Errorf("reading %s %s: %w", kind, child.GetName(), err)
		}
		if left := remaining(writtenAt(scaler, v.set.FieldOwner), workload.Patience(child), r.Clock.Now()); left > 0 {
			v.health.Phase, v.health.Reason = core.Starting, corev1beta2.StartingReason
			v.health.Message = fmt.Sprintf("KEDA has not got an answer for the triggers of %s %s yet", kind, child.GetName())
			v.again(left)
		}
	}
	return nil
}
