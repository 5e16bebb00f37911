// SPDX-License-Identifier: Apache-2.0

package podspec

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/names"
)

// FunctionContainer is the name of the container that runs the function. A container of that name in the user's template is
// completed, and otherwise one is added.
const FunctionContainer = "function"

// versionLabel is the established label of a workload and its pods that holds spec.version.
const versionLabel = "app.kubernetes.io/version"

// Function returns the pod of the Serving: the user's template with the function container completed.
func Function(in core.Input) (corev1.PodSpec, error) {
	spec := in.Serving.Spec
	pod := corev1.PodSpec{}
	if spec.Template != nil {
		pod = *spec.Template.DeepCopy()
	}
	container := functionContainer(&pod)
	container.Image = spec.Image
	port := spec.HTTP().ContainerPort()
	if len(container.Ports) == 0 {
		container.Ports = []corev1.ContainerPort{{ContainerPort: port, Protocol: corev1.ProtocolTCP}}
	}
	env, err := environment(in)
	if err != nil {
		return corev1.PodSpec{}, err
	}
	container.Env = withDefaults(container.Env, env)
	if spec.ImageCredentials != nil && spec.ImageCredentials.Name != "" && !slices.Contains(pod.ImagePullSecrets, *spec.ImageCredentials) {
		pod.ImagePullSecrets = append(pod.ImagePullSecrets, *spec.ImageCredentials)
	}
	return pod, nil
}

// Labels returns the labels of the Serving's workload and pods. The user's labels win.
func Labels(in core.Input) map[string]string {
	labels := map[string]string{
		corev1beta2.ManagedLabel: "true",
		corev1beta2.ServingLabel: in.Serving.Name,
		versionLabel:             names.Label(in.Serving.Spec.EffectiveVersion()),
	}
	maps.Copy(labels, in.Serving.Spec.Labels)
	labels[corev1beta2.ServingLabel] = in.Serving.Name
	return labels
}

func functionContainer(pod *corev1.PodSpec) *corev1.Container {
	for i := range pod.Containers {
		if pod.Containers[i].Name == FunctionContainer {
			return &pod.Containers[i]
		}
	}
	pod.Containers = append(pod.Containers, corev1.Container{Name: FunctionContainer, ImagePullPolicy: corev1.PullIfNotPresent})
	return &pod.Containers[len(pod.Containers)-1]
}

// environment is what a function finds in its environment, in a stable order.
func environment(in core.Input) ([]corev1.EnvVar, error) {
	v1beta1, v1beta2, err := contexts(in)
	if err != nil {
		return nil, err
	}
	env := []corev1.EnvVar{{Name: "FUNC_CONTEXT", Value: v1beta1}, {Name: "FUNC_CONTEXT_V1BETA2", Value: v1beta2}}
	for _, name := range slices.Sorted(maps.Keys(in.Serving.Spec.Params)) {
		env = append(env, corev1.EnvVar{Name: name, Value: in.Serving.Spec.Params[name]})
	}
	return append(env,
		corev1.EnvVar{Name: "POD_NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.name"}}},
		corev1.EnvVar{Name: "POD_NAMESPACE", Value: in.Serving.Namespace},
	), nil
}

// withDefaults adds to the user's variables those that the user did not set.
func withDefaults(user, defaults []corev1.EnvVar) []corev1.EnvVar {
	for _, variable := range defaults {
		if !slices.ContainsFunc(user, func(v corev1.EnvVar) bool { return v.Name == variable.Name }) {
			user = append(user, variable)
		}
	}
	return user
}
