// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/apply"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/names"
	"github.com/openfunction/openfunction/pkg/problem"
	"github.com/openfunction/openfunction/pkg/status"
)

// serve lets the version that is wanted serve: the newest, or the one that the user rolled back to. Until the current source is built, a
// Serving that exists is left as it is: image and settings are one version and change together.
func (r *FunctionReconciler) serve(ctx context.Context, v *functionVisit) error {
	f := v.function
	if err := r.readHistory(ctx, v); err != nil {
		return err
	}
	if err := r.readServings(ctx, v, r.Client); err != nil {
		return err
	}
	if f.Spec.Serving == nil {
		return r.stopServing(ctx, v)
	}
	unknown := r.chooseVersion(ctx, v)
	if _, is := problem.AsStalled(unknown); unknown != nil && !is {
		return unknown
	}
	if err := r.carryOut(ctx, v); err != nil {
		return err
	}
	verdict := v.showRollout(v.showServing())
	if stalled, is := problem.AsStalled(unknown); is {
		verdict = metav1.Condition{Status: metav1.ConditionFalse, Reason: stalled.Reason, Message: stalled.Message}
	}
	status.Mark(f, corev1beta2.ServedCondition, verdict.Status, verdict.Reason, verdict.Message)
	if err := r.pruneHistory(ctx, v); err != nil {
		return err
	}
	v.showHistory()
	v.holdForYoung(r.Clock.Now())
	return nil
}

// chooseVersion finds the version that is to serve. There is none while the image is not built.
func (r *FunctionReconciler) chooseVersion(ctx context.Context, v *functionVisit) (err error) {
	f := v.function
	if f.Spec.RollbackTo == nil {
		status.Clear(f, corev1beta2.RolledBackCondition)
		if v.image != "" {
			v.target, err = newest(f, v.image)
		}
		return err
	}
	if v.target, err = r.rolledBack(ctx, v); err != nil {
		status.Clear(f, corev1beta2.RolledBackCondition)
		return err
	}
	status.Mark(f, corev1beta2.RolledBackCondition, metav1.ConditionTrue, corev1beta2.RolledBackReason,
		fmt.Sprintf("Revision %d serves; what else the spec says waits until spec.rollbackTo is removed", *f.Spec.RollbackTo))
	return nil
}

// carryOut brings the Servings of the function to what the rollout is at. Where none is, that is one Serving of the version that is wanted.
func (r *FunctionReconciler) carryOut(ctx context.Context, v *functionVisit) error {
	if v.serving == nil && v.target == nil {
		return nil
	}
	if v.mayRollOut() {
		// A step that a lagging cache does not show would be taken twice.
		cached := v.serving
		if err := r.readServings(ctx, v, r.Live); err != nil {
			return err
		}
		if cached != nil && v.serving == nil {
			// With nothing to compare it with, the new version would take over at once. If it is really gone, the cache will say so.
			return apply.Gone(cached)
		}
	}
	course, err := v.course(r.Clock.Now())
	if err != nil {
		return err
	}
	v.again(course.recheck)
	if err := r.tryCandidate(ctx, v, course); err != nil {
		return err
	}
	if err := r.serveVersion(ctx, v, course); err != nil {
		return err
	}
	return r.dismissCanary(ctx, v, course)
}

// serveVersion brings the function's own Serving to a version. The one it replaces is recorded first.
func (r *FunctionReconciler) serveVersion(ctx context.Context, v *functionVisit, c course) error {
	if c.stable == nil {
		return nil
	}
	if v.current() != c.stable.name {
		if err := r.recordReplaced(ctx, v, c.stable); err != nil {
			return err
		}
	}
	applied, err := v.children.Apply(ctx, servingOf(v.function, c.stable, c.split))
	if err != nil {
		return err
	}
	v.serving = applied.(*corev1beta2.Serving)
	return nil
}

// recordReplaced records what the API server says is served, if it is about to be replaced and the user wants it kept.
func (r *FunctionReconciler) recordReplaced(ctx context.Context, v *functionVisit, next *version) error {
	if ptr.Deref(v.function.Spec.RevisionHistoryLimit, defaultHistoryLimit) == 0 {
		return nil
	}
	live, found, err := v.children.ReadLive(ctx, servingOf(v.function, next, nil))
	if err == nil && !found && v.serving != nil {
		err = apply.Gone(v.serving)
	}
	if err != nil || !found {
		return err
	}
	served, err := versionServed(v.function, live.(*corev1beta2.Serving))
	if err != nil || served.name == next.name {
		return err
	}
	return r.record(ctx, v, served)
}

// holdForYoung holds the status back while a new Serving is about to be served. Where there is a build, or a canary, there is news to tell already.
func (v *functionVisit) holdForYoung(now time.Time) {
	served := meta.FindStatusCondition(v.function.Status.Conditions, corev1beta2.ServedCondition)
	if v.function.Spec.Build == nil && v.serving != nil && v.canary == nil && served.Status == metav1.ConditionUnknown && isFresh(v.serving, now) {
		v.hold = true
		v.again(youth)
	}
}

// isFresh tells that a Serving has only just been made, or has not been looked at yet because its controller has much to do.
func isFresh(s *corev1beta2.Serving, now time.Time) bool {
	return isYoung(s, now) || s.Status.ObservedGeneration == 0 && remaining(s.CreationTimestamp.Time, unseen, now) > 0
}

// unseen is how long a Serving may have no status before its Function says that it waits for one.
const unseen = 10 * time.Second

