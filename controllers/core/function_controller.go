// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlbuilder "sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
	"github.com/openfunction/openfunction/pkg/apply"
	"github.com/openfunction/openfunction/pkg/networking"
	"github.com/openfunction/openfunction/pkg/problem"
	"github.com/openfunction/openfunction/pkg/provider"
	"github.com/openfunction/openfunction/pkg/status"
)

// +kubebuilder:rbac:groups=core.openfunction.io,resources=functions,verbs=get;list;watch
// +kubebuilder:rbac:groups=core.openfunction.io,resources=functions/status,verbs=patch
// +kubebuilder:rbac:groups=core.openfunction.io,resources=functions/finalizers,verbs=update
// +kubebuilder:rbac:groups=core.openfunction.io,resources=builders,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=core.openfunction.io,resources=servings,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create

// functionFieldOwner is the manager under which the Function controller applies.
const functionFieldOwner = "openfunction-core/function"

// FunctionReconciler writes the Builder and the Serving a Function asks for, and sums up their state.
type FunctionReconciler struct {
	client.Client
	// Live reads past the cache.
	Live client.Reader
	// Clock tells the time.
	Clock clock.PassiveClock
	// Recorder records Events.
	Recorder events.EventRecorder
	// PlatformNamespace is where the router runs.
	PlatformNamespace string
	// ClusterDomain is the DNS suffix of Services.
	ClusterDomain string
	// Drain is how long a canary that is not needed any more stays for the requests that it still answers.
	Drain time.Duration

	providers *provider.Watches
}

// functionVisit is the state of one call.
type functionVisit struct {
	function *corev1beta2.Function
	children apply.Set
	// image is what the current spec serves; empty while it is not built.
	image string
	// serving is the Serving of the function's name, and canary the one in which another version is tried; nil where there is none.
	serving, canary *corev1beta2.Serving
	// target is the version that is to serve; nil while it is not known.
	target  *version
	history history
	recheck time.Duration
	// hold leaves the status as it is for this call.
	hold bool
}

func (r *FunctionReconciler) setup(mgr ctrl.Manager, options Options) error {
	askNamespace, ifRelabelled := enqueueIn(r, &corev1beta2.FunctionList{}, isRelabelled)
	c, err := ctrl.NewControllerManagedBy(mgr).
		Named("function").
		For(&corev1beta2.Function{}).
		Owns(&corev1beta2.Builder{}).
		Owns(&corev1beta2.Serving{}).
		Owns(&appsv1.ControllerRevision{}).
		Watches(&networkingv1alpha1.Gateway{}, handler.EnqueueRequestsFromMapFunc(r.functionsAt), ctrlbuilder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WatchesMetadata(provider.Definition(), provider.EnqueueAll(r, networking.GatewayAPI.Kinds, &corev1beta2.FunctionList{})).
		WatchesMetadata(namespaceMetadata(), askNamespace, ifRelabelled).
		WithOptions(functionOptions(options)).
		Build(reconcile.AsReconciler(mgr.GetClient(), r))
	if err != nil {
		return fmt.Errorf("setting up the Function controller: %w", err)
	}
	r.providers = options.Kinds.For(c, &corev1beta2.Function{}, map[schema.GroupVersionKind]handler.EventHandler{
		networking.GatewayKind: listenerChanges{handler.EnqueueRequestsFromMapFunc(r.functionsBehind)},
	})
	return nil
}

// functionOptions let fewer Functions than Servings be worked on at once. What is begun is then finished before more is begun: of many
// Functions that come at the same time none has to say that its Serving waits in line.
func functionOptions(options Options) controller.Options {
	o := controllerOptions(options)
	o.MaxConcurrentReconciles = (options.Concurrency + 1) / 2
	return o
}

// Reconcile brings one Function's Builder and Serving to what its spec asks for.
func (r *FunctionReconciler) Reconcile(ctx context.Context, f *corev1beta2.Function) (res ctrl.Result, err error) {
	if !f.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil // the children go with their owner
	}
	before, f := f, f.DeepCopy()
	report := status.Begin(f)
	defer func() {
		if res, err = report.Finish(ctx, r.Client, res, err); err == nil {
			announceFunction(r.Recorder, f, report)
			announceRollout(r.Recorder, f, report, before.Status.Rollout)
		}
	}()
	markUnsupported(f, notActedOnByFunction(f))
	v := &functionVisit{function: f, children: apply.Set{Client: r.Client, Live: r.Live, Owner: f, FieldOwner: functionFieldOwner}}
	for _, phase := range []struct {
		run  func(context.Context, *functionVisit) error
		part string
	}{{r.build, corev1beta2.BuiltCondition}, {r.serve, corev1beta2.ServedCondition}, {r.route, corev1beta2.RoutedCondition}} {
		if err := apply.Refused(phase.run(ctx, v)); err != nil {
			showFunction(f, phase.part, err)
			return ctrl.Result{}, err
		}
	}
	status.Summarize(f, readyMessage(f), corev1beta2.BuiltCondition, corev1beta2.ServedCondition, corev1beta2.RoutedCondition)
	if status.Concludes(before, f) {
		if err := v.children.Confirm(ctx); err != nil {
			return ctrl.Result{}, err
		}
	}
	if v.hold {
		report.Hold()
	}
	return ctrl.Result{RequeueAfter: v.recheck}, nil
}

