// SPDX-License-Identifier: Apache-2.0

package openfuncsync

import (
	httpv1alpha1 "github.com/kedacore/http-add-on/operator/apis/http/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/serving/workload"
)

const (
	// defaultPending is how many pending requests one copy should have.
	defaultPending int32 = 100
	// defaultCooldown is how many seconds after the last request a copy stays.
	defaultCooldown int32 = 300
)

// httpScaledObject returns the scaler. What the add-on passes on to its ScaledObject is always set: it merges, so that a field that is taken out
// would stay there. The first copy stays as long as one stays after a request, for those who call a function right after they made it.
func httpScaledObject(in core.Input, version string, routing routing) (*httpv1alpha1.HTTPScaledObject, error) {
	options := corev1beta2.HTTPScaledObject{}
	if set := in.Serving.Spec.Keda().HTTPScaledObject; set != nil {
		options = *set
	}
	bounds, err := workload.BoundsOf(in.Serving.Spec.ScaleOptions, options.MinReplicaCount, options.MaxReplicaCount)
	if err != nil {
		return nil, err
	}
	if in.Started != version {
		bounds = bounds.AtLeast(1) // until a copy of this version was ready, nobody knows whether one can be
	}
	cooldown := ptr.Deref(options.CooldownPeriod, defaultCooldown)
	return &httpv1alpha1.HTTPScaledObject{
		ObjectMeta: object(in).ScalerMeta(in),
		Spec: httpv1alpha1.HTTPScaledObjectSpec{
			Hosts:        routing.hosts(),
			PathPrefixes: routing.prefixes,
			ScaleTargetRef: httpv1alpha1.ScaleTargetRef{
				Name: object(in).Name, Kind: workload.Deployment, APIVersion: "apps/v1", Service: object(in).Name, Port: servicePort},
			Replicas:              &httpv1alpha1.ReplicaStruct{Min: ptr.To(bounds.Min), Max: ptr.To(bounds.Most())},
			CooldownPeriod:        ptr.To(cooldown),
			InitialCooldownPeriod: ptr.To(cooldown),
			ScalingMetric: &httpv1alpha1.ScalingMetricSpec{Concurrency: &httpv1alpha1.ConcurrencyMetricSpec{
				TargetValue: int(pending(options, in.Serving.Spec.ScaleOptions))}},
			Timeouts: timeouts(in.Serving.Spec.HTTP()),
		},
	}, nil
}

// pending is the target of pending requests of a copy: the option, then the most requests a copy may handle at a time. 0 is none in both.
func pending(options corev1beta2.HTTPScaledObject, scale *corev1beta2.ScaleOptions) int32 {
	if target := ptr.Deref(options.TargetPendingRequests, 0); target > 0 {
		return target
	}
	if scale != nil && ptr.Deref(scale.Concurrency, 0) > 0 {
		return *scale.Concurrency
	}
	return defaultPending
}

func timeouts(http *corev1beta2.HTTPTrigger) *httpv1alpha1.HTTPScaledObjectTimeoutsSpec {
	if http.RequestTimeout == nil {
		return nil
	}
	return &httpv1alpha1.HTTPScaledObjectTimeoutsSpec{ResponseHeader: metav1.Duration{Duration: http.RequestTimeout.Duration}}
}
