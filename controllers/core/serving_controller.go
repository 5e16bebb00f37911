// SPDX-License-Identifier: Apache-2.0

package core

import (
	"cmp"
	"context"
	"fmt"
	"time"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/apply"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/dapr"
	"github.com/openfunction/openfunction/pkg/core/serving"
	"github.com/openfunction/openfunction/pkg/problem"
	"github.com/openfunction/openfunction/pkg/provider"
	"github.com/openfunction/openfunction/pkg/status"
)

// +kubebuilder:rbac:groups=core.openfunction.io,resources=servings,verbs=get;list;watch
// +kubebuilder:rbac:groups=core.openfunction.io,resources=servings/status,verbs=patch
// +kubebuilder:rbac:groups=core.openfunction.io,resources=servings/finalizers,verbs=update
// +kubebuilder:rbac:groups=serving.knative.dev,resources=services,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=keda.sh,resources=scaledobjects;scaledjobs,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=http.keda.sh,resources=httpscaledobjects;interceptorroutes,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=dapr.io,resources=components;resiliencies,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=apps,resources=deployments;statefulsets;daemonsets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=services,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;create;patch;delete
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=pods,verbs=list;watch
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,verbs=list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create

// servingFieldOwner is the manager under which the Serving controller applies.
const servingFieldOwner = "openfunction-core/serving"

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
	// TrustDomain is Dapr's trust domain.
	TrustDomain string
	// Settings are the operator's.
	Settings core.ServingSettings

	providers *provider.Watches
}

// servingVisit is the state of one call.
type servingVisit struct {
	serving *corev1beta2.Serving
	run     core.ServingRun
	input   core.Input
	use     dapr.Use
	set     apply.Set
	desired []client.Object
	live    core.Live
	// front is the Service of the function's own name; nil while there is none.
	front *corev1.Service
	// proxies are the pods of the function's agent or shared daprd.
	proxies []corev1.Pod
	health  core.Health
	recheck time.Duration
	// hold leaves the status as it is for this call.
	hold bool
}

// again asks for another look after a while, unless one comes sooner; 0 asks for none.
func (v *servingVisit) again(after time.Duration) { v.recheck = soonest(v.recheck, after) }

func (r *ServingReconciler) setup(mgr ctrl.Manager, options Options) error {
	askNamespace, ifLevelChanged := enqueueIn(r, &corev1beta2.ServingList{}, isAnotherLevel)
	b := ctrl.NewControllerManagedBy(mgr).
		Named("serving").
		For(&corev1beta2.Serving{}).
		Watches(&corev1beta2.Serving{}, r.enqueueSplitting()).
		Watches(&corev1.Service{}, r.enqueueSplitting()).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(servingOfPod)).
		Watches(&corev1.ConfigMap{}, r.enqueueForFrameworks()).
		WatchesMetadata(provider.Definition(), provider.EnqueueAll(r, engineChildren(), &corev1beta2.ServingList{})).
		WatchesMetadata(namespaceMetadata(), askNamespace, ifLevelChanged)
	for _, child := range builtinChildren() {
		b = b.Owns(child)
	}
	c, err := b.WithOptions(controllerOptions(options)).Build(reconcile.AsReconciler(mgr.GetClient(), r))
	if err != nil {
		return fmt.Errorf("setting up the Serving controller: %w", err)
	}
	r.providers = options.Kinds.For(c, &corev1beta2.Serving{}, map[schema.GroupVersionKind]handler.EventHandler{dapr.ComponentKind: r.enqueueReferring()})
	return nil
}

func controllerOptions(options Options) controller.Options {
	return controller.Options{MaxConcurrentReconciles: options.Concurrency, SkipNameValidation: &options.SkipNameValidation, NewQueue: options.Queue}
}

