// SPDX-License-Identifier: Apache-2.0

package dapr

import (
	"slices"
	"strings"

	resiliencyv1alpha1 "github.com/dapr/dapr/pkg/apis/resiliency/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
)

// ResiliencyKind is the kind of Dapr's Resiliency policies.
var ResiliencyKind = schema.GroupVersionKind{Group: "dapr.io", Version: "v1alpha1", Kind: "Resiliency"}

// retryPolicy is the name of the policy within the object.
const retryPolicy = "until-taken"

// losers are the types of components that, in components-contrib 1.18, do not bring an event again that the function refused, with the
// metadata that makes them do so, if there is one: Redis acknowledges what failed within its processing timeout, RabbitMQ's pub/sub drops
// it, MQTT brings it only after a reconnection, Kafka's binding goes on to the next. Every other broker that is known here redelivers.
var losers = map[string]string{
	"pubsub.redis":    "",
	"pubsub.mqtt":     "",
	"pubsub.mqtt3":    "",
	"pubsub.rabbitmq": "requeueInFailure",
	"bindings.mqtt":   "",
	"bindings.mqtt3":  "",
	"bindings.kafka":  "consumeRetryEnabled",
}

// resiliency returns the policy by which daprd itself brings an event again until the function took it, for those triggers whose broker would
// not; nil when there are none.
func (u Use) resiliency() client.Object {
	components := map[string]resiliencyv1alpha1.ComponentPolicyNames{}
	for _, trigger := range u.wiring.triggers {
		if u.loses(trigger) {
			components[trigger.component] = resiliencyv1alpha1.ComponentPolicyNames{Inbound: resiliencyv1alpha1.PolicyNames{Retry: retryPolicy}}
		}
	}
	if len(components) == 0 {
		return nil
	}
	s := u.in.Serving
	return &resiliencyv1alpha1.Resiliency{
		ObjectMeta: metav1.ObjectMeta{Name: core.RedeliveryChild(s.Name), Namespace: s.Namespace,
			Labels: map[string]string{corev1beta2.ManagedLabel: "true", corev1beta2.ServingLabel: s.Name}},
		Scopes: []string{u.AppID()},
		Spec: resiliencyv1alpha1.ResiliencySpec{
			Policies: resiliencyv1alpha1.Policies{Retries: map[string]resiliencyv1alpha1.Retry{
				retryPolicy: {Policy: "exponential", MaxInterval: "10s", MaxRetries: ptr.To(-1)}}},
			Targets: resiliencyv1alpha1.Targets{Components: components},
		},
	}
}

// loses tells whether the trigger's broker loses an event that the function refuses. Of a Component that is not declared here the metadata is not
// known; then daprd brings the event again in any case.
func (u Use) loses(trigger link) bool {
	mended, loses := losers[trigger.kind]
	if !loses || mended == "" {
		return loses
	}
	return !slices.Contains([]string{"true", "1", "yes", "on", "y", "t"}, strings.ToLower(u.metadataOf(trigger.component, mended)))
}
