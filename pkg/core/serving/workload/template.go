// SPDX-License-Identifier: Apache-2.0

package workload

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/serving/podspec"
	"github.com/openfunction/openfunction/pkg/names"
)

// VersionLabel holds, on every pod, the hash of the template it was made from.
const VersionLabel = "openfunction.io/template-hash"

// Kinds of workload, as Pods names them.
const (
	// Deployment is a workload that replaces copies one by one.
	Deployment = "Deployment"
	// StatefulSet is a workload whose copies have names of their own.
	StatefulSet = "StatefulSet"
	// Job is a workload whose copies end.
	Job = "Job"
)

// Pods says whose pods a template is for.
type Pods struct {
	// Run is the name of the run.
	Run string
	// Kind is the kind of workload. It is part of the version: the pods of a Deployment are not copies of a StatefulSet.
	Kind string
	// Port is where requests or events reach the pods over the network, so that a copy is ready when it accepts connections there. 0 is nowhere.
	Port int32
}

// Template returns the pod template of the Serving. Its version, see Version, changes with anything in it, and with nothing else.
func Template(in core.Input, pods Pods) (corev1.PodTemplateSpec, error) {
	spec, err := podspec.Function(in)
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	annotations, err := podspec.Annotations(in)
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	if pods.Kind == Job {
		spec.RestartPolicy = restartPolicy(in.Serving.Spec.Keda(), spec.RestartPolicy)
	}
	if pods.Port != 0 {
		probe(&spec, pods.Port)
	}
	template := corev1.PodTemplateSpec{Spec: spec}
	template.Labels, template.Annotations = podspec.Labels(in, pods.Run), annotations
	version, err := names.Hash(struct {
		Kind     string                 `json:"kind"`
		Template corev1.PodTemplateSpec `json:"template"`
	}{pods.Kind, template})
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	template.Labels[VersionLabel] = version
	return template, nil
}

// Version returns the version a template of this package stands for.
func Version(template corev1.PodTemplateSpec) string { return template.Labels[VersionLabel] }

// restartPolicy is that of a Job's pods: the option, then the user's template, then OnFailure.
func restartPolicy(keda corev1beta2.KedaScaleOptions, inTemplate corev1.RestartPolicy) corev1.RestartPolicy {
	switch {
	case keda.ScaledJob != nil && keda.ScaledJob.RestartPolicy != nil:
		return *keda.ScaledJob.RestartPolicy
	case inTemplate == corev1.RestartPolicyNever:
		return inTemplate
	default:
		return corev1.RestartPolicyOnFailure
	}
}

// probe makes a copy ready when it accepts connections, unless the user says when it is. It asks often, because a caller waits while a function
// comes from zero.
func probe(pod *corev1.PodSpec, port int32) {
	container := function(pod)
	if container == nil || container.ReadinessProbe != nil {
		return
	}
	container.ReadinessProbe = &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(port)}},
		PeriodSeconds: 1,
	}
}

func function(pod *corev1.PodSpec) *corev1.Container {
	for i := range pod.Containers {
		if pod.Containers[i].Name == podspec.FunctionContainer {
			return &pod.Containers[i]
		}
	}
	return nil
}
