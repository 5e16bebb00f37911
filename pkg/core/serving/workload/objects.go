// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"maps"
	"math"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/serving/podspec"
)

const (
	// revisionHistory is how many older ReplicaSets and revisions Kubernetes keeps. Rolling back is done with the Serving.
	revisionHistory int32 = 2
	// proof is how many seconds a copy without a readiness probe must run before it counts: it is ready as soon as its process is there, and a
	// process that crashes at once was there too.
	proof int32 = 3
)

// Object names an object of a run.
type Object struct {
	// Name of the object.
	Name string
	// Run that makes it.
	Run string
}

// Meta returns the metadata of an object that is no workload.
func (o Object) Meta(in core.Input) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: o.Name, Namespace: in.Serving.Namespace, Labels: podspec.Labels(in, o.Run)}
}

// ScalerMeta returns the metadata of a scaler: the user's annotations for KEDA go on it.
func (o Object) ScalerMeta(in core.Input) metav1.ObjectMeta {
	meta := o.Meta(in)
	for key, value := range in.Serving.Spec.Annotations {
		if domain, _, _ := strings.Cut(key, "/"); strings.HasSuffix(domain, ".keda.sh") {
			metav1.SetMetaDataAnnotation(&meta, key, value)
		}
	}
	return meta
}

// WorkloadMeta returns the metadata of a workload: it has the user's annotations, and remembers that its version has started.
func (o Object) WorkloadMeta(in core.Input, version string) metav1.ObjectMeta {
	meta := o.Meta(in)
	meta.Annotations = maps.Clone(in.Serving.Spec.Annotations)
	delete(meta.Annotations, corev1beta2.StartedAnnotation)
	if in.Started == version {
		metav1.SetMetaDataAnnotation(&meta, corev1beta2.StartedAnnotation, version)
	}
	return meta
}

// selector never changes during the life of a workload.
func (o Object) selector(in core.Input) map[string]string {
	return map[string]string{corev1beta2.ServingLabel: in.Serving.Name, corev1beta2.RunLabel: o.Run}
}

// Deployment returns a Deployment that keeps every copy until its replacement is ready. Without replicas their number is left to the scaler.
func (o Object) Deployment(in core.Input, template corev1.PodTemplateSpec, replicas *int32) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: o.WorkloadMeta(in, Version(template)),
		Spec: appsv1.DeploymentSpec{
			Replicas: replicas,
			Selector: &metav1.LabelSelector{MatchLabels: o.selector(in)},
			Template: template,
			Strategy: appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: &appsv1.RollingUpdateDeployment{
				MaxUnavailable: ptr.To(intstr.FromInt32(0)), MaxSurge: ptr.To(intstr.FromString("25%"))}},
			MinReadySeconds:         minReadySeconds(template),
			RevisionHistoryLimit:    ptr.To(revisionHistory),
			ProgressDeadlineSeconds: progressDeadline(in.Serving.Spec.Timeout, minReadySeconds(template)),
		},
	}
}

// StatefulSet returns a StatefulSet whose copies start and end side by side, so that a broken one does not keep its replacement from coming.
// Its Service has its name. Without replicas their number is left to the scaler.
func (o Object) StatefulSet(in core.Input, template corev1.PodTemplateSpec, replicas *int32) *appsv1.StatefulSet {
	return &appsv1.StatefulSet{
		ObjectMeta: o.WorkloadMeta(in, Version(template)),
		Spec: appsv1.StatefulSetSpec{
			Replicas:             replicas,
			Selector:             &metav1.LabelSelector{MatchLabels: o.selector(in)},
			Template:             template,
			ServiceName:          o.Name,
			PodManagementPolicy:  appsv1.ParallelPodManagement,
			MinReadySeconds:      minReadySeconds(template),
			RevisionHistoryLimit: ptr.To(revisionHistory),
		},
	}
}

// Service returns a Service of the workload's pods, those that are ready.
func (o Object) Service(in core.Input, port corev1.ServicePort) *corev1.Service {
	port.Protocol = corev1.ProtocolTCP
	return &corev1.Service{ObjectMeta: o.Meta(in), Spec: corev1.ServiceSpec{Selector: o.selector(in), Ports: []corev1.ServicePort{port}}}
}

func minReadySeconds(template corev1.PodTemplateSpec) int32 {
	if container := function(&template.Spec); container != nil && container.ReadinessProbe != nil {
		return 0
	}
	return proof
}

// progressDeadline is the timeout in whole seconds, rounded up; nil, for Kubernetes' default, where there is none. Kubernetes wants it to be
// longer than what a copy needs to count.
func progressDeadline(timeout *metav1.Duration, minReady int32) *int32 {
	if timeout == nil || timeout.Duration <= 0 {
		return nil
	}
	seconds := min((timeout.Duration-1)/time.Second+1, math.MaxInt32)
	return ptr.To(max(int32(seconds), minReady+1))
}
