// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/apply"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/serving"
	"github.com/openfunction/openfunction/pkg/problem"
	"github.com/openfunction/openfunction/pkg/status"
)

// +kubebuilder:rbac:groups=core.openfunction.io,resources=servings,verbs=get;list;watch
// +kubebuilder:rbac:groups=core.openfunction.io,resources=servings/status,verbs=patch
// +kubebuilder:rbac:groups=core.openfunction.io,resources=servings/finalizers,verbs=update
// +kubebuilder:rbac:groups=serving.knative.dev,resources=services,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// ServingReconciler makes a Serving's engine objects what its run wants, and reports their health.
type ServingReconciler struct {
	client.Client
	// Live reads past the cache.
	Live client.Reader
	// Clock tells the time.
	Clock clock.PassiveClock
	// Recorder records Events.
	Recorder events.EventRecorder
	// ClusterDomain is the DNS suffix of Services.
	ClusterDomain string

	providers *providers
}

// servingVisit is the state of one call.
type servingVisit struct {
	serving *corev1beta2.Serving
	run     core.ServingRun
	live    core.Live
	recheck time.Duration
	// hold leaves the status as it is for this call.
	hold bool
}

func (r *ServingReconciler) setup(mgr ctrl.Manager, options Options) error {
	c, err := ctrl.NewControllerManagedBy(mgr).
		Named("serving").
		For(&corev1beta2.Serving{}).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(servingOfPod)).
		WatchesMetadata(crdMetadata(), r.enqueueWaiting()).
		WithOptions(controllerOptions(options)).
		Build(reconcile.AsReconciler(mgr.GetClient(), r))
	if err != nil {
		return fmt.Errorf("setting up the Serving controller: %w", err)
	}
	r.providers = newProviders(mgr, c, &corev1beta2.Serving{})
	return nil
}

func controllerOptions(options Options) controller.Options {
	return controller.Options{MaxConcurrentReconciles: options.Concurrency, SkipNameValidation: &options.SkipNameValidation}
}

func (r *ServingReconciler) enqueueWaiting() handler.EventHandler {
	var needs core.Provider
	for _, run := range serving.Runs() {
		needs.Kinds = append(needs.Kinds, run.Needs().Kinds...)
	}
	return enqueueAll(r, needs, &corev1beta2.ServingList{})
}

// servingOfPod finds the Serving by the label that every pod of a function carries.
func servingOfPod(_ context.Context, pod client.Object) []reconcile.Request {
	name := pod.GetLabels()[corev1beta2.ServingLabel]
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: pod.GetNamespace(), Name: name}}}
}

// Reconcile makes one Serving's engine objects what its spec asks for.
func (r *ServingReconciler) Reconcile(ctx context.Context, s *corev1beta2.Serving) (res ctrl.Result, err error) {
	if !s.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	s = s.DeepCopy()
	report := status.Begin(s)
	defer func() {
		if res, err = report.Finish(ctx, r.Client, res, err); err == nil {
			announceServing(r.Recorder, s, report)
		}
	}()
	v := &servingVisit{serving: s}
	for _, phase := range []func(context.Context, *servingVisit) error{r.chooseRun, r.checkProvider, r.applyChildren, r.observe} {
		if err := phase(ctx, v); err != nil {
			showServing(s, err)
			return ctrl.Result{}, err
		}
	}
	if v.hold {
		report.Hold()
	}
	return ctrl.Result{RequeueAfter: v.recheck}, nil
}

func (r *ServingReconciler) chooseRun(_ context.Context, v *servingVisit) (err error) {
	markUnsupported(v.serving, notActedOnByServing("spec.", &v.serving.Spec.ServingImpl))
	v.run, err = serving.For(v.serving)
	return err
}

func (r *ServingReconciler) checkProvider(ctx context.Context, v *servingVisit) error {
	return r.providers.require(ctx, v.run.Needs())
}

