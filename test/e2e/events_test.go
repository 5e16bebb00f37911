// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openfunction/openfunction/test/e2e/brokers"
)

// rabbitUser is user and password of RabbitMQ on the local cluster.
const rabbitUser = "openfunction"

// quickly are options of a function that KEDA scales between 0 and 4 copies, as promptly as KEDA can.
const quickly = `
  maxReplicas: 4
  keda:
    scaledObject:
      pollingInterval: 1
      cooldownPeriod: 5
      advanced: {horizontalPodAutoscalerConfig: {behavior: {
        scaleUp: {stabilizationWindowSeconds: 0, policies: [{type: Pods, value: 4, periodSeconds: 1}]},
        scaleDown: {stabilizationWindowSeconds: 5}}}}
`

// triggers adds KEDA triggers to quickly.
func triggers(lines string) string {
	if lines == "" {
		return quickly
	}
	return quickly + "    triggers:\n" + indent(lines, 4)
}

func indent(text string, spaces int) string {
	pad := strings.Repeat(" ", spaces)
	return pad + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+pad) + "\n"
}

// source is a broker, the function that it calls, and how to send to it.
type source struct {
	name string
	// component is the trigger's component: where it is declared and what it is.
	component string
	topic     string
	// mode is the Dapr mode, Function when empty.
	mode string
	// delay is how long the function works on an event, 100ms when empty.
	delay string
	// scale are KEDA's triggers besides the function's agent.
	scale string
	send  func(ctx context.Context, ids ...string)
}

func (s source) manifest() string {
	GinkgoHelper()
	block, kind, _ := strings.Cut(strings.TrimSpace(s.component), "\n")
	trigger := "name: in"
	if s.topic != "" {
		trigger += ", topic: " + s.topic
	}
	return fn{name: s.name, params: map[string]string{"DELAY": cmp.Or(s.delay, "100ms")}, serving: fmt.Sprintf(`
dapr: {mode: %s}
triggers: {dapr: [{%s}]}
%s
  in:
%sscaleOptions:
%s`, cmp.Or(s.mode, "Function"), trigger, block, indent(kind, 4), triggers(s.scale))}.manifest()
}

// comesFromZero sends one event to a function at zero.
func (s source) comesFromZero(ctx context.Context) (sent []string) {
	GinkgoHelper()
	ready(ctx, s.name)
	Eventually(ctx, func() int { return pods(ctx, s.name) }).Should(BeZero())
	ledgerOf(s.name).clear(ctx)
	sent = batch(s.name, 1)
	start := time.Now()
	s.send(ctx, sent...)
	Eventually(ctx, ledgerOf(s.name).count).Should(Equal(1))
	AddReportEntry("from zero", fmt.Sprintf("%.1f s", time.Since(start).Seconds()))
	return sent
}

// grows sends more events than one copy can work on until another one has helped, and then waits for all.
func (s source) grows(ctx context.Context, sent []string) {
	GinkgoHelper()
	const atOnce, least, most = 15, 100, 1500
	all := batch(s.name, most)
	pace := time.NewTicker(time.Second)
	defer pace.Stop()
	for len(sent) < most && (len(sent) < least || ledgerOf(s.name).pods(ctx) < 2) {
		next := all[len(sent):min(len(sent)+atOnce, most)]
		s.send(ctx, next...)
		sent = append(sent, next...)
		<-pace.C
	}
	ledgerOf(s.name).has(ctx, sent)
	Expect(ledgerOf(s.name).pods(ctx)).To(BeNumerically(">", 1), "copies that worked")
	Expect(ledgerOf(s.name).refused(ctx)).To(BeZero())
}

// redisTopic is a topic of Redis, with the triggers by which KEDA sees what nobody fetched yet and what nobody is done with.
func redisTopic(name, mode string, metadata ...string) source {
	topic := namespace + "-" + name
	return source{name: name, topic: topic, mode: mode, component: `
pubsub:
type: pubsub.redis
version: v1
metadata:
- {name: redisHost, value: "redis.brokers.svc.cluster.local:6379"}
- {name: consumerID, value: worker}
` + strings.Join(metadata, "\n"), scale: `
- {type: redis-streams, metadata: {address: "redis.brokers.svc.cluster.local:6379", stream: ` + topic + `, consumerGroup: worker, lagCount: "10"}}
- {type: redis-streams, metadata: {address: "redis.brokers.svc.cluster.local:6379", stream: ` + topic + `, consumerGroup: worker, pendingEntriesCount: "10"}}
`, send: func(ctx context.Context, ids ...string) { sendRedis(ctx, topic, ids...) }}
}

