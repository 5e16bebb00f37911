// SPDX-License-Identifier: Apache-2.0

package core

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/apply"
	"github.com/openfunction/openfunction/pkg/core/builder/tekton"
	"github.com/openfunction/openfunction/pkg/names"
	"github.com/openfunction/openfunction/pkg/problem"
	"github.com/openfunction/openfunction/pkg/status"
)

// build writes the Builder of the current source, cancels the builds of older ones, and finds the image to serve.
func (r *FunctionReconciler) build(ctx context.Context, v *functionVisit) error {
	f := v.function
	list := &corev1beta2.BuilderList{}
	if err := r.List(ctx, list, client.InNamespace(f.Namespace), client.MatchingLabels{corev1beta2.FunctionLabel: names.Label(f.Name)}); err != nil {
		return fmt.Errorf("listing the Builders of the Function: %w", err)
	}
	builders := apply.Owned(f, list.Items)
	if f.Spec.Build == nil {
		v.image = f.Spec.Image
		f.Status.Build = &corev1beta2.StageStatus{State: corev1beta2.Skipped}
		f.Status.Sources, f.Status.Revision = nil, nil
		status.Clear(f, corev1beta2.BuiltCondition)
		return r.deleteBuilders(ctx, v, builders)
	}
	wanted, err := builder(f)
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(builders, func(b *corev1beta2.Builder) bool { return b.Name == wanted.Name })
	if err := r.cancelBuilders(ctx, others); err != nil {
		return err
	}
	applied, err := v.children.Ensure(ctx, wanted)
	if err != nil {
		return err
	}
	current := applied.(*corev1beta2.Builder)
	if isSuperseded(current) && !current.HasSucceeded() {
		return r.clearSuperseded(ctx, v, current)
	}
	v.showBuild(current)
	expired, next := expired(f.Spec.Build, current, others, r.Clock.Now())
	v.again(next)
	return r.deleteBuilders(ctx, v, expired)
}

// builder is the build of the Function's current source. Its name is a hash of what the build depends on, so that the same source
// is the same Builder, and the limits of the history are not part of it.
func builder(f *corev1beta2.Function) (*corev1beta2.Builder, error) {
	build := *f.Spec.Build.DeepCopy()
	build.SuccessfulBuildsHistoryLimit, build.FailedBuildsHistoryLimit, build.BuilderMaxAge = nil, nil, nil
	spec := corev1beta2.BuilderSpec{BuildImpl: build, Image: f.Spec.Image, ImageCredentials: f.Spec.ImageCredentials}
	name, err := names.Hashed(f.Name, map[string]any{"spec": spec, "rebuild": f.Annotations[corev1beta2.RebuildAnnotation]})
	if err != nil {
		return nil, err
	}
	return &corev1beta2.Builder{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: f.Namespace, Labels: map[string]string{
			corev1beta2.FunctionLabel: names.Label(f.Name), corev1beta2.ManagedLabel: "true"}},
		Spec: spec,
	}, nil
}

// supersededAnnotation marks a Builder that was cancelled for a newer source rather than by its user.
const supersededAnnotation = "openfunction.io/superseded"

func isSuperseded(b *corev1beta2.Builder) bool { return b.Annotations[supersededAnnotation] != "" }

// clearSuperseded makes room for a new build of a source that the user has come back to: the Builder of that source was cancelled when
// the user left it, and a Builder never begins again. What a user cancelled stays cancelled.
func (r *FunctionReconciler) clearSuperseded(ctx context.Context, v *functionVisit, b *corev1beta2.Builder) error {
	if b.IsFinished() {
		if err := v.children.Delete(ctx, b); err != nil {
			return err
		}
	}
	return problem.Waiting(corev1beta2.BuildCanceledReason, "The cancelled build of the same source is being cleared away")
}