func (r *ServingReconciler) applyChildren(ctx context.Context, v *servingVisit) error {
	desired, err := v.run.Desired(core.Input{Serving: v.serving, ClusterDomain: r.ClusterDomain})
	if err != nil {
		return err
	}
	set := apply.Set{Client: r.Client, Live: r.Live, Owner: v.serving, FieldOwner: "openfunction-core/serving"}
	v.live = core.Live{ClusterDomain: r.ClusterDomain}
	for _, child := range desired {
		live, err := set.Apply(ctx, child)
		if err != nil {
			return explained(v.run, refused(err))
		}
		v.live.Objects = append(v.live.Objects, live)
	}
	return nil
}

// forbiddenDelay is how often something is tried again that a quota or a policy does not allow.
const forbiddenDelay = 30 * time.Second

// refused turns what the API server or an engine's webhook says no to into a problem for the user: sending the same again
// gives the same answer, except that a quota may get room and a policy may be changed.
func refused(err error) error {
	switch {
	case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err):
		return problem.Stalled(corev1beta2.RefusedReason, "%s", err)
	case apierrors.IsForbidden(err) && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return problem.WaitingUntil(forbiddenDelay, corev1beta2.RefusedReason, "%s", err)
	default:
		return err
	}
}

// explained puts what the run knows about a refusal in the place of the engine's own words.
func explained(run core.ServingRun, err error) error {
	explainer, can := run.(core.Explainer)
	stalled, refusal := problem.AsStalled(err)
	if !can || !refusal {
		return err
	}
	if advice := explainer.Explain(stalled.Message); advice != "" {
		return problem.WaitingUntil(refusalDelay, stalled.Reason, "%s", advice)
	}
	return err
}

// refusalDelay is how often an engine that refused for a setting of its own is asked again: its settings are not watched.
const refusalDelay = 30 * time.Second

// youth is how long a new child may take to be served before its owner says that it waits: most are served sooner, and then the write
// and all that follows from it are saved.
const youth = 2 * time.Second

func isYoung(child client.Object, now time.Time) bool {
	return now.Sub(child.GetCreationTimestamp().Time) < youth
}

func (r *ServingReconciler) observe(ctx context.Context, v *servingVisit) error {
	pods := &corev1.PodList{}
	if err := r.List(ctx, pods, client.InNamespace(v.serving.Namespace), client.MatchingLabels{corev1beta2.ServingLabel: v.serving.Name}); err != nil {
		return fmt.Errorf("listing the pods of the function: %w", err)
	}
	v.live.Pods = pods.Items
	health := v.run.Health(v.live)
	v.serving.Status.ResourceRef = references(v.live.Objects)
	if addresser, ok := v.run.(core.Addresser); ok {
		v.serving.Status.Addresses = addresser.Addresses(v.live)
	}
	v.serving.Status.Service = v.serving.Name
	switch health.Phase {
	case core.Running:
		v.serving.Status.SetState(corev1beta2.Running, health.Reason, health.Message)
		status.MarkReady(v.serving, health.Reason, health.Message)
	case core.Failed:
		v.serving.Status.SetState(corev1beta2.Failed, health.Reason, health.Message)
		status.MarkStalled(v.serving, health.Reason, health.Message)
	case core.Starting:
		v.serving.Status.SetState(corev1beta2.Starting, health.Reason, health.Message)
		status.MarkReconciling(v.serving, health.Reason, health.Message)
		if len(v.live.Objects) > 0 && isYoung(v.live.Objects[0], r.Clock.Now()) {
			v.hold, v.recheck = true, youth
		}
	}
	return nil
}

// showServing gives a problem its place in the established fields.
func showServing(s *corev1beta2.Serving, err error) {
	if stalled, ok := problem.AsStalled(err); ok {
		s.Status.SetState(corev1beta2.Failed, stalled.Reason, status.Sentence(stalled.Message))
	} else if waiting, ok := problem.AsWaiting(err); ok {
		s.Status.SetState(corev1beta2.Starting, waiting.Reason, status.Sentence(waiting.Message))
	}
}

// references lists the children as the established resourceRef does.
func references(objects []client.Object) map[string]string {
	refs := map[string]string{}
	for _, object := range objects {
		if _, ok := object.(*kservingv1.Service); ok {
			refs["serving.knative.dev/service"] = object.GetName()
		}
	}
	return refs
}
