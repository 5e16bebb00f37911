// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/apply"
	"github.com/openfunction/openfunction/pkg/names"
	"github.com/openfunction/openfunction/pkg/status"
)

// serve writes the Serving of the built image. Until the current source is built, a Serving that exists is left as it is: image and
// settings are one version and change together.
func (r *FunctionReconciler) serve(ctx context.Context, v *functionVisit) error {
	f := v.function
	switch {
	case f.Spec.Serving == nil:
		f.Status.Serving = &corev1beta2.StageStatus{State: corev1beta2.Skipped}
		f.Status.Image = v.image
		status.Clear(f, corev1beta2.ServedCondition)
		return r.deleteServing(ctx, v)
	case v.image == "":
		if err := r.readServing(ctx, v); err != nil {
			return err
		}
	default:
		applied, err := v.children.Apply(ctx, servingOf(f, v.image))
		if err != nil {
			return err
		}
		v.serving = applied.(*corev1beta2.Serving)
	}
	v.showServing()
	v.holdForYoung(r.Clock.Now())
	return nil
}

// holdForYoung holds the status back while a new Serving is about to be served. Where there is a build there is news to tell already.
func (v *functionVisit) holdForYoung(now time.Time) {
	served := meta.FindStatusCondition(v.function.Status.Conditions, corev1beta2.ServedCondition)
	if v.function.Spec.Build == nil && v.serving != nil && served.Status == metav1.ConditionUnknown && isYoung(v.serving, now) {
		v.hold, v.recheck = true, youth
	}
}

func servingOf(f *corev1beta2.Function, image string) *corev1beta2.Serving {
	var annotations map[string]string
	if wish, ok := f.Annotations[corev1beta2.RotateTokenAnnotation]; ok {
		annotations = map[string]string{corev1beta2.RotateTokenAnnotation: wish}
	}
	return &corev1beta2.Serving{
		ObjectMeta: metav1.ObjectMeta{Name: f.Name, Namespace: f.Namespace, Annotations: annotations, Labels: map[string]string{
			corev1beta2.FunctionLabel: names.Label(f.Name), corev1beta2.ManagedLabel: "true"}},
		Spec: corev1beta2.ServingSpec{
			ServingImpl: *f.Spec.Serving.DeepCopy(), Version: f.Spec.Version, Image: image, ImageCredentials: f.Spec.ImageCredentials,
		},
	}
}

// readServing finds the Serving of an earlier version, if there is one.
func (r *FunctionReconciler) readServing(ctx context.Context, v *functionVisit) error {
	s := &corev1beta2.Serving{}
	err := r.Get(ctx, client.ObjectKeyFromObject(v.function), s)
	if apierrors.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("reading the Serving: %w", err)
	}
	if apply.Owns(v.function, s) {
		v.serving = s
	}
	return nil
}

func (r *FunctionReconciler) deleteServing(ctx context.Context, v *functionVisit) error {
	if err := r.readServing(ctx, v); err != nil || v.serving == nil {
		return err
	}
	defer func() { v.serving = nil }()
	return v.children.Delete(ctx, v.serving)
}

// showServing tells the state of the Serving, which speaks for the current version only once its controller has seen it.
func (v *functionVisit) showServing() {
	f, s := v.function, v.serving
	if s == nil {
		f.Status.Image = ""
		f.Status.Serving = &corev1beta2.StageStatus{}
		status.Mark(f, corev1beta2.ServedCondition, metav1.ConditionUnknown, corev1beta2.WaitingForImageReason, "Serving begins when the image is built")
		return
	}
	f.Status.Image = s.Spec.Image
	shown := &corev1beta2.StageStatus{State: corev1beta2.Starting, ResourceRef: s.Name, Service: s.Status.Service}
	if f.Status.Serving != nil {
		shown.LastSuccessfulResourceRef = f.Status.Serving.LastSuccessfulResourceRef
	}
	f.Status.Serving = shown
	ready := meta.FindStatusCondition(s.Status.Conditions, corev1beta2.ReadyCondition)
	if ready == nil || s.Status.ObservedGeneration != s.Generation {
		status.Mark(f, corev1beta2.ServedCondition, metav1.ConditionUnknown, corev1beta2.StartingReason, "The new version is about to start")
		return
	}
	shown.State, shown.Reason, shown.Message = s.Status.State, s.Status.Reason, s.Status.Message
	if ready.Status == metav1.ConditionTrue {
		shown.LastSuccessfulResourceRef = s.Name
	}
	switch {
	case v.image != "":
		status.Mark(f, corev1beta2.ServedCondition, ready.Status, ready.Reason, ready.Message)
	case ready.Status == metav1.ConditionTrue:
		status.Mark(f, corev1beta2.ServedCondition, metav1.ConditionUnknown, corev1beta2.WaitingForImageReason, "The previous version serves until the image is built")
	default:
		status.Mark(f, corev1beta2.ServedCondition, metav1.ConditionUnknown, corev1beta2.WaitingForImageReason, "Serving begins when the image is built")
	}
}

func isStalled(object status.Object) bool {
	return meta.IsStatusConditionTrue(*object.GetConditions(), corev1beta2.StalledCondition)
}
