// SPDX-License-Identifier: Apache-2.0

package pods_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core/serving/pods"
)

// pod has one container in the state.
func pod(status corev1.ContainerStatus) corev1.Pod {
	status.Name, status.Image = "function", "registry.example.com/hello"
	return corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{status}}}
}

func waiting(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func exited(code int32) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}}
}

func TestTrouble(t *testing.T) {
	going := pod(corev1.ContainerStatus{State: exited(143)})
	going.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	failingInit := corev1.Pod{Status: corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{{Name: "init", State: exited(3)}}}}
	for _, test := range []struct {
		name, because, want string
		pods                []corev1.Pod
	}{
		{"NoPods", "scaled to zero is no trouble", "", nil},
		{"Creating", "this passes", "", []corev1.Pod{pod(corev1.ContainerStatus{State: waiting("ContainerCreating", "")})}},
		{"BackOff", "the image is not there", corev1beta2.ImagePullFailedReason, []corev1.Pod{pod(corev1.ContainerStatus{State: waiting("ImagePullBackOff", "")})}},
		{"FirstPullError", "users should not wait for the backoff", corev1beta2.ImagePullFailedReason, []corev1.Pod{pod(corev1.ContainerStatus{State: waiting("ErrImagePull", "")})}},
		{"NoConfigMap", "the kubelet says what is missing", corev1beta2.ContainerConfigReason,
			[]corev1.Pod{pod(corev1.ContainerStatus{State: waiting("CreateContainerConfigError", `configmap "x" not found`)})}},
		{"CrashLoop", "it ended before and waits to be started", corev1beta2.ContainerCrashedReason,
			[]corev1.Pod{pod(corev1.ContainerStatus{State: waiting("CrashLoopBackOff", ""), LastTerminationState: exited(1)})}},
		{"Crashed", "it has just ended", corev1beta2.ContainerCrashedReason, []corev1.Pod{pod(corev1.ContainerStatus{State: exited(1)})}},
		{"Recovered", "it runs and is ready", "", []corev1.Pod{pod(corev1.ContainerStatus{Ready: true, LastTerminationState: exited(1)})}},
		{"Finished", "exit code 0 is no crash", "", []corev1.Pod{pod(corev1.ContainerStatus{State: exited(0)})}},
		{"Terminating", "a container that is told to stop may exit as it likes", "", []corev1.Pod{going}},
		{"InitContainer", "a failing init container keeps the function from starting", corev1beta2.ContainerCrashedReason, []corev1.Pod{failingInit}},
		{"OneOfMany", "one pod in trouble is enough", corev1beta2.ImagePullFailedReason,
			[]corev1.Pod{pod(corev1.ContainerStatus{Ready: true}), pod(corev1.ContainerStatus{State: waiting("InvalidImageName", "")})}},
	} {
		t.Run(test.name, func(t *testing.T) {
			reason, message, found := pods.Trouble(test.pods)
			if reason != test.want || found != (test.want != "") || found != (message != "") {
				t.Errorf("%s: got %q %q", test.because, reason, message)
			}
		})
	}
}
