// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/apply"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/route"
	"github.com/openfunction/openfunction/pkg/core/serving"
	"github.com/openfunction/openfunction/pkg/enqueue"
	"github.com/openfunction/openfunction/pkg/status"
)

const (
	// frontPort is the port of the function's own name.
	frontPort int32 = 80
	// wholeShare is the weight of all requests.
	wholeShare int32 = 100
)

// readFront finds the Service of the function's own name. Where somebody else has that name nothing is made: it could not be called.
func (r *ServingReconciler) readFront(ctx context.Context, v *servingVisit) error {
	if _, answers := v.run.(core.Fronted); !answers {
		return nil
	}
	live, found, err := v.set.Read(ctx, front(v.input, route.Route{}))
	if err != nil {
		v.serving.Status.Addresses = nil
		return err
	}
	if found {
		v.front = live.(*corev1.Service)
	}
	return nil
}

// front is the Service of the function's own name. It leads to the router, whatever the engine is, and tells it the route.
func front(in core.Input, to route.Route) *corev1.Service {
	labels := map[string]string{
		corev1beta2.ManagedLabel: "true",
		corev1beta2.ServingLabel: in.Serving.Name,
		route.Label:              "true",
	}
	if function := in.Serving.Labels[corev1beta2.FunctionLabel]; function != "" {
		labels[corev1beta2.FunctionLabel] = function
	}
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: in.Serving.Name, Namespace: in.Serving.Namespace, Labels: labels,
			Annotations: map[string]string{route.Annotation: to.String()}},
		Spec: corev1.ServiceSpec{
			Type:         corev1.ServiceTypeExternalName,
			ExternalName: core.ServiceHost(core.RouterService, in.Settings.PlatformNamespace, in.ClusterDomain),
			Ports:        []corev1.ServicePort{{Name: "http", Protocol: corev1.ProtocolTCP, Port: frontPort, TargetPort: intstr.FromInt32(frontPort)}},
		},
	}
}

// applySplit gives another Serving its share, or takes it away, whatever becomes of the version that is wanted here.
func (r *ServingReconciler) applySplit(ctx context.Context, v *servingVisit) error {
	if v.front == nil {
		return nil
	}
	return r.applyFront(ctx, v)
}

// applyFront tells the router where requests go. A function that has never served gets its name when it does.
func (r *ServingReconciler) applyFront(ctx context.Context, v *servingVisit) error {
	fronted, answers := v.run.(core.Fronted)
	if !answers || (v.front == nil && v.health.Phase != core.Running) {
		return nil
	}
	own := r.ownBackend(v, fronted.Backend(v.input))
	own.Weight = wholeShare
	backends := []route.Backend{own}
	other, percent, err := r.splitBackend(ctx, v)
	if err != nil {
		return err
	}
	if percent > 0 {
		backends[0].Weight, other.Weight = wholeShare-percent, percent
		backends = append(backends, other)
	}
	live, err := v.set.Apply(ctx, front(v.input, route.Route{Backends: backends}))
	if err != nil {
		return apply.Refused(err)
	}
	v.front = live.(*corev1.Service)
	return nil
}

// ownBackend is where this Serving's own share goes: to the run that is wanted, but after a change of the run only when that one serves and the
// engine's proxies have had time to learn of it.
func (r *ServingReconciler) ownBackend(v *servingVisit, wanted route.Backend) route.Backend {
	serves, known := servedBy(v.front, v.input)
	if !known || isSame(serves, wanted) {
		return wanted
	}
	if v.health.Phase != core.Running {
		return serves
	}
	left := remaining(healthySince(v), r.Settings.Settle, r.Clock.Now())
	if left <= 0 {
		return wanted
	}
	v.health = core.Health{Phase: core.Starting, Reason: corev1beta2.StartingReason, Message: "Requests are about to go to the new engine"}
	v.again(left)
	return serves
}

// healthySince is since when all that the run made was there and well.
func healthySince(v *servingVisit) time.Time {
	since := v.health.Since
	for _, object := range v.live.Objects {
		if made := object.GetCreationTimestamp().Time; made.After(since) {
			since = made
		}
	}
	return since
}

// servedBy finds on a front the backend of the Serving itself, under whichever run.
func servedBy(front *corev1.Service, in core.Input) (route.Backend, bool) {
	if front == nil {
		return route.Backend{}, false
	}
	routed, err := route.Parse(front.Annotations[route.Annotation])
	if err != nil {
		return route.Backend{}, false // somebody changed it; it is about to be put back
	}
	for _, run := range serving.Runs() {
		fronted, answers := run.(core.Fronted)
		if !answers {
			continue
		}
		own := fronted.Backend(in)
		if slices.ContainsFunc(routed.Backends, func(b route.Backend) bool { return isSame(b, own) }) {
			return own, true
		}
	}
	return route.Backend{}, false
}

