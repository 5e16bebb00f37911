// SPDX-License-Identifier: Apache-2.0

package openfuncasync

import (
	"cmp"
	"fmt"
	"slices"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/serving/podspec"
	"github.com/openfunction/openfunction/pkg/core/serving/workload"
)

// Health judges the copies, and then what KEDA says of the scaler.
func (Run) Health(live core.Live) core.Health {
	if rollout, found := rolloutOf(live); found {
		scaler, scaled := core.Find[*kedav1alpha1.ScaledObject](live)
		if !scaled {
			return rollout.WithoutRest().Health()
		}
		return workload.OpinionOf("ScaledObject", scaler.Name, scaler.Status.Conditions).Scaled(rollout.Health())
	}
	if scaledJob, found := core.Find[*kedav1alpha1.ScaledJob](live); found {
		return workload.OpinionOf("ScaledJob", scaledJob.Name, scaledJob.Status.Conditions).Scaled(scaledJobHealth(scaledJob, live.Pods))
	}
	if job, found := core.Find[*batchv1.Job](live); found {
		return jobHealth(job, live.Pods)
	}
	return starting("The workload of this version is being made")
}

func rolloutOf(live core.Live) (workload.Rollout, bool) {
	if deployment, found := workload.Find[*appsv1.Deployment](live, name); found {
		return workload.RolloutOf(deployment, live.Pods), true
	}
	if set, found := workload.Find[*appsv1.StatefulSet](live, name); found {
		return workload.RolloutOfSet(set, live.Pods), true
	}
	return workload.Rollout{}, false
}

func starting(message string) core.Health {
	return core.Health{Phase: core.Starting, Reason: corev1beta2.StartingReason, Message: message}
}

func running(message string) core.Health {
	return core.Health{Phase: core.Running, Reason: corev1beta2.RunningReason, Message: message}
}

func failed(reason, message string) core.Health {
	return core.Health{Phase: core.Failed, Reason: reason, Message: message}
}

// scaledJobHealth judges the pods of the Jobs that KEDA has started. One that works shows that this version can.
func scaledJobHealth(scaledJob *kedav1alpha1.ScaledJob, pods []corev1.Pod) core.Health {
	if scaledJob.Spec.JobTargetRef != nil {
		copies := ofVersion(pods, workload.Version(scaledJob.Spec.JobTargetRef.Template))
		if reason, message, found := trouble(copies); found {
			return failed(reason, message)
		}
	}
	return running("KEDA starts Jobs of this version for the events that wait")
}

// jobHealth judges a Job that runs once.
func jobHealth(job *batchv1.Job, pods []corev1.Pod) core.Health {
	for _, condition := range job.Status.Conditions {
		switch {
		case condition.Status != corev1.ConditionTrue:
		case condition.Type == batchv1.JobComplete:
			return running("The Job of this version has done its work")
		case condition.Type == batchv1.JobFailed:
			return failed(cmp.Or(condition.Reason, corev1beta2.FailedReason), fmt.Sprintf(
				"Job %s failed: %s; the log of its pods says why (kubectl logs job/%s)", job.Name, condition.Message, job.Name))
		}
	}
	copies := ofVersion(pods, workload.Version(job.Spec.Template))
	if reason, message, found := trouble(copies); found {
		return failed(reason, message)
	}
	if slices.ContainsFunc(copies, works) {
		return running("The Job of this version is at work")
	}
	// What refuses a pod is told by Events only, which come and go.
	return starting(fmt.Sprintf("The Job of this version is starting; if it makes no pod, kubectl describe job %s tells why", job.Name))
}

func ofVersion(pods []corev1.Pod, version string) []corev1.Pod {
	return slices.DeleteFunc(workload.OfRun(pods, name), func(pod corev1.Pod) bool { return pod.Labels[workload.VersionLabel] != version })
}

// trouble is what keeps every copy from working.
func trouble(copies []corev1.Pod) (reason, message string, found bool) {
	if slices.ContainsFunc(copies, works) {
		return "", "", false
	}
	return podspec.Trouble(copies)
}

// works tells that a copy is ready, or has done its work.
func works(pod corev1.Pod) bool {
	return workload.IsReady(pod) || pod.Status.Phase == corev1.PodSucceeded
}
