// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/apply"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/builder/tekton"
	"github.com/openfunction/openfunction/pkg/problem"
	"github.com/openfunction/openfunction/pkg/provider"
	"github.com/openfunction/openfunction/pkg/status"
)

// +kubebuilder:rbac:groups=core.openfunction.io,resources=builders,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=core.openfunction.io,resources=builders/status,verbs=patch
// +kubebuilder:rbac:groups=core.openfunction.io,resources=builders/finalizers,verbs=update
// +kubebuilder:rbac:groups=tekton.dev,resources=taskruns,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get
// +kubebuilder:rbac:groups="",resources=pods/log,verbs=get

// builderFieldOwner is the manager under which the Builder controller applies.
const builderFieldOwner = "openfunction-core/builder"

// LogReader reads the end of a container's log.
type LogReader interface {
	// Tail returns at most limit bytes from the end of the log, whole lines only. A log that is gone is empty, not an error.
	Tail(ctx context.Context, namespace, pod, container string, limit int64) (string, error)
}

// BuilderReconciler carries out a Builder as one build run and reports how it went.
type BuilderReconciler struct {
	client.Client
	// Live reads past the cache.
	Live client.Reader
	// Clock tells the time.
	Clock clock.PassiveClock
	// Recorder records Events.
	Recorder events.EventRecorder
	// Logs reads the log of a failed step.
	Logs LogReader
	// Settings are the operator's.
	Settings core.BuildSettings

	providers *provider.Watches
}

// builderVisit is the state of one call.
type builderVisit struct {
	builder *corev1beta2.Builder
	run     *tektonv1.TaskRun
	// withoutEngine tells that nothing can run, nor have run.
	withoutEngine bool
}

func (r *BuilderReconciler) setup(mgr ctrl.Manager, options Options) error {
	askNamespace, ifLevelChanged := enqueueIn(r, &corev1beta2.BuilderList{}, isAnotherLevel)
	c, err := ctrl.NewControllerManagedBy(mgr).
		Named("builder").
		For(&corev1beta2.Builder{}).
		WatchesMetadata(provider.Definition(), provider.EnqueueAll(r, tekton.Run{}.Needs().Kinds, &corev1beta2.BuilderList{})).
		WatchesMetadata(namespaceMetadata(), askNamespace, ifLevelChanged).
		WithOptions(controllerOptions(options)).
		Build(reconcile.AsReconciler(mgr.GetClient(), r))
	if err != nil {
		return fmt.Errorf("setting up the Builder controller: %w", err)
	}
	r.providers = options.Kinds.For(c, &corev1beta2.Builder{}, nil)
	return nil
}

// Reconcile carries out one Builder. A Builder that has finished is only ever removed.
func (r *BuilderReconciler) Reconcile(ctx context.Context, b *corev1beta2.Builder) (res ctrl.Result, err error) {
	if !b.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	b = b.DeepCopy()
	report := status.Begin(b)
	defer func() {
		if res, err = report.Finish(ctx, r.Client, res, err); err == nil {
			announceBuilder(r.Recorder, b, report)
		}
	}()
	if b.IsFinished() {
		return r.expire(ctx, b)
	}
	markUnsupported(b, notActedOnByBuild("spec.", &b.Spec.BuildImpl))
	v := &builderVisit{builder: b}
	for _, phase := range []func(context.Context, *builderVisit) error{r.checkProvider, r.start, r.cancel, r.observe} {
		if err := phase(ctx, v); err != nil {
			showBuilder(b, err)
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{}, nil
}

// checkProvider lets a cancelled Builder end without the engine that would have built it.
func (r *BuilderReconciler) checkProvider(ctx context.Context, v *builderVisit) error {
	err := r.providers.Require(ctx, tekton.Run{}.Needs())
	if _, missing := problem.AsStalled(err); missing && cancelled(v.builder) {
		v.withoutEngine = true
		return nil
	}
	return err
}

// start creates the objects of the build once. A Builder that was cancelled before it began creates nothing.
func (r *BuilderReconciler) start(ctx context.Context, v *builderVisit) error {
	if cancelled(v.builder) {
		return r.findRun(ctx, v)
	}
	if err := r.checkSecrets(ctx, v.builder); err != nil {
		return err
	}
	desired, err := tekton.Run{}.Desired(core.BuildInput{Builder: v.builder, Settings: r.Settings})
	if err != nil {
		return err
	}
	if err := r.checkSteps(ctx, v.builder, desired); err != nil {
		return err
	}
	set := apply.Set{Client: r.Client, Live: r.Live, Owner: v.builder, FieldOwner: builderFieldOwner}
	for _, child := range desired {
		live, err := set.Ensure(ctx, child)
		if err != nil {
			return apply.Refused(err)
		}
		if run, ok := live.(*tektonv1.TaskRun); ok {
			v.run = run
		}
	}
	return nil
}

// findRun finds the build of a Builder that was cancelled, past the cache too: one that was created a moment ago must not go on unseen.
func (r *BuilderReconciler) findRun(ctx context.Context, v *builderVisit) error {
	if v.withoutEngine {
		return nil
	}
	for _, reader := range []client.Reader{r.Client, r.Live} {
		run := &tektonv1.TaskRun{}
		err := reader.Get(ctx, client.ObjectKeyFromObject(v.builder), run)
		if err == nil {
			if apply.Owns(v.builder, run) {
				v.run = run
			}
			return nil
		}
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("reading the TaskRun: %w", err)
		}
	}
	return nil
}

// secretDelay is how often a missing Secret is looked for: Secrets are not watched, so that this controller need not be
// allowed to list them.
const secretDelay = 10 * time.Second

// checkSecrets looks for the Secrets the build pod mounts, by their metadata only: a pod without them would hang in silence.
func (r *BuilderReconciler) checkSecrets(ctx context.Context, b *corev1beta2.Builder) error {
	wanted := tekton.Secrets(b)
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if wrong := validation.IsDNS1123Subdomain(name); len(wrong) > 0 {
			return problem.Stalled(corev1beta2.InvalidSpecReason, "No Secret can have the name %q in %s: %s", name, wanted[name], wrong[0])
		}
		secret := &metav1.PartialObjectMetadata{}
		secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
		err := r.Live.Get(ctx, client.ObjectKey{Namespace: b.Namespace, Name: name}, secret)
		if apierrors.IsNotFound(err) {
			return problem.WaitingUntil(secretDelay, corev1beta2.SecretNotFoundReason, "Secret %q named in %s does not exist in namespace %s; create it",
				name, wanted[name], b.Namespace)
		}
		if err != nil {
			return fmt.Errorf("looking for Secret %s: %w", name, err)
		}
	}
	return nil
}