// servingOf is the Serving of a version under the function's own name.
func servingOf(f *corev1beta2.Function, of *version, split *corev1beta2.ServingSplit) *corev1beta2.Serving {
	annotations := map[string]string{corev1beta2.RevisionAnnotation: of.name}
	if wish, ok := f.Annotations[corev1beta2.RotateTokenAnnotation]; ok {
		annotations[corev1beta2.RotateTokenAnnotation] = wish
	}
	s := &corev1beta2.Serving{
		ObjectMeta: metav1.ObjectMeta{Name: f.Name, Namespace: f.Namespace, Annotations: annotations, Labels: map[string]string{
			corev1beta2.FunctionLabel: names.Label(f.Name), corev1beta2.ManagedLabel: "true"}},
		Spec: *of.spec.DeepCopy(),
	}
	s.Spec.Split = split
	dropEmptied(&s.Spec.ServingImpl)
	return s
}

// dropEmptied leaves out what is there and says nothing. Server-side apply makes null, which the API server refuses, of an object all of whose
// fields were applied before and are not any more.
func dropEmptied(s *corev1beta2.ServingImpl) {
	if o := s.ScaleOptions; o != nil && o.Keda != nil && equality.Semantic.DeepEqual(o.Keda, &corev1beta2.KedaScaleOptions{}) {
		o.Keda = nil
	}
	if equality.Semantic.DeepEqual(s.ScaleOptions, &corev1beta2.ScaleOptions{}) {
		s.ScaleOptions = nil
	}
	if equality.Semantic.DeepEqual(s.Triggers, &corev1beta2.Triggers{}) {
		s.Triggers = nil
	}
	if equality.Semantic.DeepEqual(s.Dapr, &corev1beta2.DaprOptions{}) {
		s.Dapr = nil
	}
}

// readServings finds the Servings of the Function that there are.
func (r *FunctionReconciler) readServings(ctx context.Context, v *functionVisit, from client.Reader) (err error) {
	if v.serving, err = r.readServing(ctx, v, from, v.function.Name); err != nil {
		return err
	}
	v.canary, err = r.readServing(ctx, v, from, core.CanaryChild(v.function.Name))
	return err
}

func (r *FunctionReconciler) readServing(ctx context.Context, v *functionVisit, from client.Reader, name string) (*corev1beta2.Serving, error) {
	s := &corev1beta2.Serving{}
	err := from.Get(ctx, client.ObjectKey{Namespace: v.function.Namespace, Name: name}, s)
	if apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("reading Serving %s: %w", name, err)
	}
	if !apply.Owns(v.function, s) {
		return nil, nil
	}
	return s, nil
}

// stopServing removes what serves. The versions that are recorded stay.
func (r *FunctionReconciler) stopServing(ctx context.Context, v *functionVisit) error {
	f := v.function
	f.Status.Serving = &corev1beta2.StageStatus{State: corev1beta2.Skipped}
	f.Status.Image = v.image
	f.Status.Rollout = nil
	status.Clear(f, corev1beta2.ServedCondition)
	status.Clear(f, corev1beta2.RolledBackCondition)
	for _, s := range []*corev1beta2.Serving{v.serving, v.canary} {
		if s == nil {
			continue
		}
		if err := v.children.Delete(ctx, s); err != nil {
			return err
		}
	}
	v.serving, v.canary = nil, nil
	if err := r.pruneHistory(ctx, v); err != nil {
		return err
	}
	v.showHistory()
	return nil
}

// showServing tells the state of the Serving, which speaks for the current version only once its controller has seen it, and returns what that
// means for the Function.
func (v *functionVisit) showServing() metav1.Condition {
	f, s := v.function, v.serving
	if s == nil {
		f.Status.Image = ""
		f.Status.Serving = &corev1beta2.StageStatus{}
		return metav1.Condition{Status: metav1.ConditionUnknown, Reason: corev1beta2.WaitingForImageReason, Message: "Serving begins when the image is built"}
	}
	f.Status.Image = s.Spec.Image
	shown := &corev1beta2.StageStatus{State: corev1beta2.Starting, ResourceRef: s.Name, Service: s.Status.Service,
		LastSuccessfulResourceRef: lastSuccessful(f.Status.Serving)}
	f.Status.Serving = shown
	ready := readiness(s)
	if ready == nil {
		return metav1.Condition{Status: metav1.ConditionUnknown, Reason: corev1beta2.StartingReason, Message: "The new version is about to start"}
	}
	shown.State, shown.Reason, shown.Message = s.Status.State, s.Status.Reason, s.Status.Message
	if ready.Status == metav1.ConditionTrue {
		shown.LastSuccessfulResourceRef = s.Name
	}
	switch {
	case v.target != nil:
		return *ready
	case ready.Status == metav1.ConditionTrue:
		return metav1.Condition{Status: metav1.ConditionUnknown, Reason: corev1beta2.WaitingForImageReason, Message: "The previous version serves until the image is built"}
	default:
		return metav1.Condition{Status: metav1.ConditionUnknown, Reason: corev1beta2.WaitingForImageReason, Message: "Serving begins when the image is built"}
	}
}

// readiness is the Ready condition of a Serving, nil while its controller has not seen the current spec.
func readiness(s *corev1beta2.Serving) *metav1.Condition {
	if s.Status.ObservedGeneration != s.Generation {
		return nil
	}
	return meta.FindStatusCondition(s.Status.Conditions, corev1beta2.ReadyCondition)
}

func isStalled(object status.Object) bool {
	return meta.IsStatusConditionTrue(*object.GetConditions(), corev1beta2.StalledCondition)
}
