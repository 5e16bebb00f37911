// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"cmp"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/serving/podspec"
)

const (
	serves      = "This version serves"
	keepsOn     = "; the previous version keeps serving"
	replacing   = "Copies of the previous version are being replaced"
	noCopy      = "No copy of this version is ready yet"
	unscheduled = "No node takes a copy of the function: "
)

// Find returns the first live object of the type P that the run made; the objects of Dapr are live too.
func Find[P client.Object](live core.Live, run string) (P, bool) {
	for _, object := range live.Objects {
		if found, ok := object.(P); ok && object.GetLabels()[corev1beta2.RunLabel] == run {
			return found, true
		}
	}
	var none P
	return none, false
}

// Rollout is how far the copies of a workload have come.
type Rollout struct {
	// started tells that a copy of the current version was ready once.
	started bool
	// proven tells that copies count only when they have been ready for a while, and available how many have.
	proven    bool
	available int32
	// current are the copies of the current version that are meant to run, older all others.
	current, older []corev1.Pod
	// conditions are the Deployment's about the current version.
	conditions []appsv1.DeploymentCondition
	// advice says where to look when no copy is made. A StatefulSet has no condition for it, only Events, which come and go.
	advice string
}

// RolloutOf reads a Deployment and those of the pods that the run made.
func RolloutOf(deployment *appsv1.Deployment, pods []corev1.Pod) Rollout {
	rollout := rollout(deployment.ObjectMeta, deployment.Spec.Template, pods)
	rollout.proven, rollout.available = deployment.Spec.MinReadySeconds > 0, deployment.Status.AvailableReplicas
	if deployment.Status.ObservedGeneration == deployment.Generation {
		rollout.conditions = deployment.Status.Conditions
	}
	return rollout
}

// RolloutOfSet reads a StatefulSet and those of the pods that the run made.
func RolloutOfSet(set *appsv1.StatefulSet, pods []corev1.Pod) Rollout {
	rollout := rollout(set.ObjectMeta, set.Spec.Template, pods)
	rollout.proven, rollout.available = set.Spec.MinReadySeconds > 0, set.Status.AvailableReplicas
	rollout.advice = fmt.Sprintf("; if none is made, kubectl describe statefulset %s tells why", set.Name)
	return rollout
}

func rollout(meta metav1.ObjectMeta, template corev1.PodTemplateSpec, pods []corev1.Pod) Rollout {
	version := Version(template)
	rollout := Rollout{started: version != "" && meta.Annotations[corev1beta2.StartedAnnotation] == version}
	for _, pod := range OfRun(pods, meta.Labels[corev1beta2.RunLabel]) {
		switch {
		case !pod.DeletionTimestamp.IsZero() || pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded:
			// It was told to end, or evicted; another one takes its place.
		case pod.Labels[VersionLabel] == version:
			rollout.current = append(rollout.current, pod)
		default:
			rollout.older = append(rollout.older, pod)
		}
	}
	return rollout
}

// OfRun returns the pods that the run made.
func OfRun(pods []corev1.Pod, run string) []corev1.Pod {
	return slices.DeleteFunc(slices.Clone(pods), func(pod corev1.Pod) bool { return pod.Labels[corev1beta2.RunLabel] != run })
}

// WithoutRest returns the rollout of a workload that nothing scales to zero: it serves only while a copy of it is ready.
func (r Rollout) WithoutRest() Rollout {
	r.started = false
	return r
}

// HasStarted tells that a copy of the current version is ready, and stays so.
func (r Rollout) HasStarted() bool {
	if !slices.ContainsFunc(r.current, IsReady) {
		return false
	}
	// How many copies of each version have been ready for a while is known only when there is one version.
	return !r.proven || (len(r.older) == 0 && r.available > 0)
}

// Health judges the current version. It serves when a copy of it is ready and none of another version is left, and goes on to serve when it has
// no copy at all once it has started: a scaler sends them home.
func (r Rollout) Health() core.Health {
	started := r.HasStarted()
	if started && len(r.older) == 0 {
		return core.Health{Phase: core.Running, Reason: corev1beta2.RunningReason, Message: serves}
	}
	health := core.Health{Phase: core.Starting, Reason: corev1beta2.StartingReason, Serving: r.serving()}
	if reason, message, failed := r.failure(started); failed {
		health.Phase, health.Reason, health.Message = core.Failed, reason, message
		if health.Serving != "" {
			health.Message += keepsOn
		}
		return health
	}
	why, stuck := unschedulable(r.current)
	switch {
	case stuck && !started:
		health.Message = unscheduled + why
	case r.started && len(r.older) == 0:
		return core.Health{Phase: core.Running, Reason: corev1beta2.RunningReason, Message: serves}
	case started || health.Serving != "":
		health.Message = replacing
	default:
		health.Message = noCopy + r.advice
	}
	return health
}

// failure finds what will not pass without the user.
func (r Rollout) failure(started bool) (reason, message string, failed bool) {
	if !started {
		if reason, message, found := podspec.Trouble(unready(r.current)); found {
			return reason, message, true
		}
		if refused := r.condition(appsv1.DeploymentReplicaFailure, corev1.ConditionTrue); refused != nil {
			return cmp.Or(refused.Reason, corev1beta2.FailedReason), fmt.Sprintf(
				"Kubernetes makes no copies of this version: %s; change the function or the quota or policy that refuses it", refused.Message), true
		}
	}
	if late := r.condition(appsv1.DeploymentProgressing, corev1.ConditionFalse); late != nil && late.Reason == "ProgressDeadlineExceeded" {
		return corev1beta2.TimeoutReason, "This version was not ready in time; look at its pods, or raise spec.serving.timeout", true
	}
	return "", "", false
}

func (r Rollout) condition(kind appsv1.DeploymentConditionType, status corev1.ConditionStatus) *appsv1.DeploymentCondition {
	for i := range r.conditions {
		if r.conditions[i].Type == kind && r.conditions[i].Status == status {
			return &r.conditions[i]
		}
	}
	return nil
}

// serving names an older version of which a copy is ready: its ReplicaSet, or its revision of the StatefulSet.
func (r Rollout) serving() string {
	var versions []string
	for i := range r.older {
		if !IsReady(r.older[i]) {
			continue
		}
		version := r.older[i].Labels[appsv1.ControllerRevisionHashLabelKey]
		if owner := metav1.GetControllerOf(&r.older[i]); version == "" && owner != nil {
			version = owner.Name
		}
		versions = append(versions, cmp.Or(version, r.older[i].Labels[VersionLabel], r.older[i].Name))
	}
	if len(versions) == 0 {
		return ""
	}
	return slices.Min(versions)
}

// unready returns the pods as if no container were ready: a copy that is ready for a moment between two crashes is in trouble all the same.
func unready(pods []corev1.Pod) []corev1.Pod {
	var copies []corev1.Pod
	for i := range pods {
		pod := *pods[i].DeepCopy()
		for j := range pod.Status.ContainerStatuses {
			pod.Status.ContainerStatuses[j].Ready = false
		}
		copies = append(copies, pod)
	}
	return copies
}

// unschedulable returns why a pod finds no node.
func unschedulable(pods []corev1.Pod) (why string, found bool) {
	for i := range pods {
		for _, condition := range pods[i].Status.Conditions {
			if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse && condition.Reason == corev1.PodReasonUnschedulable {
				return condition.Message, true
			}
		}
	}
	return "", false
}

// IsReady tells whether the pod is ready.
func IsReady(pod corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(condition corev1.PodCondition) bool {
		return condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue
	})
}
