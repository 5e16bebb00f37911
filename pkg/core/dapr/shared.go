// SPDX-License-Identifier: Apache-2.0

package dapr

import (
	"github.com/dapr/dapr/pkg/injector/annotations"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/daprd"
	"github.com/openfunction/openfunction/pkg/problem"
)

const sharedRole = "daprd"

// shared returns what runs daprd in mode Shared.
func (u Use) shared() ([]client.Object, error) {
	options, err := u.daprdOptions()
	if err != nil {
		return nil, err
	}
	container, volumes := daprd.Container(options)
	pod := u.pod(sharedRole, daprd.PodAnnotations(options), container)
	pod.Spec.Volumes = append(pod.Spec.Volumes, volumes...)
	name := core.SharedDaprChild(u.in.Serving.Name)
	var workload client.Object = u.deployment(name, sharedRole, pod)
	if u.onEveryNode() {
		workload = &appsv1.DaemonSet{
			ObjectMeta: u.meta(name, sharedRole),
			Spec: appsv1.DaemonSetSpec{
				RevisionHistoryLimit: ptr.To[int32](2),
				Selector:             &metav1.LabelSelector{MatchLabels: u.selector(sharedRole)},
				Template:             pod,
			},
		}
	}
	objects := []client.Object{workload, u.daprdService(core.SharedDaprdChild(u.in.Serving.Name), options)}
	if u.in.Serving.Spec.HTTP() == nil && options.AppPort != 0 {
		objects = append(objects, u.functionService())
	}
	return objects, nil
}

// functionService stands before the pods of an event-driven function.
func (u Use) functionService() *corev1.Service {
	port := u.FunctionPort()
	return &corev1.Service{
		ObjectMeta: u.meta(core.FunctionChild(u.in.Serving.Name), sharedRole),
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{corev1beta2.ServingLabel: u.in.Serving.Name, corev1beta2.RunLabel: core.AsyncRun},
			Ports:    []corev1.ServicePort{{Name: "function", Port: port, TargetPort: intstr.FromInt32(port), Protocol: corev1.ProtocolTCP}},
		},
	}
}

// Invocation returns the Service by which other apps find the function in mode Shared; nil in other modes. In those Dapr's operator
// makes it, under this very name and with an owner of its own, so it can be applied only after the workload of the mode before is gone. It is
// headless as the operator's is, which can then take it over when the mode changes again. A canary has none: it is called by requests only.
func (u Use) Invocation() (client.Object, error) {
	if !u.enabled || u.mode != corev1beta2.DaprModeShared || core.IsCanary(u.in.Serving) {
		return nil, nil
	}
	options, err := u.daprdOptions()
	if err != nil {
		return nil, err
	}
	service := u.daprdService(daprd.ServiceName(u.AppID()), options)
	service.Spec.ClusterIP, service.Spec.TrafficDistribution = corev1.ClusterIPNone, nil
	return service, nil
}

func (u Use) onEveryNode() bool {
	options := u.in.Serving.Spec.Dapr
	return options != nil && options.Strategy == corev1beta2.DaprStrategyDaemonSet
}

func (u Use) daprdService(name string, options daprd.Options) *corev1.Service {
	service := &corev1.Service{
		ObjectMeta: u.meta(name, sharedRole),
		Spec:       corev1.ServiceSpec{Selector: u.selector(sharedRole), Ports: daprd.ServicePorts(options)},
	}
	if u.onEveryNode() {
		service.Spec.TrafficDistribution = ptr.To(corev1.ServiceTrafficDistributionPreferSameNode)
	}
	return service
}

func (u Use) daprdOptions() (daprd.Options, error) {
	options := daprd.Options{
		AppID:                   u.AppID(),
		Namespace:               u.in.Serving.Namespace,
		Image:                   u.in.Settings.DaprdImage,
		ControlPlaneNamespace:   u.in.Settings.DaprNamespace,
		TrustDomain:             u.in.Trust.Domain,
		ClusterDomain:           u.in.ClusterDomain,
		TrustAnchors:            u.in.Trust.Anchors,
		MTLS:                    true,
		AppProtocol:             u.protocol,
		LogAsJSON:               true,
		ListenAddresses:         everyAddress,
		GracefulShutdownSeconds: ptr.To(gracefulShutdownSeconds),
		BlockShutdownDuration:   blockShutdown,
	}
	// Without an app to call daprd does not wait for one: a function that takes no events may be at zero.
	if u.TakesEvents() || annotation(u.in.Serving, annotations.KeyAppPort) != "" {
		options.AppAddress, options.AppPort = u.functionHost()
	}
	if u.hasToken() {
		options.AppTokenSecret = u.tokenSecret()
	}
	options, err := options.WithAnnotations(daprdAnnotations(u.in.Serving))
	if err != nil {
		return daprd.Options{}, problem.Stalled(corev1beta2.InvalidSpecReason, "spec.serving.annotations: %v; correct it", err)
	}
	return options, nil
}
