// SPDX-License-Identifier: Apache-2.0

package status

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openfunction/openfunction/pkg/problem"
)

// The condition types every object has (kstatus).
const (
	Ready       = "Ready"
	Reconciling = "Reconciling"
	Stalled     = "Stalled"
)

// conflictDelay is how long a reconciler waits for its cache after it lost a race.
const conflictDelay = 50 * time.Millisecond

// Object is an object whose status has conditions.
type Object interface {
	client.Object
	// GetConditions returns the conditions of the status, to be changed in place.
	GetConditions() *[]metav1.Condition
	// SetObservedGeneration records which generation of the spec the status speaks of.
	SetObservedGeneration(generation int64)
}

// Report is the status of one object during one call of its reconciler.
type Report struct {
	object  Object
	before  Object
	held    bool
	written bool
}

// Begin remembers the status of object as it was read.
func Begin(object Object) *Report {
	return &Report{object: object, before: object.DeepCopyObject().(Object)}
}

// Hold makes Finish leave the status as it was: what was found out so far is not worth a write.
func (r *Report) Hold() { r.held = true }

// Finish turns err into conditions and patches the status if it changed. The result and error it returns are those for
// controller-runtime: a Stalled or Waiting error has become a condition and is no error any more; a conflict asks for
// another call soon; any other error is returned as it is and leaves the status alone, since it will pass.
func (r *Report) Finish(ctx context.Context, c client.Client, res ctrl.Result, err error) (ctrl.Result, error) {
	if stalled, ok := problem.AsStalled(err); ok {
		MarkStalled(r.object, stalled.Reason, stalled.Message)
		res, err = ctrl.Result{RequeueAfter: stalled.Recheck}, nil
	} else if waiting, ok := problem.AsWaiting(err); ok {
		MarkReconciling(r.object, waiting.Reason, waiting.Message)
		res, err = ctrl.Result{RequeueAfter: waiting.Recheck}, nil
	}
	if err != nil {
		return quiet(err)
	}
	if r.held {
		return res, nil
	}
	r.object.SetObservedGeneration(r.object.GetGeneration())
	r.dateConditions()
	if apiequality.Semantic.DeepEqual(r.before, r.object) {
		return res, nil
	}
	// The lock keeps a call that read an outdated object from writing, and announcing, the same change twice.
	patch := client.MergeFromWithOptions(r.before, client.MergeFromWithOptimisticLock{})
	if err := c.Status().Patch(ctx, r.object.DeepCopyObject().(Object), patch); err != nil {
		if apierrors.IsNotFound(err) { // the cache still has it
			return ctrl.Result{RequeueAfter: conflictDelay}, nil
		}
		return quiet(fmt.Errorf("writing the status: %w", err))
	}
	r.written = true
	return res, nil
}

// dateConditions says of every condition that it speaks of the current generation, and since when it is as it is: a call that said one thing and then
// found out the other has not changed what was so before it.
func (r *Report) dateConditions() {
	conditions := *r.object.GetConditions()
	for i := range conditions {
		c := &conditions[i]
		c.ObservedGeneration = r.object.GetGeneration()
		if was := find(r.before, c.Type); was.Status == c.Status && !was.LastTransitionTime.IsZero() {
			c.LastTransitionTime = was.LastTransitionTime
		}
	}
}

// Quiet is for reconcilers that write no status: it hides lost races, which end by themselves, from the log and from the error count, and asks for another
// call soon.
func Quiet(err error) (ctrl.Result, error) { return quiet(err) }

func quiet(err error) (ctrl.Result, error) {
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: conflictDelay}, nil
	}
	return ctrl.Result{}, err
}

// Written tells whether the status was written because it has changed.
func (r *Report) Written() bool { return r.written }

// Before returns the condition as it was before this call, or an empty one.
func (r *Report) Before(conditionType string) metav1.Condition {
	return find(r.before, conditionType)
}

// Became tells whether Finish wrote a change of the condition's status or reason, and returns the new condition.
func (r *Report) Became(conditionType string) (metav1.Condition, bool) {
	if !r.written {
		return metav1.Condition{}, false
	}
	was, is := find(r.before, conditionType), find(r.object, conditionType)
	return is, is.Type != "" && (was.Status != is.Status || was.Reason != is.Reason)
}

// Announce records an Event about a condition that Finish wrote a change of: to True as Normal, to False as a Warning. On the way to either there
// is nothing to tell.
func (r *Report) Announce(recorder events.EventRecorder, conditionType, action string) {
	condition, changed := r.Became(conditionType)
	if !changed {
		return
	}
	switch condition.Status {
	case metav1.ConditionTrue:
		recorder.Eventf(r.object, nil, corev1.EventTypeNormal, condition.Reason, action, "%s", condition.Message)
	case metav1.ConditionFalse:
		recorder.Eventf(r.object, nil, corev1.EventTypeWarning, condition.Reason, action, "%s", condition.Message)
	case metav1.ConditionUnknown:
	}
}

func find(object Object, conditionType string) metav1.Condition {
	if condition := meta.FindStatusCondition(*object.GetConditions(), conditionType); condition != nil {
		return *condition
	}
	return metav1.Condition{}
}