// servingOfPod finds the Serving by the label that every pod of a function, of its agent or of its shared daprd carries.
func servingOfPod(_ context.Context, pod client.Object) []reconcile.Request {
	name := cmp.Or(pod.GetLabels()[corev1beta2.ServingLabel], pod.GetLabels()[corev1beta2.ProxyLabel])
	if name == "" {
		return nil
	}
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
	v := &servingVisit{serving: s, set: apply.Set{Client: r.Client, Live: r.Live, Owner: s, FieldOwner: servingFieldOwner},
		live: core.Live{ClusterDomain: r.ClusterDomain}}
	for _, phase := range []func(context.Context, *servingVisit) error{
		r.chooseRun, r.readFront, r.applySplit, r.checkProviders, r.checkReferences, r.resolveInputs, r.readPods, r.applyChildren, r.observe, r.doubtScaler,
		r.confirm, r.letRest, r.applyFront, r.prune, r.applyInvocation, r.show,
	} {
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

func (r *ServingReconciler) chooseRun(_ context.Context, v *servingVisit) error {
	v.input = core.Input{Serving: v.serving, ClusterDomain: r.ClusterDomain, Settings: r.Settings}
	v.run = serving.For(v.serving)
	markUnsupported(v.serving, append(notActedOnAlone(v.serving), notActedOnByServing("spec.", &v.serving.Spec.ServingImpl)...))
	return nil
}

func (r *ServingReconciler) checkProviders(ctx context.Context, v *servingVisit) error {
	if needs, uses := dapr.Needs(v.serving); uses {
		if err := r.providers.Require(ctx, needs); err != nil {
			return err
		}
	}
	return r.providers.Require(ctx, v.run.Needs())
}

// applyChildren applies what Dapr needs before what the run needs: a function that starts finds its daprd.
func (r *ServingReconciler) applyChildren(ctx context.Context, v *servingVisit) error {
	if err := r.decide(v); err != nil {
		return err
	}
	if err := r.checkPods(ctx, v); err != nil {
		return err
	}
	if err := r.pruneScalers(ctx, v); err != nil {
		return err
	}
	v.live.Objects = nil
	for _, child := range v.desired {
		if isScaler(child) && agentIsAway(v) {
			continue
		}
		live, err := v.set.Apply(ctx, child)
		if err != nil {
			return explained(v.run, apply.Refused(err))
		}
		v.live.Objects = append(v.live.Objects, live)
	}
	return nil
}

// agentIsAway tells that the function has an agent that is not ready. KEDA asks a new scaler's agent once, and reports a failure that is none when
// it does so too early; an agent that becomes ready is watched.
func agentIsAway(v *servingVisit) bool {
	health, has := dapr.Health(v.live.Objects, v.proxies)
	return has && v.use.HasAgent() && health.Phase != core.Running
}

func isScaler(child client.Object) bool {
	switch child.(type) {
	case *kedav1alpha1.ScaledObject, *kedav1alpha1.ScaledJob:
		return true
	}
	return false
}

// decide works out the wanted children from the input.
func (r *ServingReconciler) decide(v *servingVisit) error {
	use, err := dapr.Of(v.input)
	if err != nil {
		return err
	}
	v.use = use
	v.desired, err = use.Objects()
	if err != nil {
		return err
	}
	own, err := v.run.Desired(v.input)
	if err != nil {
		return err
	}
	v.desired = append(v.desired, own...)
	return nil
}

// explained puts what the run knows about a refusal in the place of the engine's own words.
func explained(run core.ServingRun, err error) error {
	explainer, can := run.(core.Explainer)
	if !can {
		return err
	}
	var reason, refusal string
	if stalled, is := problem.AsStalled(err); is {
		reason, refusal = stalled.Reason, stalled.Message
	} else if waiting, is := problem.AsWaiting(err); is {
		reason, refusal = waiting.Reason, waiting.Message
	}
	if reason != corev1beta2.RefusedReason {
		return err
	}
	if advice := explainer.Explain(refusal); advice != "" {
		return problem.WaitingUntil(refusalDelay, reason, "%s", advice)
	}
	return err
}

// refusalDelay is how often an engine that refused for a setting of its own is asked again: its settings are not watched.
const refusalDelay = 30 * time.Second

// youth is how long a new child may take to be served before its owner says that it waits: most are served sooner, and then the write
// and all that follows from it are saved.
const youth = 2 * time.Second

func isYoung(child client.Object, now time.Time) bool {
	return remaining(child.GetCreationTimestamp().Time, youth, now) > 0
}

func (r *ServingReconciler) readPods(ctx context.Context, v *servingVisit) (err error) {
	if v.live.Pods, err = r.pods(ctx, v.serving, corev1beta2.ServingLabel); err != nil {
		return err
	}
	v.proxies, err = r.pods(ctx, v.serving, corev1beta2.ProxyLabel)
	return err
}

// observe judges the live children. What is wrong with the function itself comes before what is wrong with its agent, and that before a scaler
// that cannot ask the agent yet.
func (r *ServingReconciler) observe(_ context.Context, v *servingVisit) error {
	v.health = v.run.Health(v.live)
	ofDapr, has := dapr.Health(v.live.Objects, v.proxies)
	ownFault := v.health.Phase == core.Failed && v.health.Reason != corev1beta2.ScalerFailedReason
	if has && ofDapr.Phase != core.Running && !ownFault {
		ofDapr.Serving = v.health.Serving
		v.health = ofDapr
	}
	return nil
}

// confirm makes sure of the children before a verdict that the status does not have yet is acted on, and told.
func (r *ServingReconciler) confirm(ctx context.Context, v *servingVisit) error {
	verdict, is := map[core.Phase]string{core.Running: status.Ready, core.Failed: status.Stalled}[v.health.Phase]
	if !is || status.Says(v.serving, verdict) {
		return nil
	}
	return v.set.Confirm(ctx)
}

func (r *ServingReconciler) pods(ctx context.Context, s *corev1beta2.Serving, label string) ([]corev1.Pod, error) {
	pods := &corev1.PodList{}
	if err := r.List(ctx, pods, client.InNamespace(s.Namespace), client.MatchingLabels{label: s.Name}); err != nil {
		return nil, fmt.Errorf("listing the pods of the function: %w", err)
	}
	return pods.Items, nil
}

// show writes what was found into the status.
func (r *ServingReconciler) show(_ context.Context, v *servingVisit) error {
	s, health := v.serving, v.health
	s.Status.ResourceRef = references(v.live.Objects)
	s.Status.Addresses = addresses(v)
	s.Status.Service = s.Name
	switch health.Phase {
	case core.Running:
		s.Status.SetState(corev1beta2.Running, health.Reason, health.Message)
		status.MarkReady(s, health.Reason, health.Message)
	case core.Failed:
		s.Status.SetState(failedState(health), health.Reason, health.Message)
		status.MarkStalled(s, health.Reason, health.Message)
	case core.Starting:
		s.Status.SetState(corev1beta2.Starting, health.Reason, health.Message)
		status.MarkReconciling(s, health.Reason, health.Message)
		if len(v.live.Objects) > 0 && isYoung(v.live.Objects[0], r.Clock.Now()) {
			v.hold = true
			v.again(youth)
		}
	}
	return nil
}

// failedState is the established state of a version that does not serve.
func failedState(health core.Health) string {
	if health.Reason == corev1beta2.TimeoutReason {
		return corev1beta2.Timeout
	}
	return corev1beta2.Failed
}

// showServing gives a problem its place in the established fields.
func showServing(s *corev1beta2.Serving, err error) {
	if stalled, ok := problem.AsStalled(err); ok {
		s.Status.SetState(corev1beta2.Failed, stalled.Reason, status.Sentence(stalled.Message))
	} else if waiting, ok := problem.AsWaiting(err); ok {
		s.Status.SetState(corev1beta2.Starting, waiting.Reason, status.Sentence(waiting.Message))
	}
}
