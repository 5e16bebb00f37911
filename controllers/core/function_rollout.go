// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/apply"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/dapr"
)

// progress is how far the rollout of a version has come. It is kept on the canary, so that it goes on from there after a restart, and a step lasts
// as long as it should however late anybody looked.
type progress struct {
	// Revision is the version it is about; of another version it says nothing.
	Revision string `json:"revision"`
	// Step is the step it has come to, from 1; 0 while the canary gets no requests.
	Step int `json:"step"`
	// Since is when it came there.
	Since metav1.MicroTime `json:"since"`
	// Begun tells that the canary has had requests.
	Begun bool `json:"begun,omitempty"`
	// Stopped tells that it failed after it had had requests. It gets no more, whatever becomes of it.
	Stopped bool `json:"stopped,omitempty"`
	// Ended tells that the canary is not needed any more. It stays for the requests that it still answers.
	Ended bool `json:"ended,omitempty"`
}

// progressOf reads it; of a canary that has just come to another version there is none yet, and what nobody of us wrote is none.
func progressOf(canary *corev1beta2.Serving) progress {
	if canary == nil {
		return progress{}
	}
	var p progress
	fresh := progress{Revision: canary.Annotations[corev1beta2.RevisionAnnotation]}
	if json.Unmarshal([]byte(canary.Annotations[corev1beta2.RolloutAnnotation]), &p) != nil || p.Revision != fresh.Revision || p.Step < 0 {
		return fresh
	}
	return p
}

func (p progress) String() string {
	text, _ := json.Marshal(p) // a struct of plain values
	return string(text)
}

// at is the same rollout at another step.
func (p progress) at(step int, now time.Time) progress {
	return progress{Revision: p.Revision, Step: step, Since: metav1.NewMicroTime(now.UTC().Truncate(time.Microsecond)), Begun: p.Begun || step > 0}
}

// health is what a canary says of itself.
type health string

const (
	healthStarting health = "Starting"
	healthReady    health = "Ready"
	healthFailed   health = "Failed"
)

func healthOf(s *corev1beta2.Serving) health {
	ready := readiness(s)
	switch {
	case ready == nil || ready.Status == metav1.ConditionUnknown:
		return healthStarting
	case ready.Status == metav1.ConditionTrue:
		return healthReady
	default:
		return healthFailed
	}
}

// next is where the rollout goes from here; done when the canary has passed its last step. The user lets it go to step released at once. One
// that is not ready for a while gets no requests and begins again; one that fails is stopped.
func (p progress) next(is health, steps []corev1beta2.RolloutStep, released int, now time.Time) (next progress, recheck time.Duration, done bool) {
	switch {
	case is == healthReady && released > len(steps):
		return p, 0, true
	case p.Stopped:
		return p, 0, false
	case is == healthFailed && p.Begun:
		p = p.at(p.Step, now)
		p.Stopped = true
		return p, 0, false
	case is != healthReady:
		if p.Step > 0 {
			p = p.at(0, now)
		}
		return p, 0, false
	}
	if p.Step == 0 || p.Step < released {
		p = p.at(max(1, released), now)
	}
	p.Step = min(p.Step, len(steps))
	if p.Since.After(now) { // the clock was set back
		p = p.at(p.Step, now)
	}
	pause := steps[p.Step-1].Pause
	if pause == nil {
		return p, 0, false
	}
	left := p.Since.Add(pause.Duration).Sub(now)
	switch {
	case left > 0:
		return p, left, false
	case p.Step == len(steps):
		return p, 0, true
	}
	return p.at(p.Step+1, now).next(is, steps, released, now)
}

// percent is the share that the canary gets.
func (p progress) percent(steps []corev1beta2.RolloutStep) int32 {
	if p.Step == 0 || p.Stopped || p.Ended || len(steps) == 0 {
		return 0
	}
	return steps[min(p.Step, len(steps))-1].Percent
}

// course is what is to become of the Servings of a function in one call.
type course struct {
	// stable is the version that the function's own Serving is to serve, with that split; nil leaves the Serving as it is.
	stable *version
	split  *corev1beta2.ServingSplit
	// candidate is the version that the canary is to serve; nil leaves the canary as it is.
	candidate *version
	// progress is to be kept on the canary.
	progress progress
	// dismiss tells that no canary is wanted any more.
	dismiss bool
	// recheck is after how long to look again; 0 when no time is awaited.
	recheck time.Duration
}

// mayRollOut tells whether there may be something to do for a rollout.
func (v *functionVisit) mayRollOut() bool {
	return v.canary != nil || (v.serving != nil && v.target != nil && len(v.steps()) > 0 && v.current() != v.target.name)
}

// steps are those of spec.serving.rollout.
func (v *functionVisit) steps() []corev1beta2.RolloutStep {
	if rollout := v.function.Spec.Serving.Rollout; rollout != nil {
		return rollout.Steps
	}
	return nil
}

