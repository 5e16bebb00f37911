// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/retry"
	"knative.dev/pkg/apis"
	duckv1 "knative.dev/pkg/apis/duck/v1"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Service is how a Knative Service goes.
type Service string

// The three things Knative says of the newest revision.
const (
	ServiceStarts Service = "Starts"
	ServiceReady  Service = "Ready"
	ServiceFails  Service = "Fails"
)

// PlayKnative gives a Knative Service the status that Knative Serving would for its current generation. A service
// that fails after it was ready keeps its last ready revision and the traffic to it.
func PlayKnative(ctx context.Context, c client.Client, key client.ObjectKey, s Service) error {
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		service := &kservingv1.Service{}
		if err := c.Get(ctx, key, service); err != nil {
			return err
		}
		setService(service, s)
		return c.Status().Update(ctx, service)
	})
}

// What the played Knative acts on, and what it makes for a Knative Service. Both have its name.
var (
	services     = kservingv1.Kind("Service")
	routes       = kservingv1.Kind("Route")
	placeholders = schema.GroupKind{Kind: "Service"}
)

// playService answers for a generation once, and again when it could not have the name that it wants.
func (cp *ControlPlane) playService(ctx context.Context, m *mirror, o *unstructured.Unstructured) error {
	service, err := typed[kservingv1.Service](o)
	if err != nil {
		return err
	}
	waits := service.Status.GetCondition(kservingv1.ServiceConditionRoutesReady).GetReason() == notOwned
	if service.DeletionTimestamp != nil || (service.Status.ObservedGeneration == service.Generation && !waits) {
		return nil
	}
	next, named := nextService(service), true
	if next == ServiceReady && !cp.statusesOnly {
		if named, err = cp.nameService(ctx, m, service); err != nil {
			return err
		}
	}
	if !named && waits && service.Status.ObservedGeneration == service.Generation {
		return nil
	}
	setService(service, next)
	if !named {
		setReady(&service.Status, corev1.ConditionTrue, corev1.ConditionFalse, notOwned,
			fmt.Sprintf("There is an existing placeholder Service %q that we do not own.", service.Name))
	}
	return cp.Client.Status().Update(ctx, service)
}

// notOwned is Knative's reason when the name of a Knative Service is taken by a Service of somebody else.
const notOwned = "NotOwned"

func nextService(service *kservingv1.Service) Service {
	switch {
	case says(service.Spec, WordBroken):
		return ServiceFails
	case says(service.Spec, WordSlow):
		return ServiceStarts
	}
	return ServiceReady
}

// nameService makes the Route of a Knative Service and the Service that keeps its name, and tells whether the name could be had.
func (cp *ControlPlane) nameService(ctx context.Context, m *mirror, service *kservingv1.Service) (bool, error) {
	at := metav1.ObjectMeta{Name: service.Name, Namespace: service.Namespace}
	route := &kservingv1.Route{ObjectMeta: at}
	route.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(service, kservingv1.SchemeGroupVersion.WithKind(services.Kind))}
	if err := cp.Client.Create(ctx, route); apierrors.IsAlreadyExists(err) {
		if err := cp.Client.Get(ctx, client.ObjectKeyFromObject(service), route); err != nil {
			return false, err
		}
	} else if err != nil {
		return false, err
	}
	if !metav1.IsControlledBy(route, service) {
		return false, errNotYet // that of an earlier Knative Service is about to go
	}
	if have := m.get(placeholders, service.Namespace, service.Name); have != nil {
		return metav1.IsControlledBy(have, route), nil
	}
	placeholder := &corev1.Service{ObjectMeta: at, Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeExternalName, ExternalName: "kourier-internal.kourier-system.svc.cluster.local",
		Ports: []corev1.ServicePort{{Name: "http2", Port: 80}},
	}}
	placeholder.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(route, kservingv1.SchemeGroupVersion.WithKind(routes.Kind))}
	err := cp.Client.Create(ctx, placeholder)
	if apierrors.IsAlreadyExists(err) {
		return false, errNotYet // the onlooker has not seen it yet
	}
	return err == nil, err
}

func setService(service *kservingv1.Service, s Service) {
	revision := fmt.Sprintf("%s-%05d", service.Name, service.Generation)
	st := &service.Status
	st.ObservedGeneration = service.Generation
	st.LatestCreatedRevisionName = revision
	host := service.Name + "." + service.Namespace
	st.URL = apis.HTTP(host + ".example.test")
	st.Address = &duckv1.Addressable{URL: apis.HTTP(host + ".svc.cluster.local")}

	latest := true
	switch s {
	case ServiceReady:
		st.LatestReadyRevisionName = revision
		whole := int64(100)
		st.Traffic = []kservingv1.TrafficTarget{{RevisionName: revision, LatestRevision: &latest, Percent: &whole}}
		setReady(st, corev1.ConditionTrue, corev1.ConditionTrue, "", "")
	case ServiceStarts:
		routes := corev1.ConditionUnknown
		if st.LatestReadyRevisionName != "" {
			routes = corev1.ConditionTrue
		}
		setReady(st, corev1.ConditionUnknown, routes, "", "")
	case ServiceFails:
		routes := corev1.ConditionFalse
		if st.LatestReadyRevisionName != "" {
			routes = corev1.ConditionTrue
		}
		setReady(st, corev1.ConditionFalse, routes, "RevisionFailed", fmt.Sprintf(
			"Revision %q failed with message: Container failed with: the function ended with exit code 1.", revision))
	}
}

// setReady sets the two parts and the sum, which is the first part that is not true.
func setReady(st *kservingv1.ServiceStatus, configurations, routes corev1.ConditionStatus, reason, message string) {
	ready := configurations
	if ready == corev1.ConditionTrue {
		ready = routes
	}
	var conditions duckv1.Conditions
	for _, c := range []apis.Condition{
		{Type: kservingv1.ServiceConditionConfigurationsReady, Status: configurations},
		{Type: apis.ConditionReady, Status: ready},
		{Type: kservingv1.ServiceConditionRoutesReady, Status: routes},
	} {
		if c.Status == corev1.ConditionFalse {
			c.Reason, c.Message = reason, message
		}
		c.LastTransitionTime = apis.VolatileTime{Inner: transition(st, c)}
		conditions = append(conditions, c)
	}
	st.Conditions = conditions
}

// transition is when the condition got the status it is about to have.
func transition(st *kservingv1.ServiceStatus, c apis.Condition) metav1.Time {
	if old := st.GetCondition(c.Type); old != nil && old.Status == c.Status {
		return old.LastTransitionTime.Inner
	}
	return metav1.Now()
}
