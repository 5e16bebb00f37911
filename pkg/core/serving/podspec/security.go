// SPDX-License-Identifier: Apache-2.0

package podspec

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// secure gives every container what Pod Security "restricted" asks for where the user's template says nothing. It does so on the containers
// because Knative takes little of it on the pod. An image that runs as root would not start with runAsNonRoot, so that one is set only where a pod
// without it is refused.
func secure(pod *corev1.PodSpec, nonRoot bool) {
	if pod.OS != nil && pod.OS.Name == corev1.Windows {
		return
	}
	ofPod := ptr.Deref(pod.SecurityContext, corev1.PodSecurityContext{})
	for _, containers := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
		for i := range containers {
			secureContainer(&containers[i], ofPod, nonRoot)
		}
	}
}

func secureContainer(c *corev1.Container, ofPod corev1.PodSecurityContext, nonRoot bool) {
	s := ptr.Deref(c.SecurityContext, corev1.SecurityContext{})
	if ptr.Deref(s.Privileged, false) {
		return // it has asked for the opposite
	}
	capabilities := ptr.Deref(s.Capabilities, corev1.Capabilities{})
	// Kubernetes takes CAP_SYS_ADMIN for a way to more privileges.
	if s.AllowPrivilegeEscalation == nil && !slices.ContainsFunc(capabilities.Add, isSysAdmin) {
		s.AllowPrivilegeEscalation = ptr.To(false)
	}
	if len(capabilities.Drop) == 0 {
		capabilities.Drop = []corev1.Capability{"ALL"}
		s.Capabilities = &capabilities
	}
	if s.SeccompProfile == nil && ofPod.SeccompProfile == nil {
		s.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
	}
	user := s.RunAsUser
	if user == nil {
		user = ofPod.RunAsUser
	}
	isRoot := user != nil && *user == 0
	if nonRoot && !isRoot && s.RunAsNonRoot == nil && ofPod.RunAsNonRoot == nil {
		s.RunAsNonRoot = ptr.To(true)
	}
	c.SecurityContext = &s
}

func isSysAdmin(c corev1.Capability) bool { return c == "SYS_ADMIN" || c == "CAP_SYS_ADMIN" }
