// SPDX-License-Identifier: Apache-2.0

package core

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	daprv1alpha1 "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	httpv1alpha1 "github.com/kedacore/http-add-on/operator/apis/http/v1alpha1"
	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/apply"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/dapr"
	"github.com/openfunction/openfunction/pkg/core/route"
	"github.com/openfunction/openfunction/pkg/core/serving"
	"github.com/openfunction/openfunction/pkg/core/serving/openfuncsync"
	"github.com/openfunction/openfunction/pkg/problem"
	"github.com/openfunction/openfunction/pkg/status"
)

// builtinChildren are the kinds of Kubernetes itself that a Serving may own, and that are applied and pruned like those of the engines. The
// Secret with the app token is not among them: Secrets are not watched.
func builtinChildren() []client.Object {
	return []client.Object{&appsv1.Deployment{}, &appsv1.StatefulSet{}, &appsv1.DaemonSet{}, &batchv1.Job{}, &corev1.Service{}}
}

// engineChildren are the engines' kinds that a Serving may own under any run.
func engineChildren() []schema.GroupVersionKind {
	kinds := []schema.GroupVersionKind{dapr.ComponentKind, dapr.ResiliencyKind}
	for _, run := range serving.Runs() {
		for _, kind := range run.Needs().Kinds {
			if !slices.Contains(kinds, kind) {
				kinds = append(kinds, kind)
			}
		}
	}
	return kinds
}

// letRest lets a version that has proved that it starts be scaled to zero. The proof is kept on the workload itself.
func (r *ServingReconciler) letRest(ctx context.Context, v *servingVisit) error {
	starter, ok := v.run.(core.Starter)
	if !ok || v.input.Started != "" || agentIsAway(v) || !starter.HasStarted(v.live) {
		return nil
	}
	version, err := starter.Version(v.input)
	if err != nil {
		return err
	}
	v.input.Started = version
	before := v.desired
	if err := r.decide(v); err != nil {
		return err
	}
	for i, child := range v.desired {
		if apiequality.Semantic.DeepEqual(before[i], child) {
			continue // it has just been applied, which the cache may not show yet
		}
		live, err := v.set.Apply(ctx, child)
		if err != nil {
			return explained(v.run, apply.Refused(err))
		}
		v.live.Objects[i] = live
	}
	return nil
}

// prune deletes the children that are not wanted any more, once those that are serve: those of another run, of another Dapr mode, of a component
// that is no longer declared. While the run before still answers requests all of them stay.
func (r *ServingReconciler) prune(ctx context.Context, v *servingVisit) error {
	if v.health.Phase != core.Running {
		return nil
	}
	stale, err := r.stale(ctx, v)
	if err != nil {
		return err
	}
	if left, err := r.draining(ctx, v, stale); err != nil {
		return err
	} else if left > 0 {
		v.again(left)
		return nil
	}
	if err := r.pruneToken(ctx, v, len(stale) > 0); err != nil {
		return err
	}
	for _, child := range stale {
		if err := v.set.Delete(ctx, child); err != nil {
			return err
		}
	}
	return nil
}

// stale are the children that are not wanted any more.
func (r *ServingReconciler) stale(ctx context.Context, v *servingVisit) ([]client.Object, error) {
	keep, err := r.kept(v)
	if err != nil {
		return nil, err
	}
	kinds, err := r.childKinds(ctx)
	if err != nil {
		return nil, err
	}
	var stale []client.Object
	err = r.eachChild(ctx, v.serving, kinds, func(key childKey, child client.Object) error {
		if !keep[key] && child.GetDeletionTimestamp().IsZero() {
			stale = append(stale, child)
		}
		return nil
	})
	return stale, err
}

// pruneScalers deletes the scalers that are not wanted any more but whose workload is: a scaler would change the number of copies that is now
// set here.
func (r *ServingReconciler) pruneScalers(ctx context.Context, v *servingVisit) error {
	keep, err := r.kept(v)
	if err != nil {
		return err
	}
	kinds, err := r.providers.Installed(ctx, []schema.GroupVersionKind{
		kedav1alpha1.SchemeGroupVersion.WithKind("ScaledObject"), httpv1alpha1.SchemeGroupVersion.WithKind("HTTPScaledObject")})
	if err != nil {
		return err
	}
	return r.eachChild(ctx, v.serving, kinds, func(key childKey, child client.Object) error {
		target := scaled(child)
		if keep[key] || !keep[target] {
			return nil
		}
		return v.set.Delete(ctx, child)
	})
}

// scaled is the workload that a scaler scales.
func scaled(scaler client.Object) childKey {
	switch scaler := scaler.(type) {
	case *kedav1alpha1.ScaledObject:
		if target := scaler.Spec.ScaleTargetRef; target != nil {
			return childKey{schema.GroupKind{Group: appsv1.GroupName, Kind: cmp.Or(target.Kind, "Deployment")}, target.Name}
		}
	case *httpv1alpha1.HTTPScaledObject:
		target := scaler.Spec.ScaleTargetRef
		return childKey{schema.GroupKind{Group: appsv1.GroupName, Kind: cmp.Or(target.Kind, "Deployment")}, target.Name}
	}
	return childKey{}
}

// pruneToken deletes the Secret with the app token when there is nobody left to show it to. Secrets are not watched, so it is looked for when a
// version becomes ready and when other children go, before them, and not again while it stays so. A Serving whose spec has never been another
// one has never had it.
func (r *ServingReconciler) pruneToken(ctx context.Context, v *servingVisit, others bool) error {
	s := v.serving
	if dapr.NeedsToken(s) || (!others && (status.Says(s, status.Ready) || s.Generation == 1)) {
		return nil
	}
	secret := &corev1.Secret{}
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: s.Namespace, Name: core.TokenChild(s.Name)}, secret)
	if apierrors.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("reading the Secret with the app token: %w", err)
	}
	return v.set.Delete(ctx, secret)
}

