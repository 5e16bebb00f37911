// SPDX-License-Identifier: Apache-2.0

package podspec

import (
	"maps"
	"slices"

	"github.com/dapr/dapr/pkg/injector/annotations"
	corev1 "k8s.io/api/core/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/dapr"
	"github.com/openfunction/openfunction/pkg/core/podsecurity"
	"github.com/openfunction/openfunction/pkg/core/serving/pods"
	"github.com/openfunction/openfunction/pkg/names"
)

// FunctionContainer is the name of the container that runs the function. A container of that name in the user's template is
// completed, and otherwise one is added.
const FunctionContainer = "function"

const (
	// versionLabel is the established label of a workload and its pods that holds spec.version.
	versionLabel = "app.kubernetes.io/version"
	// portName is the established name of the function's port, on the engines that leave the choice.
	portName = "function-port"
	// portNameH2C tells engines that serve HTTP that the port speaks HTTP/2 without TLS, as gRPC needs it.
	portNameH2C = "h2c"
)

// Function returns the pod of the Serving: the user's template with the function container completed.
func Function(in core.Input) (corev1.PodSpec, error) {
	use, err := dapr.Of(in)
	if err != nil {
		return corev1.PodSpec{}, err
	}
	spec := in.Serving.Spec
	pod := corev1.PodSpec{}
	if spec.Template != nil {
		pod = *spec.Template.DeepCopy()
	}
	container := functionContainer(&pod)
	container.Image = spec.Image
	if len(container.Ports) == 0 {
		container.Ports = []corev1.ContainerPort{{Name: nameOfPort(in, use), ContainerPort: spec.HTTP().ContainerPort(), Protocol: corev1.ProtocolTCP}}
	}
	env, err := environment(in, use)
	if err != nil {
		return corev1.PodSpec{}, err
	}
	container.Env = withDefaults(container.Env, env)
	if spec.ImageCredentials != nil && spec.ImageCredentials.Name != "" && !slices.Contains(pod.ImagePullSecrets, *spec.ImageCredentials) {
		pod.ImagePullSecrets = append(pod.ImagePullSecrets, *spec.ImageCredentials)
	}
	secure(&pod, in.PodSecurity == podsecurity.Restricted)
	return pod, nil
}

// nameOfPort is h2c where events of Dapr come as gRPC through what serves HTTP. Knative takes few other names, and needs none.
func nameOfPort(in core.Input, use dapr.Use) string {
	spec := in.Serving.Spec
	switch isHTTP := spec.HTTP() != nil; {
	case isHTTP && use.TakesEvents() && use.AppProtocol() == "grpc" && use.Mode() != corev1beta2.DaprModeSidecar:
		return portNameH2C
	case isHTTP && !spec.UsesKEDA():
		return ""
	default:
		return portName
	}
}

// Labels returns the labels of the Serving's workload and pods under the run. The user's labels win, except over those by which the
// workload is found.
func Labels(in core.Input, run string) map[string]string {
	labels := map[string]string{
		corev1beta2.ManagedLabel: "true",
		versionLabel:             names.Label(in.Serving.Spec.EffectiveVersion()),
	}
	maps.Copy(labels, in.Serving.Spec.Labels)
	labels[corev1beta2.ServingLabel] = in.Serving.Name
	labels[corev1beta2.RunLabel] = run
	return labels
}

// Annotations returns the annotations of the function's pods: Dapr's and the user's, which win, except in whether Dapr adds a sidecar.
func Annotations(in core.Input) (map[string]string, error) {
	use, err := dapr.Of(in)
	if err != nil {
		return nil, err
	}
	ofDapr := use.PodAnnotations()
	wanted := maps.Clone(ofDapr)
	if wanted == nil {
		wanted = map[string]string{}
	}
	maps.Copy(wanted, in.Serving.Spec.Annotations)
	if enabled, decided := ofDapr[annotations.KeyEnabled]; decided {
		wanted[annotations.KeyEnabled] = enabled
	}
	return wanted, nil
}

// Trouble is pods.Trouble, for the runs, which read the pods that this package made.
func Trouble(of []corev1.Pod) (reason, message string, found bool) { return pods.Trouble(of) }

func functionContainer(pod *corev1.PodSpec) *corev1.Container {
	for i := range pod.Containers {
		if pod.Containers[i].Name == FunctionContainer {
			return &pod.Containers[i]
		}
	}
	pod.Containers = append(pod.Containers, corev1.Container{Name: FunctionContainer, ImagePullPolicy: corev1.PullIfNotPresent})
	return &pod.Containers[len(pod.Containers)-1]
}

// environment is what a function finds in its environment, in the same order on every engine.
func environment(in core.Input, use dapr.Use) ([]corev1.EnvVar, error) {
	v1beta1, v1beta2, err := dapr.Contexts(in)
	if err != nil {
		return nil, err
	}
	var env []corev1.EnvVar
	if use.Enabled() {
		env = append(env, corev1.EnvVar{Name: "APP_PROTOCOL", Value: use.AppProtocol()})
	}
	tracing, err := skywalking(in)
	if err != nil {
		return nil, err
	}
	env = append(env, tracing...)
	env = append(env, corev1.EnvVar{Name: "FUNC_CONTEXT", Value: v1beta1}, corev1.EnvVar{Name: "FUNC_CONTEXT_V1BETA2", Value: v1beta2})
	for _, name := range slices.Sorted(maps.Keys(in.Serving.Spec.Params)) {
		env = append(env, corev1.EnvVar{Name: name, Value: in.Serving.Spec.Params[name]})
	}
	env = append(env,
		corev1.EnvVar{Name: "POD_NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.name"}}},
		corev1.EnvVar{Name: "POD_NAMESPACE", Value: in.Serving.Namespace},
	)
	return append(env, use.Env()...), nil
}

// skywalking is what SkyWalking's own agents read, where the function sends it traces.
func skywalking(in core.Input) ([]corev1.EnvVar, error) {
	server, found, err := dapr.Skywalking(in)
	if err != nil || !found {
		return nil, err
	}
	return []corev1.EnvVar{
		{Name: "SW_AGENT_COLLECTOR_BACKEND_SERVICES", Value: server},
		{Name: "SW_AGENT_NAME", Value: core.FunctionName(in.Serving)},
		{Name: "SW_AGENT_NAMESPACE", Value: in.Serving.Namespace},
		{Name: "SW_AGENT_KEEP_TRACING", Value: "true"},
	}, nil
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
