// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// post sends an event to the function at its external address.
func post(ctx context.Context, f *corev1beta2.Function, event []byte) error {
	for _, address := range f.Status.Addresses {
		if address.Type == nil || *address.Type != corev1beta2.ExternalAddressType {
			continue
		}
		target, err := url.Parse(address.Value)
		if err != nil {
			return err
		}
		host := target.Host
		if cluster.IngressHost != "" {
			target.Host = cluster.IngressHost
		}
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), strings.NewReader(string(event)))
		if err != nil {
			return err
		}
		request.Host = host
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err == nil && response.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", response.Status, text)
		}
		return err
	}
	return fmt.Errorf("function %s has no external address", f.Name)
}

// postAll sends events one after the other.
func postAll(ctx context.Context, f *corev1beta2.Function, ids ...string) {
	GinkgoHelper()
	for _, id := range ids {
		Expect(post(ctx, f, payload(id))).To(Succeed(), id)
	}
}

// front is the function-front of the document on Dapr, with RabbitMQ in place of Kafka.
func front(name, queue, image string, params map[string]string) fn {
	return fn{name: name, image: image, params: params, serving: `
scaleOptions: {minReplicas: 0, maxReplicas: 5, knative: {autoscaling.knative.dev/window: 10s}}
outputs:
- {name: target, component: queue-server, operation: create}
bindings:
  queue-server:
    type: bindings.rabbitmq
    version: v1
    metadata:
    - {name: host, value: "amqp://openfunction:openfunction@rabbitmq.brokers.svc.cluster.local:5672"}
    - {name: queueName, value: ` + queue + `}
    - {name: durable, value: "true"}
template:
  containers: [{name: function, imagePullPolicy: Always}]
`}
}

// back is an async function that the same queue triggers.
func back(name, queue, image string) fn {
	return fn{name: name, image: image, serving: `
triggers: {dapr: [{name: queue-server, type: bindings.rabbitmq}]}
bindings:
  queue-server:
    type: bindings.rabbitmq
    version: v1
    metadata:
    - {name: host, value: "amqp://openfunction:openfunction@rabbitmq.brokers.svc.cluster.local:5672"}
    - {name: queueName, value: ` + queue + `}
    - {name: durable, value: "true"}
scaleOptions:
` + quickly}
}

var _ = Describe("outputs", Label("dapr", "knative"), Ordered, ContinueOnFailure, func() {
	queue := func(name string) string { return namespace + "-" + name }

	BeforeAll(func(ctx SpecContext) {
		DeferCleanup(func(ctx SpecContext) { remove(ctx, "function-front") }) // a document's manifest has this name, too
		apply(ctx, front("function-front", queue("front"), "", nil).manifest())
		apply(ctx, back("function-back", queue("front"), "").manifest())
		apply(ctx, fn{name: "publisher", params: map[string]string{"DAPR_API": "http"}, serving: `
outputs: [{dapr: {name: topics, topic: ` + queue("topic") + `}}]
pubsub: {topics: {type: pubsub.redis, version: v1, metadata: [{name: redisHost, value: "redis.brokers.svc.cluster.local:6379"}]}}
`}.manifest())
		apply(ctx, fn{name: "subscriber", serving: `
annotations: {dapr.io/app-protocol: http}
triggers: {dapr: [{name: topics, topic: ` + queue("topic") + `}]}
pubsub: {topics: {type: pubsub.redis, version: v1, metadata: [{name: redisHost, value: "redis.brokers.svc.cluster.local:6379"}]}}
`}.manifest())
		apply(ctx, fn{name: "stateful", params: map[string]string{"DAPR_API": "http"}, serving: `
states: {store: {spec: {type: state.redis, version: v1, metadata: [{name: redisHost, value: "redis.brokers.svc.cluster.local:6379"}]}}}
`}.manifest())
		apply(ctx, front("framework-front", queue("framework"), "$FRAMEWORK", map[string]string{"OUTPUT": "target"}).manifest())
		apply(ctx, back("framework-back", queue("framework"), "$FRAMEWORK").manifest())
	})

	It("of a Knative function trigger an async function: function-front", func(ctx SpecContext) {
		f := ready(ctx, "function-front")
		ready(ctx, "function-back")
		sent := batch("front", 50)
		postAll(ctx, f, sent...)
		ledgerOf("function-front").has(ctx, sent)
		ledgerOf("function-back").has(ctx, sent)
	})

	It("are published to a topic by Dapr's HTTP API, and come to a function that speaks HTTP with Dapr", func(ctx SpecContext) {
		f := ready(ctx, "publisher")
		ready(ctx, "subscriber")
		sent := batch("topic", 50)
		postAll(ctx, f, sent...)
		ledgerOf("subscriber").has(ctx, sent)
		Expect(ledgerOf("subscriber").refused(ctx)).To(BeZero())
	})

	It("can be state: a function saves and reads it", func(ctx SpecContext) {
		f := ready(ctx, "stateful")
		sent := batch("state", 20)
		postAll(ctx, f, sent...)
		Expect(redis.Strings(ctx, "SMEMBERS", ledgerOf("stateful").key+":states")).To(ConsistOf(sent))
	})

	It("work for functions of the established framework, on both sides", func(ctx SpecContext) {
		f := ready(ctx, "framework-front")
		ready(ctx, "framework-back")
		// One at a time: this release of the framework mixes up events that it works on at once.
		for _, id := range batch("framework", 10) {
			Expect(post(ctx, f, payload(id))).To(Succeed())
			Eventually(ctx, ledgerOf("framework-back").ids).Should(ContainElement(id))
		}
		Expect(ledgerOf("framework-front").count(ctx)).To(Equal(10))
	})
})
