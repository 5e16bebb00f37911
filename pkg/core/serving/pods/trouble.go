// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// Trouble finds what keeps pods from serving that will not pass without the user: an image that cannot be pulled, a container
// that cannot be made or that keeps exiting. The message is the same for every pod in the same trouble.
func Trouble(pods []corev1.Pod) (reason, message string, found bool) {
	for i := range pods {
		if !pods[i].DeletionTimestamp.IsZero() {
			continue // a container that is told to stop may exit as it likes
		}
		statuses := append(append([]corev1.ContainerStatus{}, pods[i].Status.InitContainerStatuses...), pods[i].Status.ContainerStatuses...)
		for _, status := range statuses {
			if reason, message, found := containerTrouble(&pods[i], status); found {
				return reason, message, true
			}
		}
	}
	return "", "", false
}

func containerTrouble(pod *corev1.Pod, status corev1.ContainerStatus) (reason, message string, found bool) {
	if waiting := status.State.Waiting; waiting != nil {
		switch waiting.Reason {
		case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable":
			return corev1beta2.ImagePullFailedReason, fmt.Sprintf(
				"The image %s cannot be pulled; check that it exists and that imageCredentials names a Secret that may read it", status.Image), true
		case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
			if strings.Contains(waiting.Message, "runAsNonRoot") { // the kubelet's text, with a name that no two pods share
				return corev1beta2.PodSecurityReason, fmt.Sprintf(
					"The image of container %q runs as root, or as a user without a number; set USER to a number in its Dockerfile, or runAsUser in spec.serving.template",
					status.Name), true
			}
			return corev1beta2.ContainerConfigReason, fmt.Sprintf("Container %q cannot be created: %s", status.Name, waiting.Message), true
		}
	}
	if last := lastExit(status); last != nil && !status.Ready && last.ExitCode != 0 {
		return corev1beta2.ContainerCrashedReason, fmt.Sprintf(
			"Container %q exits with code %d soon after its start; its log says why (kubectl logs %s-c %s --previous)",
			status.Name, last.ExitCode, selector(pod), status.Name), true
	}
	return "", "", false
}

// selector finds a pod without its name, which no two pods share.
func selector(pod *corev1.Pod) string {
	for _, label := range []string{corev1beta2.ServingLabel, corev1beta2.ProxyLabel} {
		if value := pod.Labels[label]; value != "" {
			return "-l " + label + "=" + value + " "
		}
	}
	return ""
}

// lastExit is how the container ended before, whether it has been started again or not.
func lastExit(status corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	if status.State.Terminated != nil {
		return status.State.Terminated
	}
	return status.LastTerminationState.Terminated
}