// isSame tells whether two backends are the same but for their weights.
func isSame(a, b route.Backend) bool { return a.Address == b.Address && a.Host == b.Host }

// splitBackend is where the Serving's split leads, and what share of the requests goes there: none while the other Serving is not ready.
func (r *ServingReconciler) splitBackend(ctx context.Context, v *servingVisit) (other route.Backend, percent int32, err error) {
	split := v.serving.Spec.Split
	if split == nil || split.Percent == 0 {
		return route.Backend{}, 0, nil
	}
	key := types.NamespacedName{Namespace: v.serving.Namespace, Name: split.Serving}
	to, itsFront := &corev1beta2.Serving{}, &corev1.Service{}
	for _, object := range []client.Object{to, itsFront} {
		err := r.Get(ctx, key, object)
		if apierrors.IsNotFound(err) {
			return route.Backend{}, 0, nil
		} else if err != nil {
			return route.Backend{}, 0, fmt.Errorf("reading Serving %s, to which a share of the requests goes: %w", split.Serving, err)
		}
	}
	if !takesRequests(to, itsFront) {
		return route.Backend{}, 0, nil
	}
	in := v.input
	in.Serving = to
	other, serves := servedBy(itsFront, in)
	if !serves {
		return route.Backend{}, 0, nil
	}
	return other, split.Percent, nil
}

// takesRequests tells whether a Serving is ready and the Service is its front.
func takesRequests(s *corev1beta2.Serving, itsFront *corev1.Service) bool {
	return s.DeletionTimestamp.IsZero() && status.Says(s, status.Ready) && apply.Owns(s, itsFront)
}

// enqueueSplitting asks for the Servings that send a share to the one that an object is, or is the front of.
func (r *ServingReconciler) enqueueSplitting() handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, other client.Object) []reconcile.Request {
		if _, is := other.(*corev1.Service); is && other.GetLabels()[route.Label] == "" {
			return nil
		}
		return enqueue.Matching(ctx, r, &corev1beta2.ServingList{}, func(s *corev1beta2.Serving) bool {
			return s.Spec.Split != nil && s.Spec.Split.Serving == other.GetName()
		}, client.InNamespace(other.GetNamespace()), client.UnsafeDisableDeepCopy)
	})
}

// draining is how much longer the children that are not wanted any more must stay, because callers have only just been led elsewhere.
func (r *ServingReconciler) draining(ctx context.Context, v *servingVisit, stale []client.Object) (time.Duration, error) {
	if v.front == nil || !slices.ContainsFunc(stale, func(child client.Object) bool { return isOfEarlierFronted(v.run, child) }) {
		return 0, nil
	}
	live := &corev1.Service{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(v.front), live); apierrors.IsNotFound(err) {
		return r.Settings.Drain, nil // it is about to be put back
	} else if err != nil {
		return 0, fmt.Errorf("reading Service %s: %w", v.front.Name, err)
	}
	return remaining(writtenAt(live, v.set.FieldOwner), r.Settings.Drain, r.Clock.Now()), nil
}

// isOfEarlierFronted tells that a child was made by a run that callers were led to, and that is another than the current one.
func isOfEarlierFronted(current core.ServingRun, child client.Object) bool {
	made := child.GetLabels()[corev1beta2.RunLabel]
	return made != current.Name() && slices.ContainsFunc(serving.Runs(), func(run core.ServingRun) bool {
		_, answers := run.(core.Fronted)
		return answers && run.Name() == made
	})
}

// writtenAt is when the field owner last changed an object.
func writtenAt(object client.Object, fieldOwner string) time.Time {
	for _, entry := range object.GetManagedFields() {
		if entry.Manager == fieldOwner && entry.Operation == metav1.ManagedFieldsOperationApply && entry.Time != nil {
			return entry.Time.Time
		}
	}
	return object.GetCreationTimestamp().Time
}

// skew is by how much our clock and the API server's may differ before theirs says nothing to us any more.
const skew = time.Minute

// remaining is how much of a time is left that began when the API server says.
func remaining(since time.Time, length time.Duration, now time.Time) time.Duration {
	if since.Sub(now) > skew {
		return 0
	}
	return since.Add(length).Sub(now)
}

// addresses are the function's own name, once it has it, and where the engine makes it known outside.
func addresses(v *servingVisit) []corev1beta2.FunctionAddress {
	if v.front == nil {
		return nil
	}
	all := []corev1beta2.FunctionAddress{{Type: ptr.To(corev1beta2.InternalAddressType), Value: "http://" + core.FrontHost(v.input) + "/"}}
	if addresser, more := v.run.(core.Addresser); more {
		all = append(all, addresser.Addresses(v.live)...)
	}
	return all
}