// released is the step that the user lets the candidate go to: one beyond the last to let it take over, 0 without a wish.
func (v *functionVisit) released(candidate string) int {
	name, step, named := strings.Cut(v.function.Annotations[corev1beta2.PromoteAnnotation], "/")
	if name != candidate {
		return 0
	}
	if !named {
		return len(v.steps()) + 1
	}
	n, err := strconv.Atoi(step)
	if err != nil {
		return 0
	}
	return max(n, 0)
}

// isTaken tells that the canary has been accepted: the function's own Serving is becoming what the canary is, which has all requests meanwhile.
func (v *functionVisit) isTaken() bool {
	split := v.serving.Spec.Split
	return v.canary != nil && !progressOf(v.canary).Ended && v.current() == v.candidate() &&
		split != nil && split.Serving == v.canary.Name && split.Percent == 100
}

// isDirect tells that the wanted version replaces the current one without being tried: on a rollback, without steps, where no HTTP requests can be
// shared, and where the current version serves nobody.
func (v *functionVisit) isDirect() bool {
	tried := v.canary != nil && v.candidate() == v.target.name
	return v.function.Spec.RollbackTo != nil || len(v.steps()) == 0 ||
		v.target.spec.HTTP() == nil || v.serving.Spec.HTTP() == nil || (healthOf(v.serving) == healthFailed && !tried)
}

// course decides what happens next. It depends on what the API server has, the spec and the time alone.
func (v *functionVisit) course(now time.Time) (course, error) {
	if v.serving == nil {
		return course{stable: v.target, dismiss: true}, nil
	}
	current, err := versionServed(v.function, v.serving)
	if err != nil {
		return course{}, err
	}
	changes := v.target != nil && v.target.name != current.name
	switch {
	case v.isTaken() && healthOf(v.serving) == healthReady:
		return course{stable: current, dismiss: true}, nil // what else is wanted is next
	case v.isTaken() && (!changes || !v.isDirect()):
		return course{stable: v.steady(current), split: v.serving.Spec.Split, progress: progressOf(v.canary)}, nil
	case v.target == nil:
		return v.standStill(current, now), nil
	case !changes || v.isDirect():
		return course{stable: v.target, dismiss: true}, nil
	}
	return v.try(current, now), nil
}

// steady is the wanted version where it is the current one, so that an edit of somebody else is undone, and otherwise nothing.
func (v *functionVisit) steady(current *version) *version {
	if v.target != nil && v.target.name == current.name {
		return v.target
	}
	return nil
}

// standStill keeps a rollout where it is while nobody knows which version is wanted next. A canary that is not ready loses its requests all the
// same.
func (v *functionVisit) standStill(current *version, now time.Time) course {
	p := progressOf(v.canary)
	if v.canary == nil || p.Ended || v.candidate() == current.name {
		return v.without(current)
	}
	if is := healthOf(v.canary); is != healthReady {
		p, _, _ = p.next(is, v.steps(), 0, now)
		return v.without(current).keeping(p)
	}
	return course{progress: p}
}

// without takes the share away from the canary; nothing where it has none.
func (v *functionVisit) without(current *version) course {
	c := course{dismiss: true}
	if v.serving.Spec.Split != nil {
		c.stable = current
	}
	return c
}

// keeping keeps the canary at a progress.
func (c course) keeping(p progress) course {
	c.progress, c.dismiss = p, false
	return c
}

// try lets the canary serve the wanted version and gives it its share.
func (v *functionVisit) try(current *version, now time.Time) course {
	p, fresh := progressOf(v.canary), progress{Revision: v.target.name}
	switch {
	case v.canary == nil:
		return course{candidate: v.target, progress: fresh}
	case v.candidate() != v.target.name && (v.serving.Spec.Split != nil || readiness(v.serving) == nil):
		return v.without(current).keeping(p) // it must not change under the requests that it still gets
	case v.candidate() != v.target.name || p.Ended:
		return course{candidate: v.target, progress: fresh}
	}
	p, recheck, done := p.next(healthOf(v.canary), v.steps(), v.released(v.target.name), now)
	if done {
		return course{stable: v.target, split: &corev1beta2.ServingSplit{Serving: v.canary.Name, Percent: 100}, candidate: v.target, progress: p}
	}
	c := course{stable: current, candidate: v.target, progress: p, recheck: recheck}
	if percent := p.percent(v.steps()); percent > 0 {
		c.split = &corev1beta2.ServingSplit{Serving: v.canary.Name, Percent: percent}
	}
	return c
}

// tryCandidate brings the canary to the version that is tried and keeps its progress, before anything depends on it.
func (r *FunctionReconciler) tryCandidate(ctx context.Context, v *functionVisit, c course) error {
	if c.candidate != nil {
		applied, err := v.children.Apply(ctx, canaryOf(v.function, c.candidate))
		if err != nil {
			return err
		}
		v.canary = applied.(*corev1beta2.Serving)
	}
	if v.canary == nil || c.dismiss {
		return nil
	}
	return r.keepProgress(ctx, v, c.progress)
}