// cancel asks Tekton to stop the build; it is never deleted, so that its log stays.
func (r *BuilderReconciler) cancel(ctx context.Context, v *builderVisit) error {
	if !cancelled(v.builder) || v.run == nil || v.run.IsDone() || tekton.Cancelled(v.run) {
		return nil
	}
	before := v.run.DeepCopy()
	v.run = v.run.DeepCopy()
	v.run.Spec.Status = tektonv1.TaskRunSpecStatusCancelled
	if err := r.Patch(ctx, v.run, client.MergeFrom(before), client.FieldOwner(builderFieldOwner)); err != nil {
		return fmt.Errorf("cancelling the TaskRun: %w", apply.LostRace(v.run, err))
	}
	return nil
}

func cancelled(b *corev1beta2.Builder) bool {
	return b.Spec.State == corev1beta2.BuilderStateCancelled
}

// maxLog is how much of a failed step's log a Builder's status holds, in bytes.
const maxLog = 4096

// logPatience is how long after its end a build may take to hand out its log. A node that is gone never does.
const logPatience = time.Minute

func (r *BuilderReconciler) observe(ctx context.Context, v *builderVisit) error {
	result := core.BuildResult{Phase: core.BuildCanceled, Reason: corev1beta2.BuildCanceledReason, Message: "The build was cancelled before it began"}
	if v.run != nil {
		result = tekton.Result(v.run)
		v.builder.Status.ResourceRef = map[string]string{"tekton.dev/taskrun": v.run.Name}
	}
	s := &v.builder.Status
	s.SetState(string(result.Phase), result.Reason, status.Sentence(result.Message))
	if result.Source != nil {
		s.Sources = []corev1beta2.SourceResult{*result.Source}
	}
	if result.Duration > 0 {
		s.BuildDuration = &metav1.Duration{Duration: result.Duration}
	}
	switch result.Phase {
	case core.BuildRunning:
		status.MarkReconciling(v.builder, result.Reason, result.Message)
		return nil
	case core.BuildSucceeded:
		s.Output = &corev1beta2.BuilderOutput{Digest: result.Digest, Size: result.Size}
		status.MarkReady(v.builder, result.Reason, result.Message)
		return nil
	case core.BuildFailed, core.BuildTimedOut, core.BuildCanceled:
	}
	if result.FailedStep != "" {
		log, err := r.Logs.Tail(ctx, v.builder.Namespace, result.Pod, result.Container, maxLog)
		if err != nil && r.Clock.Since(ptr.Deref(v.run.Status.CompletionTime, metav1.Time{}).Time) < logPatience {
			return fmt.Errorf("reading the log of step %s: %w", result.FailedStep, err)
		}
		s.Failure = &corev1beta2.BuildFailure{Step: result.FailedStep, ExitCode: result.ExitCode, Log: log}
		if last := lastLine(log); last != "" {
			s.Message = status.Sentence(result.Message + ": " + last)
		}
	}
	status.MarkStalled(v.builder, result.Reason, s.Message)
	return nil
}

// expire removes a finished Builder that stands alone once it is older than builderMaxAge; a Function looks after its own.
func (r *BuilderReconciler) expire(ctx context.Context, b *corev1beta2.Builder) (ctrl.Result, error) {
	if b.Spec.BuilderMaxAge == nil || b.Spec.BuilderMaxAge.Duration <= 0 || metav1.GetControllerOf(b) != nil {
		return ctrl.Result{}, nil
	}
	if left := b.FinishedAt().Add(b.Spec.BuilderMaxAge.Duration).Sub(r.Clock.Now()); left > 0 {
		return ctrl.Result{RequeueAfter: left}, nil
	}
	uid := b.GetUID()
	if err := r.Delete(ctx, b, client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationBackground)); err != nil {
		return ctrl.Result{}, fmt.Errorf("removing the expired Builder: %w", apply.LostRace(b, err))
	}
	return ctrl.Result{}, nil
}

// showBuilder gives a problem its place in the established fields.
func showBuilder(b *corev1beta2.Builder, err error) {
	if stalled, ok := problem.AsStalled(err); ok {
		b.Status.SetState("", stalled.Reason, status.Sentence(stalled.Message))
	} else if waiting, ok := problem.AsWaiting(err); ok {
		b.Status.SetState("", waiting.Reason, status.Sentence(waiting.Message))
	}
}