// again asks for another look after a while, unless one comes sooner; 0 asks for none.
func (v *functionVisit) again(after time.Duration) { v.recheck = soonest(v.recheck, after) }

// soonest is the shorter of two times to wait, of which 0 is none.
func soonest(a, b time.Duration) time.Duration {
	if a <= 0 || b <= 0 {
		return max(a, b, 0)
	}
	return min(a, b)
}

// showFunction gives what is in the way of a part its place in the condition of that part and in the established fields: what they said of an
// earlier spec is not true of this one.
func showFunction(f *corev1beta2.Function, part string, err error) {
	state, stage := metav1.ConditionFalse, &corev1beta2.StageStatus{State: corev1beta2.Failed}
	if stalled, is := problem.AsStalled(err); is {
		stage.Reason, stage.Message = stalled.Reason, status.Sentence(stalled.Message)
	} else if waiting, is := problem.AsWaiting(err); is {
		state, stage.State = metav1.ConditionUnknown, ""
		stage.Reason, stage.Message = waiting.Reason, status.Sentence(waiting.Message)
	} else {
		return
	}
	status.Mark(f, part, state, stage.Reason, stage.Message)
	switch part {
	case corev1beta2.BuiltCondition:
		stage.LastSuccessfulResourceRef = lastSuccessful(f.Status.Build)
		f.Status.Build = stage
		if meta.FindStatusCondition(f.Status.Conditions, corev1beta2.ServedCondition) != nil {
			status.Mark(f, corev1beta2.ServedCondition, metav1.ConditionUnknown, corev1beta2.WaitingForImageReason,
				"Waits for the build; what served before goes on serving")
		}
	case corev1beta2.ServedCondition:
		stage.LastSuccessfulResourceRef = lastSuccessful(f.Status.Serving)
		f.Status.Serving = stage
	}
}

// lastSuccessful is the last Builder or Serving that a stage knows to have succeeded.
func lastSuccessful(stage *corev1beta2.StageStatus) string {
	if stage == nil {
		return ""
	}
	return stage.LastSuccessfulResourceRef
}

func readyMessage(f *corev1beta2.Function) string {
	switch {
	case len(f.Status.Addresses) > 0:
		return "Serving at " + f.Status.Addresses[len(f.Status.Addresses)-1].Value
	case f.Spec.Serving != nil:
		return "Serving"
	default:
		return "Built " + f.Status.Image
	}
}
