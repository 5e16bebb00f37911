// SPDX-License-Identifier: Apache-2.0

package dapr_test

import (
	"testing"

	"github.com/dapr/dapr/pkg/apis/common"
	daprv1alpha1 "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	resiliencyv1alpha1 "github.com/dapr/dapr/pkg/apis/resiliency/v1alpha1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/dapr"
)

func TestBrokersThatLoseEventsGetRedelivery(t *testing.T) {
	for _, test := range []struct {
		name, because, kind, metadata, value string
		want                                 bool
	}{
		{"Redis", "it acknowledges what the function refused", "pubsub.redis", "", "", true},
		{"JetStream", "it redelivers by itself", "pubsub.jetstream", "", "", false},
		{"RabbitMQ", "it drops what is refused unless told to requeue", "pubsub.rabbitmq", "", "", true},
		{"RabbitMQThatRequeues", "it redelivers by itself", "pubsub.rabbitmq", "requeueInFailure", "true", false},
		{"RabbitMQToldNotTo", "false is as good as nothing", "pubsub.rabbitmq", "requeueInFailure", "false", true},
		{"MQTT", "it brings it only after a reconnection", "pubsub.mqtt3", "", "", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			spec := &daprv1alpha1.ComponentSpec{Type: test.kind, Version: "v1"}
			if test.metadata != "" {
				spec.Metadata = []common.NameValuePair{{Name: test.metadata,
					Value: common.DynamicValue{JSON: apiextensionsv1.JSON{Raw: []byte(`"` + test.value + `"`)}}}}
			}
			policy, component := redelivery(t, corev1beta2.ServingImpl{
				Triggers: &corev1beta2.Triggers{Dapr: []corev1beta2.DaprTrigger{{Name: "orders", Topic: "new"}}},
				Pubsub:   map[string]*daprv1alpha1.ComponentSpec{"orders": spec},
			})
			if (policy != nil) != test.want {
				t.Fatalf("%s: got policy %v", test.because, policy)
			}
			if policy == nil {
				return
			}
			retry := policy.Spec.Policies.Retries[policy.Spec.Targets.Components[component].Inbound.Retry]
			if retry.MaxRetries == nil || *retry.MaxRetries != -1 {
				t.Errorf("the events of %s are brought again %v times, want until they are taken", component, retry.MaxRetries)
			}
			if len(policy.Scopes) != 1 || policy.Scopes[0] != "hello-default" {
				t.Errorf("the policy is for %v", policy.Scopes)
			}
		})
	}
}

func TestOutputsNeedNoRedelivery(t *testing.T) {
	policy, _ := redelivery(t, corev1beta2.ServingImpl{
		Outputs: []corev1beta2.Output{{Dapr: &corev1beta2.DaprOutput{Name: "orders", Topic: "new"}}},
		Pubsub:  map[string]*daprv1alpha1.ComponentSpec{"orders": {Type: "pubsub.redis", Version: "v1"}},
	})
	if policy != nil {
		t.Errorf("got %v for a function that nobody brings events", policy)
	}
}

// redelivery returns the policy among the objects of a Serving, and the name of its Component.
func redelivery(t *testing.T, spec corev1beta2.ServingImpl) (policy *resiliencyv1alpha1.Resiliency, component string) {
	t.Helper()
	use, err := dapr.Of(core.Input{ClusterDomain: "cluster.local", TokenVersion: "1", Serving: &corev1beta2.Serving{
		ObjectMeta: metav1.ObjectMeta{Name: "hello", Namespace: "default"},
		Spec:       corev1beta2.ServingSpec{ServingImpl: spec, Image: "hello:v1"}}})
	if err != nil {
		t.Fatal(err)
	}
	objects, err := use.Objects()
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		switch object := object.(type) {
		case *resiliencyv1alpha1.Resiliency:
			policy = object
		case *daprv1alpha1.Component:
			component = object.Name
		}
	}
	return policy, component
}