// cancelBuilders stops builds that a newer source has overtaken.
func (r *FunctionReconciler) cancelBuilders(ctx context.Context, builders []*corev1beta2.Builder) error {
	for _, b := range builders {
		if b.IsFinished() || cancelled(b) {
			continue
		}
		before := b.DeepCopy()
		b = b.DeepCopy()
		b.Spec.State = corev1beta2.BuilderStateCancelled
		metav1.SetMetaDataAnnotation(&b.ObjectMeta, supersededAnnotation, "true")
		if err := r.Patch(ctx, b, client.MergeFrom(before), client.FieldOwner(functionFieldOwner)); err != nil {
			return fmt.Errorf("cancelling Builder %s: %w", b.Name, apply.LostRace(b, err))
		}
	}
	return nil
}

func (r *FunctionReconciler) deleteBuilders(ctx context.Context, v *functionVisit, builders []*corev1beta2.Builder) error {
	for _, b := range builders {
		if err := v.children.Delete(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// showBuild tells the state of the current build, and the image to serve once it has succeeded.
func (v *functionVisit) showBuild(b *corev1beta2.Builder) {
	f := v.function
	f.Status.Build = &corev1beta2.StageStatus{
		State: b.Status.State, Reason: b.Status.Reason, Message: b.Status.Message, ResourceRef: b.Name,
		LastSuccessfulResourceRef: lastSuccessful(f.Status.Build), BuildDuration: b.Status.BuildDuration, Failure: b.Status.Failure,
	}
	f.Status.Sources = b.Status.Sources
	f.Status.Revision = nil
	switch {
	case b.HasSucceeded():
		v.image = tekton.Repository(b.Spec.Image) + "@" + b.Status.Output.Digest
		f.Status.Build.LastSuccessfulResourceRef = b.Name
		f.Status.Revision = &corev1beta2.Revision{ImageDigest: b.Status.Output.Digest}
		status.Mark(f, corev1beta2.BuiltCondition, metav1.ConditionTrue, corev1beta2.BuildSucceededReason, "Built "+v.image)
	case b.IsFinished():
		status.Mark(f, corev1beta2.BuiltCondition, metav1.ConditionFalse, b.Status.Reason,
			fmt.Sprintf("%s; see status.build.failure, mend the source, or build again with the annotation %s", b.Status.Message, corev1beta2.RebuildAnnotation))
	case isStalled(b):
		status.Mark(f, corev1beta2.BuiltCondition, metav1.ConditionFalse, b.Status.Reason, b.Status.Message)
	case b.Status.Message == "":
		f.Status.Build.State = corev1beta2.Building
		status.Mark(f, corev1beta2.BuiltCondition, metav1.ConditionUnknown, corev1beta2.BuildPendingReason, "The build waits for its pod")
	default:
		status.Mark(f, corev1beta2.BuiltCondition, metav1.ConditionUnknown, b.Status.Reason, b.Status.Message)
	}
}

// expired returns the finished Builders that the history limits and builderMaxAge no longer allow, and after how long the next one
// gets too old. The current Builder is the record of what the spec was built into: it counts, but always stays.
func expired(build *corev1beta2.BuildImpl, current *corev1beta2.Builder, others []*corev1beta2.Builder, now time.Time) (gone []*corev1beta2.Builder, next time.Duration) {
	finished := slices.DeleteFunc(slices.Clone(others), func(b *corev1beta2.Builder) bool { return !b.IsFinished() })
	slices.SortFunc(finished, func(a, b *corev1beta2.Builder) int {
		return cmp.Or(b.FinishedAt().Compare(a.FinishedAt().Time), cmp.Compare(a.Name, b.Name))
	})
	room := map[bool]int32{
		true:  ptr.Deref(build.SuccessfulBuildsHistoryLimit, 0),
		false: ptr.Deref(build.FailedBuildsHistoryLimit, 1),
	}
	if current.IsFinished() {
		room[current.HasSucceeded()]--
	}
	for _, b := range finished {
		left := time.Duration(1)
		if age := build.BuilderMaxAge; age != nil && age.Duration > 0 {
			left = b.FinishedAt().Add(age.Duration).Sub(now)
			if left > 0 && (next == 0 || left < next) {
				next = left
			}
		}
		if left <= 0 || room[b.HasSucceeded()] <= 0 {
			gone = append(gone, b)
			continue
		}
		room[b.HasSucceeded()]--
	}
	return gone, next
}