// childKey tells children apart within a namespace.
type childKey struct {
	kind schema.GroupKind
	name string
}

func (r *ServingReconciler) kept(v *servingVisit) (map[childKey]bool, error) {
	wanted := slices.Clone(v.desired)
	if _, answers := v.run.(core.Fronted); answers {
		wanted = append(wanted, front(v.input, route.Route{}))
	}
	if invocation, err := v.use.Invocation(); err != nil {
		return nil, err
	} else if invocation != nil {
		wanted = append(wanted, invocation)
	}
	keep := map[childKey]bool{}
	for _, child := range wanted {
		kind, err := apiutil.GVKForObject(child, r.Scheme())
		if err != nil {
			return nil, fmt.Errorf("finding the kind of a child: %w", err)
		}
		keep[childKey{kind.GroupKind(), child.GetName()}] = true
	}
	return keep, nil
}

// childKinds are the kinds a Serving may own in this cluster.
func (r *ServingReconciler) childKinds(ctx context.Context) ([]schema.GroupVersionKind, error) {
	kinds, err := r.providers.Installed(ctx, engineChildren())
	if err != nil {
		return nil, err
	}
	for _, child := range builtinChildren() {
		kind, err := apiutil.GVKForObject(child, r.Scheme())
		if err != nil {
			return nil, fmt.Errorf("finding the kind of a child: %w", err)
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}

// eachChild visits every child of the Serving of these kinds that is in the cache.
func (r *ServingReconciler) eachChild(ctx context.Context, s *corev1beta2.Serving, kinds []schema.GroupVersionKind,
	visit func(childKey, client.Object) error,
) error {
	for _, kind := range kinds {
		for _, label := range []string{corev1beta2.ServingLabel, corev1beta2.ProxyLabel} {
			list, err := r.Scheme().New(kind.GroupVersion().WithKind(kind.Kind + "List"))
			if err != nil {
				return fmt.Errorf("making a list of %s: %w", kind.Kind, err)
			}
			found := list.(client.ObjectList)
			if err := r.List(ctx, found, client.InNamespace(s.Namespace), client.MatchingLabels{label: s.Name}); err != nil {
				return fmt.Errorf("listing the %ss of the Serving: %w", kind.Kind, err)
			}
			err = meta.EachListItem(found, func(item runtime.Object) error {
				if child := item.(client.Object); apply.Owns(s, child) {
					return visit(childKey{kind.GroupKind(), child.GetName()}, child)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// invocationDelay is how long to wait before looking again whether Dapr's operator has given up the Service of the app id.
const invocationDelay = 30 * time.Second

// applyInvocation applies, in mode Shared, the Service of the Dapr app id. Dapr's operator, which makes it in other modes, has to give it up
// first; the function itself does not need it.
func (r *ServingReconciler) applyInvocation(ctx context.Context, v *servingVisit) error {
	if v.health.Phase != core.Running {
		return nil
	}
	invocation, err := v.use.Invocation()
	if err != nil || invocation == nil {
		return err
	}
	live, err := v.set.Apply(ctx, invocation)
	if stalled, is := problem.AsStalled(err); is && stalled.Reason == apply.NameTaken {
		daprs, readErr := r.isDaprs(ctx, invocation)
		if readErr == nil && daprs {
			v.again(invocationDelay)
			return nil
		}
		if readErr != nil {
			return readErr
		}
	}
	if err != nil {
		return apply.Refused(err)
	}
	v.live.Objects = append(v.live.Objects, live)
	return nil
}

// isDaprs tells whether a Service is the one that Dapr's operator made for a workload with this app id, in the mode before.
func (r *ServingReconciler) isDaprs(ctx context.Context, wanted client.Object) (bool, error) {
	service := &corev1.Service{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(wanted), service); apierrors.IsNotFound(err) {
		return true, nil // it has just gone
	} else if err != nil {
		return false, fmt.Errorf("reading Service %s: %w", wanted.GetName(), err)
	}
	return service.Labels[daprEnabled] == "true", nil
}

// daprEnabled is the label of the Services that Dapr's operator makes.
const daprEnabled = "dapr.io/enabled"

// references lists the children as the established resourceRef does.
func references(objects []client.Object) map[string]string {
	refs := map[string]string{}
	var components []string
	for _, object := range objects {
		name := object.GetName()
		switch object.(type) {
		case *kservingv1.Service:
			refs["serving.knative.dev/service"] = name
		case *httpv1alpha1.HTTPScaledObject:
			refs["http.keda.sh/httpscaledobject"] = name
		case *kedav1alpha1.ScaledObject:
			refs["Async/scaler"] = name
		case *kedav1alpha1.ScaledJob:
			// It is both what runs and what scales.
			refs["Async/workload"], refs["Async/scaler"] = name, name
		case *daprv1alpha1.Component:
			components = append(components, name)
		case *appsv1.Deployment, *appsv1.StatefulSet, *appsv1.DaemonSet, *batchv1.Job:
			refs[workloadRef(object)] = name
		}
	}
	if len(components) > 0 {
		slices.Sort(components)
		refs["dapr.io/component"] = strings.Join(components, ",")
	}
	return refs
}

// workloadRef is the established key under which a workload is listed.
func workloadRef(workload client.Object) string {
	switch labels := workload.GetLabels(); {
	case labels[corev1beta2.ProxyLabel] != "":
		return "dapr-proxy"
	case labels[corev1beta2.RunLabel] == openfuncsync.Run{}.Name():
		return "http.keda.sh/deployment"
	default:
		return "Async/workload"
	}
}