// canaryOf is the Serving in which a version is tried. It is called by requests only, at the hosts of the cluster: what else calls the function, or
// leads to it, is for one version at a time.
func canaryOf(f *corev1beta2.Function, candidate *version) *corev1beta2.Serving {
	s := servingOf(f, candidate, nil)
	s.Name = core.CanaryChild(f.Name)
	s.Labels[corev1beta2.CanaryLabel] = "true"
	if s.Spec.Triggers != nil && s.Spec.Triggers.HTTP != nil {
		s.Spec.Triggers.HTTP.Route = nil
	}
	dapr.OnTrial(s)
	return s
}

// keepProgress writes how far the rollout has come, if that has changed.
func (r *FunctionReconciler) keepProgress(ctx context.Context, v *functionVisit, p progress) error {
	if progressOf(v.canary).String() == p.String() {
		return nil
	}
	before := v.canary.DeepCopy()
	v.canary = v.canary.DeepCopy()
	metav1.SetMetaDataAnnotation(&v.canary.ObjectMeta, corev1beta2.RolloutAnnotation, p.String())
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Patch(ctx, v.canary, patch, client.FieldOwner(functionFieldOwner)); err != nil {
		return fmt.Errorf("writing how far the rollout of Serving %s has come: %w", v.canary.Name, apply.LostRace(v.canary, err))
	}
	return nil
}

// dismissCanary removes a canary that is not wanted any more, after the requests that it still answers have had their time.
func (r *FunctionReconciler) dismissCanary(ctx context.Context, v *functionVisit, c course) error {
	if v.canary == nil || !c.dismiss || !v.canary.DeletionTimestamp.IsZero() {
		return nil
	}
	p, now := progressOf(v.canary), r.Clock.Now()
	if !p.Ended || p.Since.After(now) { // it has just ended, or the clock was set back
		p = p.at(p.Step, now)
		p.Ended = true
		if err := r.keepProgress(ctx, v, p); err != nil {
			return err
		}
	}
	if left := p.Since.Add(r.Drain).Sub(now); left > 0 {
		v.again(left)
		return nil
	}
	if v.serving != nil && v.serving.Status.ObservedGeneration != v.serving.Generation {
		return nil // its requests may not have been led away yet; that they are is watched
	}
	return v.children.Delete(ctx, v.canary)
}

// showRollout tells how far a rollout has come. While the version that is wanted does not serve everybody, that takes the place of what is said of the
// Serving.
func (v *functionVisit) showRollout(served metav1.Condition) metav1.Condition {
	f := v.function
	f.Status.Rollout = nil
	p := progressOf(v.canary)
	if v.serving == nil || v.canary == nil || p.Ended {
		return served
	}
	shown := &corev1beta2.RolloutStatus{Revision: v.candidate(), Step: int32(p.Step), Steps: int32(len(v.steps()))} //nolint:gosec // at most 16
	if !p.Since.IsZero() {
		shown.SinceTime = ptr.To(metav1.NewTime(p.Since.Truncate(time.Second)))
	}
	if split := v.serving.Spec.Split; split != nil {
		shown.Percent = split.Percent
	}
	f.Status.Rollout = shown
	if v.isTaken() && served.Status == metav1.ConditionTrue { // the Serving is about to change once more
		return metav1.Condition{Status: metav1.ConditionUnknown, Reason: corev1beta2.RollingOutReason,
			Message: fmt.Sprintf("Revision %s is about to get its requests without the canary", shown.Revision)}
	}
	if v.target == nil || v.current() == v.target.name || healthOf(v.serving) == healthFailed {
		return served
	}
	state, reason, message := v.explain(p, shown)
	return metav1.Condition{Status: state, Reason: reason, Message: message}
}

// explain says where the rollout is.
func (v *functionVisit) explain(p progress, shown *corev1beta2.RolloutStatus) (state metav1.ConditionStatus, reason, message string) {
	name, promote := shown.Revision, corev1beta2.PromoteAnnotation+"="+shown.Revision
	is := healthOf(v.canary)
	switch {
	case is == healthFailed:
		return metav1.ConditionFalse, corev1beta2.RolloutStoppedReason, fmt.Sprintf(
			"Revision %s gets no requests, because it failed (%s: %s); mend it; the revision before goes on serving", name, v.canary.Status.Reason, v.canary.Status.Message)
	case p.Stopped:
		return metav1.ConditionFalse, corev1beta2.RolloutStoppedReason, fmt.Sprintf(
			"Revision %s gets no requests, because it failed while it was tried; mend it, or let it serve all the same with the annotation %s", name, promote)
	case is == healthStarting:
		return metav1.ConditionUnknown, corev1beta2.RollingOutReason, fmt.Sprintf("Revision %s is starting beside the current one", name)
	case p.Step > 0 && p.Step <= len(v.steps()) && v.steps()[p.Step-1].Pause == nil:
		return metav1.ConditionUnknown, corev1beta2.WaitingForPromotionReason, fmt.Sprintf(
			"Revision %s gets %d %% of the requests; let it take over with the annotation %s", name, shown.Percent, promote)
	default:
		return metav1.ConditionUnknown, corev1beta2.RollingOutReason, fmt.Sprintf("Revision %s gets %d %% of the requests", name, shown.Percent)
	}
}