var _ = Describe("events", Label("dapr", "keda"), long, Ordered, ContinueOnFailure, func() {
	// The names of topics, queues and streams carry the namespace, because brokers outlive a run.
	var sources map[string]source
	var cron time.Time

	BeforeAll(func(ctx SpecContext) {
		topic := func(name string) string { return namespace + "-" + name }
		nats, err := brokers.DialNATS(ctx, forward(ctx, "brokers", "service/nats", 4222))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(nats.Close)
		Expect(nats.CreateStream(topic("jetstream"), topic("jetstream"))).To(Succeed())
		DeferCleanup(func() { Expect(nats.DeleteStream(topic("jetstream"))).To(Succeed()) })
		mqtt, err := brokers.DialMQTT(ctx, forward(ctx, "brokers", "service/mosquitto", 1883), topic("publisher"))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(mqtt.Close)
		rabbit := brokers.RabbitMQ{Address: forward(ctx, "brokers", "service/rabbitmq", 15672), User: rabbitUser, Password: rabbitUser}
		Expect(c.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "rabbitmq", Namespace: namespace}, StringData: map[string]string{
			"amqp": "amqp://openfunction:openfunction@rabbitmq.brokers.svc.cluster.local:5672",
			"http": "http://openfunction:openfunction@rabbitmq.brokers.svc.cluster.local:15672/",
		}})).To(Succeed())
		applyYAML(ctx, `
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata: {name: rabbitmq}
spec: {secretTargetRef: [{parameter: host, name: rabbitmq, key: http}]}
`)
		all := []source{redisTopic("redis", "", `- {name: concurrency, value: "40"}`), {
			name: "jetstream", topic: topic("jetstream"), component: `
pubsub:
type: pubsub.jetstream
version: v1
metadata:
- {name: natsURL, value: "nats://nats.brokers.svc.cluster.local:4222"}
- {name: streamName, value: ` + topic("jetstream") + `}
- {name: durableName, value: worker}
- {name: queueGroupName, value: worker}
- {name: concurrency, value: parallel}
- {name: ackWait, value: 60s}
`, scale: `
- {type: nats-jetstream, metadata: {natsServerMonitoringEndpoint: "nats.brokers.svc.cluster.local:8222", account: "$G", stream: ` + topic("jetstream") +
				`, consumer: worker, lagThreshold: "20"}}
`, send: func(_ context.Context, ids ...string) { sendNATS(nats, topic("jetstream"), ids...) },
		}, {
			name: "rabbitmq", topic: topic("rabbitmq"), component: `
pubsub:
type: pubsub.rabbitmq
version: v1
metadata:
- {name: connectionString, secretKeyRef: {name: rabbitmq, key: amqp}}
- {name: consumerID, value: worker}
- {name: deletedWhenUnused, value: "false"}
- {name: requeueInFailure, value: "true"}
- {name: prefetchCount, value: "40"}
`, scale: `
- {type: rabbitmq, metadata: {protocol: http, queueName: worker-` + topic("rabbitmq") + `, mode: QueueLength, value: "20"}, authenticationRef: {name: rabbitmq}}
`, send: func(ctx context.Context, ids ...string) {
				for _, id := range ids {
					Expect(rabbit.Publish(ctx, topic("rabbitmq"), "", cloudEvent(topic("rabbitmq"), id, payload(id)))).To(Succeed())
				}
			},
		}, {
			name: "rabbitmq-binding", component: `
bindings:
type: bindings.rabbitmq
version: v1
metadata:
- {name: host, secretKeyRef: {name: rabbitmq, key: amqp}}
- {name: queueName, value: ` + topic("binding") + `}
- {name: durable, value: "true"}
- {name: prefetchCount, value: "40"}
`, scale: `
- {type: rabbitmq, metadata: {protocol: http, queueName: ` + topic("binding") + `, mode: QueueLength, value: "20"}, authenticationRef: {name: rabbitmq}}
`, send: func(ctx context.Context, ids ...string) {
				for _, id := range ids {
					Expect(rabbit.Publish(ctx, brokers.DefaultExchange, topic("binding"), payload(id))).To(Succeed())
				}
			},
		}, {
			// KEDA knows nothing of MQTT: only the agent wakes this one and makes it grow.
			name: "mqtt", component: `
bindings:
type: bindings.mqtt3
version: v1
metadata:
- {name: url, value: "tcp://mosquitto.brokers.svc.cluster.local:1883"}
- {name: topic, value: ` + topic("mqtt") + `}
- {name: consumerID, value: ` + topic("mqtt") + `}
`, send: func(_ context.Context, ids ...string) { sendMQTT(mqtt, topic("mqtt"), ids...) },
		}}
		sources = map[string]source{}
		for _, s := range all {
			sources[s.name] = s
			apply(ctx, s.manifest())
		}
		cron = time.Now()
		apply(ctx, source{name: "cron", component: `
bindings:
type: bindings.cron
version: v1
metadata:
- {name: schedule, value: "@every 15s"}
`}.manifest())
	})

	DescribeTable("bring a function from zero to several copies and are all worked on",
		func(ctx SpecContext, name string) {
			sources[name].grows(ctx, sources[name].comesFromZero(ctx))
		},
		Entry("from a topic of Redis", "redis"),
		Entry("from a subject of NATS JetStream", "jetstream"),
		Entry("from a topic of RabbitMQ", "rabbitmq"),
		Entry("from a queue of RabbitMQ, as a binding", "rabbitmq-binding"),
		Entry("from a topic of MQTT, as a binding, for which KEDA has no trigger", "mqtt"),
	)

	It("leave functions at zero when there are no more", func(ctx SpecContext) {
		for name := range sources {
			Eventually(ctx, func() int { return pods(ctx, name) }).Should(BeZero(), name)
			Expect(ready(ctx, name).Status.Serving.State).To(Equal("Running"))
		}
	})

	It("of a timer wake the function each time", func(ctx SpecContext) {
		f := ready(ctx, "cron")
		Eventually(ctx, func() int { return pods(ctx, "cron") }).Should(BeZero())
		before := ledgerOf("cron").count(ctx)
		Eventually(ctx, func() int { return ledgerOf("cron").count(ctx) }).Should(BeNumerically(">=", before+2))
		ticks := ticks(ledgerOf("cron").ids(ctx))
		for i := 1; i < len(ticks); i++ {
			Expect(ticks[i].Sub(ticks[i-1])).To(beAbout(15*time.Second), "between tick %d and the next of %v", i, ticks)
		}
		AddReportEntry("ticks", fmt.Sprintf("%d in %.0f s, the first %.1f s after the function was made, %d of them worked on again",
			len(ticks), time.Since(cron).Seconds(), ticks[0].Sub(f.CreationTimestamp.Time).Seconds(), ledgerOf("cron").times(ctx)-len(ticks)))
	})
})

