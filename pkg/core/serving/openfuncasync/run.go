// SPDX-License-Identifier: Apache-2.0

package openfuncasync

import (
	"strconv"
	"strings"

	"github.com/dapr/dapr/pkg/injector/annotations"
	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/dapr"
	"github.com/openfunction/openfunction/pkg/core/serving/workload"
)

// name of the run.
const name = core.AsyncRun

// portName is the name of the port of the headless Service.
const portName = "function"

// Run is the ServingRun for functions that only events call.
type Run struct {
	// Fixed tells that nothing scales the function, so that it runs without KEDA.
	Fixed bool
}

var (
	_ core.ServingRun = Run{}
	_ core.Starter    = Run{}
	_ core.Explainer  = Run{}
)

// For returns the run for one Serving.
func For(s *corev1beta2.Serving) Run {
	return Run{Fixed: !mayScale(&s.Spec)}
}

// Name returns "openfuncasync".
func (Run) Name() string { return name }

// Needs returns KEDA, unless nothing scales the function.
func (r Run) Needs() core.Provider {
	provider := core.Provider{
		Title:   "KEDA",
		Install: "kubectl apply --server-side -f https://github.com/kedacore/keda/releases/download/v2.21.0/keda-2.21.0.yaml",
	}
	if !r.Fixed {
		provider.Kinds = []schema.GroupVersionKind{
			kedav1alpha1.SchemeGroupVersion.WithKind("ScaledObject"), kedav1alpha1.SchemeGroupVersion.WithKind("ScaledJob")}
	}
	return provider
}

// Desired returns the workload, the headless Service of its pods and, where something scales it, its scaler. A ScaledJob is both workload and
// scaler.
func (Run) Desired(in core.Input) ([]client.Object, error) {
	p, err := planOf(in)
	if err != nil {
		return nil, err
	}
	objects := []client.Object{p.workload(), p.service()}
	if p.scaled && p.kind != workload.Job {
		objects = append(objects, p.scaledObject())
	}
	return objects, nil
}

// Version is the version of the pods.
func (Run) Version(in core.Input) (string, error) {
	p, err := planOf(in)
	return workload.Version(p.template), err
}

// HasStarted tells that a copy of the current version of a Deployment or StatefulSet is ready. Jobs are not scaled to zero, they end.
func (Run) HasStarted(live core.Live) bool {
	rollout, found := rolloutOf(live)
	return found && rollout.HasStarted()
}

// plan is what a Serving comes to under this run.
type plan struct {
	in       core.Input
	kind     string
	template corev1.PodTemplateSpec
	// port is where the function listens, if it does.
	port     int32
	triggers []kedav1alpha1.ScaleTriggers
	// scaled tells that KEDA decides how many copies there are.
	scaled bool
	bounds workload.Bounds
}

func planOf(in core.Input) (plan, error) {
	use, err := dapr.Of(in)
	if err != nil {
		return plan{}, err
	}
	spec := in.Serving.Spec
	p := plan{in: in, kind: string(spec.Workload()), triggers: triggers(in, use)}
	p.scaled = len(p.triggers) > 0 && (p.kind == workload.Job || asksForScale(&spec))
	options := scaledObjectOptions(spec)
	if p.bounds, err = workload.BoundsOf(spec.ScaleOptions, options.MinReplicaCount, options.MaxReplicaCount); err != nil {
		return plan{}, err
	}
	p.port = port(in.Serving)
	pods := workload.Pods{Run: name, Kind: p.kind}
	if isCalled(use) {
		pods.Port = p.port
	}
	p.template, err = workload.Template(in, pods)
	return p, err
}

// isCalled tells whether events reach the pods over the network. In mode Sidecar they come from the same pod, and without Dapr the function
// fetches them itself.
func isCalled(use dapr.Use) bool {
	return use.TakesEvents() && (use.Mode() == corev1beta2.DaprModeFunction || use.Mode() == corev1beta2.DaprModeShared)
}

// port is the default one, unless Dapr's own annotation names another, which Dapr's injector passes over where it is no port.
func port(s *corev1beta2.Serving) int32 {
	if port, err := strconv.ParseUint(strings.TrimSpace(s.Spec.Annotations[annotations.KeyAppPort]), 10, 16); err == nil && port > 0 {
		return int32(port)
	}
	return s.Spec.HTTP().ContainerPort()
}

func scaledObjectOptions(spec corev1beta2.ServingSpec) corev1beta2.KedaScaledObject {
	if options := spec.Keda().ScaledObject; options != nil {
		return *options
	}
	return corev1beta2.KedaScaledObject{}
}

// mayScale tells whether KEDA may be needed, which is decided when it is known whether the function has an agent.
func mayScale(spec *corev1beta2.ServingSpec) bool {
	if len(spec.Keda().Triggers) == 0 && len(spec.DaprTriggers()) == 0 {
		return false
	}
	return spec.Workload() == corev1beta2.WorkloadTypeJob || asksForScale(spec)
}

// asksForScale tells whether the user wants another number of copies than one.
func asksForScale(spec *corev1beta2.ServingSpec) bool {
	options := spec.ScaleOptions
	return options != nil && (options.Keda != nil || options.MinReplicas != nil || options.MaxReplicas != nil)
}

func (p plan) object() workload.Object {
	return workload.Object{Name: core.AsyncChild(p.in.Serving.Name), Run: name}
}

func (p plan) version() string { return workload.Version(p.template) }

func (p plan) workload() client.Object {
	var replicas *int32
	if !p.scaled {
		replicas = ptr.To(p.bounds.AtLeast(1).Min)
	}
	switch {
	case p.kind == workload.StatefulSet:
		return p.object().StatefulSet(p.in, p.template, replicas)
	case p.kind == workload.Job && p.scaled:
		return p.scaledJob()
	case p.kind == workload.Job:
		return p.job()
	default:
		return p.object().Deployment(p.in, p.template, replicas)
	}
}

// service returns the Service by which the agent finds every ready copy.
func (p plan) service() *corev1.Service {
	service := p.object().Service(p.in, corev1.ServicePort{Name: portName, Port: p.port, TargetPort: intstr.FromInt32(p.port)})
	service.Spec.ClusterIP = corev1.ClusterIPNone
	return service
}

// Explain knows what to do about what KEDA's webhook refuses.
func (Run) Explain(refusal string) string {
	switch {
	case strings.Contains(refusal, "the scaledobject has a") && strings.Contains(refusal, "request defined"):
		return "A cpu or memory trigger needs to know what a copy asks for; set resources.requests of every container in spec.serving.template"
	case strings.Contains(refusal, "is already managed by"):
		return "Something else scales the function's workload already, and KEDA allows one scaler; delete the other one: " + refusal
	default:
		return ""
	}
}
