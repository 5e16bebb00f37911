// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

func functionToHub(from *part[FunctionSpec]) *part[corev1beta2.FunctionSpec] {
	f := from.Spec
	return &part[corev1beta2.FunctionSpec]{Annotations: from.Annotations, Spec: corev1beta2.FunctionSpec{
		WorkloadRuntime:  f.WorkloadRuntime,
		Version:          f.Version,
		Image:            f.Image,
		ImageCredentials: f.ImageCredentials,
		Build:            buildToHub(f.Build),
		Serving:          implToHub(f.Serving, f.Port, f.Route, from.Annotations),
	}}
}

func functionFromHub(from *part[corev1beta2.FunctionSpec]) *part[FunctionSpec] {
	f := from.Spec
	impl, port, route := implFromHub(f.Serving)
	return &part[FunctionSpec]{Annotations: pluginsFromHub(from.Annotations, f.Serving), Spec: FunctionSpec{
		WorkloadRuntime:  f.WorkloadRuntime,
		Version:          f.Version,
		Image:            f.Image,
		ImageCredentials: f.ImageCredentials,
		Port:             port,
		Build:            buildFromHub(f.Build),
		Serving:          impl,
		Route:            route,
	}}
}