var _ = Describe("events in the other Dapr modes, where only what KEDA sees in the broker wakes a function", Label("dapr", "keda"), Ordered, ContinueOnFailure, func() {
	var sidecar, shared source

	BeforeAll(func(ctx SpecContext) {
		// Each daprd fetches a few messages only, so that there are some for the next one. KEDA's HPA looks every 15 s: a copy works on fewer than
		// are sent, so that some wait whenever it does.
		sidecar = redisTopic("sidecar", "Sidecar", `- {name: concurrency, value: "5"}`, `- {name: queueDepth, value: "5"}`)
		sidecar.delay = "500ms"
		shared = redisTopic("shared", "Shared")
		apply(ctx, sidecar.manifest())
		apply(ctx, shared.manifest())
	})

	It("bring one in mode Sidecar from zero to several copies and back", func(ctx SpecContext) {
		sidecar.grows(ctx, sidecar.comesFromZero(ctx))
		Eventually(ctx, func() int { return pods(ctx, "sidecar") }).Should(BeZero())
	})

	// A daprd speaks gRPC with one copy over one connection, so that one copy works for each daprd.
	It("bring one in mode Shared from zero and back", func(ctx SpecContext) {
		sent := append(shared.comesFromZero(ctx), batch("more", 100)...)
		shared.send(ctx, sent[1:]...)
		ledgerOf("shared").has(ctx, sent)
		Eventually(ctx, func() int { return pods(ctx, "shared") }).Should(BeZero())
	})
})

// beAbout allows for what the clocks of a busy machine do.
func beAbout(d time.Duration) types.GomegaMatcher {
	return BeNumerically("~", d, 2*time.Second)
}

// ticks reads the times that Dapr's cron binding writes.
func ticks(ids []string) []time.Time {
	GinkgoHelper()
	times := make([]time.Time, 0, len(ids))
	for _, id := range ids {
		text, _, _ := strings.Cut(id, " m=")
		at, err := time.Parse("2006-01-02 15:04:05.999999999 -0700 MST", text)
		Expect(err).NotTo(HaveOccurred())
		times = append(times, at)
	}
	slices.SortFunc(times, time.Time.Compare)
	return times
}
