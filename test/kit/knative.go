// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
