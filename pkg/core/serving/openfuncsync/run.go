// SPDX-License-Identifier: Apache-2.0

package openfuncsync

import (
	"net"
	"slices"
	"strings"

	httpv1alpha1 "github.com/kedacore/http-add-on/operator/apis/http/v1alpha1"
	httpv1beta1 "github.com/kedacore/http-add-on/operator/apis/http/v1beta1"
	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/route"
	"github.com/openfunction/openfunction/pkg/core/serving/podspec"
	"github.com/openfunction/openfunction/pkg/core/serving/workload"
)

// name of the run.
const name = "openfuncsync"

const (
	// servicePort is the port of the function's Services.
	servicePort int32 = 80
	// interceptorPort is where the interceptor takes plain HTTP.
	interceptorPort = "8080"
	// appProtocolH2C tells the interceptor, which reads it from the Service, that the function speaks HTTP/2 only.
	appProtocolH2C = "kubernetes.io/h2c"
	// portNameH2C is how a template says the same, as with Knative: by the name of the port.
	portNameH2C = "h2c"
)

// Run is the ServingRun on KEDA's HTTP add-on.
type Run struct{}

var (
	_ core.ServingRun = Run{}
	_ core.Fronted    = Run{}
	_ core.Starter    = Run{}
)

// Name returns "openfuncsync".
func (Run) Name() string { return name }

// Needs returns KEDA and its HTTP add-on.
func (Run) Needs() core.Provider {
	return core.Provider{
		Title: "KEDA with its HTTP add-on",
		Kinds: []schema.GroupVersionKind{
			kedav1alpha1.SchemeGroupVersion.WithKind("ScaledObject"),
			httpv1alpha1.SchemeGroupVersion.WithKind("HTTPScaledObject"),
			httpv1beta1.SchemeGroupVersion.WithKind("InterceptorRoute"),
		},
		Install: "kubectl apply --server-side -f https://github.com/kedacore/keda/releases/download/v2.21.0/keda-2.21.0.yaml" +
			" && helm install http-add-on keda-add-ons-http --repo https://kedacore.github.io/charts --version 0.15.0 --namespace keda",
	}
}

// Desired returns the Deployment, the Service of its pods, the HTTPScaledObject and, where it cannot say which path of which host is the
// function's, an InterceptorRoute.
func (Run) Desired(in core.Input) ([]client.Object, error) {
	template, err := template(in)
	if err != nil {
		return nil, err
	}
	routing, err := routingOf(in)
	if err != nil {
		return nil, err
	}
	scaler, err := httpScaledObject(in, workload.Version(template), routing)
	if err != nil {
		return nil, err
	}
	service := object(in).Service(in, corev1.ServicePort{
		Name: "http", Port: servicePort, TargetPort: intstr.FromInt32(in.Serving.Spec.HTTP().ContainerPort()), AppProtocol: appProtocol(template)})
	service.Spec.PublishNotReadyAddresses = *scaler.Spec.Replicas.Min == 0 && !saysWhenReady(in)
	objects := []client.Object{object(in).Deployment(in, template, nil), service, scaler}
	if routing.isPartial() {
		objects = append(objects, interceptorRoute(in, scaler, routing))
	}
	return objects, nil
}

// saysWhenReady tells whether the user's template says when a copy is ready. Where it does not, a copy is ready when it accepts connections, and
// the interceptor finds that out by itself: it dials every 50 ms, and the kubelet probes every second. So while a function may come from zero,
// the interceptor is told of copies that are not ready yet, and its callers wait half a second less. A new version is not at zero until one of
// its copies was ready: a rollout replaces ready copies by ready ones only.
func saysWhenReady(in core.Input) bool {
	template := in.Serving.Spec.Template
	return template != nil && (len(template.ReadinessGates) > 0 ||
		slices.ContainsFunc(template.Containers, func(container corev1.Container) bool { return container.ReadinessProbe != nil }))
}

func object(in core.Input) workload.Object {
	return workload.Object{Name: core.HTTPChild(in.Serving.Name), Run: name}
}

func template(in core.Input) (corev1.PodTemplateSpec, error) {
	return workload.Template(in, workload.Pods{Run: name, Kind: workload.Deployment, Port: in.Serving.Spec.HTTP().ContainerPort()})
}

// appProtocol is set for a function whose template names its port as functions that speak HTTP/2 only do.
func appProtocol(template corev1.PodTemplateSpec) *string {
	for _, container := range template.Spec.Containers {
		for _, port := range container.Ports {
			if container.Name == podspec.FunctionContainer && strings.HasPrefix(port.Name, portNameH2C) {
				return ptr.To(appProtocolH2C)
			}
		}
	}
	return nil
}

// Backend returns the interceptor, which knows the function by its host name.
func (Run) Backend(in core.Input) route.Backend {
	interceptor := in.Settings.Interceptor
	return route.Backend{
		Address: net.JoinHostPort(core.ServiceHost(interceptor.Name, interceptor.Namespace, in.ClusterDomain), interceptorPort),
		Host:    core.FrontHost(in),
	}
}

// Version is the version of the pods.
func (Run) Version(in core.Input) (string, error) {
	template, err := template(in)
	return workload.Version(template), err
}

// HasStarted tells that a copy of the current version is ready.
func (Run) HasStarted(live core.Live) bool {
	deployment, found := workload.Find[*appsv1.Deployment](live, name)
	return found && workload.RolloutOf(deployment, live.Pods).HasStarted()
}
