// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What the controllers of workloads make, and what they make it from. They are the real ones; only the kubelet is played.
var (
	pods         = schema.GroupKind{Kind: "Pod"}
	deployments  = appsv1.SchemeGroupVersion.WithKind("Deployment").GroupKind()
	statefulSets = appsv1.SchemeGroupVersion.WithKind("StatefulSet").GroupKind()
)

// playPod starts a pod that a workload made: its containers get ready, those of a Job end well. A pod somebody made by hand is theirs.
// It also takes away what is being deleted: the API server writes that and the deletion one after the other, and may end in between.
func (cp *ControlPlane) playPod(ctx context.Context, _ *mirror, o *unstructured.Unstructured) error {
	pod, err := typed[corev1.Pod](o)
	if err != nil {
		return err
	}
	owner := metav1.GetControllerOf(pod)
	switch {
	case owner == nil:
		return nil
	case pod.DeletionTimestamp != nil && len(pod.Finalizers) == 0:
		return client.IgnoreNotFound(cp.Client.Delete(ctx, pod, client.GracePeriodSeconds(0), client.Preconditions{UID: &pod.UID}))
	case pod.DeletionTimestamp != nil || len(pod.Status.ContainerStatuses) > 0:
		return nil
	}
	setPod(pod, owner.APIVersion == batchv1.SchemeGroupVersion.String())
	return cp.Client.Status().Update(ctx, pod)
}

// setPod gives a pod the status that the kubelet would, once its containers have come as far as they will.
func setPod(pod *corev1.Pod, ends bool) {
	now := metav1.Now()
	ready := true
	pod.Status.ContainerStatuses = nil
	for _, container := range pod.Spec.Containers {
		status := corev1.ContainerStatus{Name: container.Name, Image: container.Image, Ready: true,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}}
		switch {
		case says(container, WordBroken):
			status.Ready, status.State = false, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
				Reason: "ImagePullBackOff", Message: fmt.Sprintf("Back-off pulling image %q", container.Image)}}
		case says(container, WordSlow):
			status.Ready = false
		case ends:
			status.Ready, status.State = false, corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
				Reason: "Completed", StartedAt: now, FinishedAt: now}}
		}
		ended := status.State.Terminated != nil
		ready, ends = ready && status.Ready, ends && ended
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, status)
	}
	pod.Status.StartTime = &now
	pod.Status.Phase = corev1.PodRunning
	switch {
	case ends:
		pod.Status.Phase = corev1.PodSucceeded
	case pod.Status.ContainerStatuses[0].State.Waiting != nil:
		pod.Status.Phase = corev1.PodPending
	}
	set := func(kind corev1.PodConditionType, is bool) {
		condition := corev1.PodCondition{Type: kind, Status: corev1.ConditionFalse, LastTransitionTime: now, ObservedGeneration: pod.Generation}
		if is {
			condition.Status = corev1.ConditionTrue
		}
		pod.Status.Conditions = append(pod.Status.Conditions, condition)
	}
	pod.Status.Conditions = nil
	set(corev1.PodScheduled, true)
	set(corev1.PodInitialized, true)
	set(corev1.ContainersReady, ready)
	set(corev1.PodReady, ready)
}
