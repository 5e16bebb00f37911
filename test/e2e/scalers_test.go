// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// push adds events to a Redis list.
func push(ctx context.Context, list string, ids ...string) {
	GinkgoHelper()
	for _, id := range ids {
		_, err := redis.Do(ctx, "RPUSH", list, string(payload(id)))
		Expect(err).NotTo(HaveOccurred())
	}
}

// onList is the trigger of a Redis list, of which KEDA learns user and password from a Secret.
func onList(list string) string {
	return "- {type: redis, metadata: {address: \"" + redisService + "\", listName: " + list + ", listLength: \"10\"}, authenticationRef: {name: redis}}\n"
}

func jobs(ctx context.Context, name string) int {
	GinkgoHelper()
	list := &batchv1.JobList{}
	Expect(c.List(ctx, list, client.InNamespace(namespace))).To(Succeed())
	n := 0
	for _, job := range list.Items {
		if strings.HasPrefix(job.Name, name+"-") {
			n++
		}
	}
	return n
}

var _ = Describe("functions that only KEDA triggers", Label("keda"), Ordered, ContinueOnFailure, func() {
	list := func(name string) string { return namespace + "-" + name }

	BeforeAll(func(ctx SpecContext) {
		_, err := redis.Do(ctx, "ACL", "SETUSER", namespace, "on", ">secret", "~*", "+@all")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func(ctx SpecContext) {
			_, err := redis.Do(ctx, "ACL", "DELUSER", namespace)
			Expect(err).NotTo(HaveOccurred())
		})
		Expect(c.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "redis", Namespace: namespace},
			StringData: map[string]string{"username": namespace, "password": "secret"}})).To(Succeed())
		applyYAML(ctx, `
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata: {name: redis}
spec: {secretTargetRef: [{parameter: username, name: redis, key: username}, {parameter: password, name: redis, key: password}]}
`)
		for _, name := range []string{"list", "set"} {
			workload := map[string]string{"list": "Deployment", "set": "StatefulSet"}[name]
			apply(ctx, fn{name: name, params: map[string]string{"LIST": list(name), "DELAY": "100ms"}, serving: "workloadType: " + workload +
				"\nscaleOptions:\n" + triggers(onList(list(name)))}.manifest())
		}
		apply(ctx, fn{name: "jobs", params: map[string]string{"LIST": list("jobs"), "ONCE": "yes", "DELAY": "100ms"}, serving: `
workloadType: Job
scaleOptions:
  maxReplicas: 3
  keda:
    scaledJob: {pollingInterval: 1, successfulJobsHistoryLimit: 100}
    triggers:
` + indent(onList(list("jobs")), 4)}.manifest())
	})

	DescribeTable("go from zero to several copies and back",
		func(ctx SpecContext, name string) {
			ready(ctx, name)
			Eventually(ctx, func() int { return pods(ctx, name) }).Should(BeZero())
			sent := batch(name, 200)
			push(ctx, list(name), sent...)
			ledgerOf(name).has(ctx, sent)
			Expect(ledgerOf(name).pods(ctx)).To(BeNumerically(">", 1), "copies that worked")
			Expect(ledgerOf(name).times(ctx)).To(Equal(len(sent)))
			Eventually(ctx, func() int { return pods(ctx, name) }).Should(BeZero())
		},
		Entry("as a Deployment", "list"),
		Entry("as a StatefulSet", "set"),
	)

	It("run as Jobs, one or more for what waits and none before", func(ctx SpecContext) {
		f := ready(ctx, "jobs")
		Expect(f.Status.Serving.State).To(Equal(corev1beta2.Running))
		Expect(jobs(ctx, "jobs")).To(BeZero())
		sent := batch("jobs", 60)
		push(ctx, list("jobs"), sent...)
		ledgerOf("jobs").has(ctx, sent)
		Expect(jobs(ctx, "jobs")).To(BeNumerically(">", 0))
		Expect(ledgerOf("jobs").times(ctx)).To(Equal(len(sent)))
	})

	It("say what KEDA refuses, and go on when it is mended", func(ctx SpecContext) {
		refused := func(trigger string) string {
			return fn{name: "refused", params: map[string]string{"LIST": list("refused")}, serving: "scaleOptions:\n" + triggers(trigger)}.manifest()
		}
		apply(ctx, refused("- {type: carrier-pigeon, metadata: {loft: \"1\"}}"))
		f := becomes(ctx, "refused", corev1beta2.ServedCondition, metav1.ConditionFalse)
		Expect(condition(f, corev1beta2.ServedCondition).Message).To(ContainSubstring("carrier-pigeon"))
		apply(ctx, refused(onList(list("refused"))))
		ready(ctx, "refused")
	})

	It("say that a cpu trigger needs requests, and go on when it is mended", func(ctx SpecContext) {
		cpu := func(template string) string {
			return fn{name: "cpu", params: map[string]string{"LIST": list("cpu")}, serving: template + "scaleOptions:\n" +
				triggers("- {type: cpu, metricType: Utilization, metadata: {value: \"80\"}}")}.manifest()
		}
		apply(ctx, cpu(""))
		Eventually(ctx, func() string { return condition(read(ctx, "cpu"), corev1beta2.ServedCondition).Message }).
			Should(ContainSubstring("set resources.requests"))
		apply(ctx, cpu("template: {containers: [{name: function, resources: {requests: {cpu: 10m}}}]}\n"))
		ready(ctx, "cpu")
	})

	It("wait for a Component that is missing, and go on when it is made", func(ctx SpecContext) {
		apply(ctx, fn{name: "referring", params: map[string]string{"DELAY": "0s"}, serving: "triggers: {dapr: [{name: elsewhere, topic: " + list("elsewhere") + "}]}"}.manifest())
		f := becomes(ctx, "referring", corev1beta2.ServedCondition, metav1.ConditionFalse)
		Expect(condition(f, corev1beta2.ServedCondition).Reason).To(Equal(corev1beta2.ComponentNotFoundReason))
		Expect(condition(f, corev1beta2.ServedCondition).Message).To(ContainSubstring(`"elsewhere"`))
		applyYAML(ctx, `
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: elsewhere}
spec: {type: pubsub.redis, version: v1, metadata: [{name: redisHost, value: "redis.brokers.svc.cluster.local:6379"}]}
`)
		heals(ctx, "referring")
		sent := batch("referring", 20)
		sendRedis(ctx, list("elsewhere"), sent...)
		ledgerOf("referring").has(ctx, sent)
	})

	It("end Failed with the reason when the image is broken", func(ctx SpecContext) {
		apply(ctx, fn{name: "broken", image: "$BROKEN", params: map[string]string{"LIST": list("broken")}, serving: "scaleOptions:\n" +
			triggers(onList(list("broken")))}.manifest())
		f := becomes(ctx, "broken", corev1beta2.ServedCondition, metav1.ConditionFalse)
		Expect(f.Status.Serving.State).To(Equal(corev1beta2.Failed))
		Expect(condition(f, corev1beta2.ServedCondition).Message).To(ContainSubstring("exits with code 1"))
	})
})

var _ = Describe("events that do not go well", Label("dapr", "keda"), Ordered, func() {
	const name = "trouble"

	It("come again when the function fails or crashes on them, or is not there", func(ctx SpecContext) {
		topic := namespace + "-" + name
		apply(ctx, fn{name: name, serving: `
triggers: {dapr: [{name: topics, topic: ` + topic + `}]}
pubsub:
  topics:
    type: pubsub.redis
    version: v1
    metadata:
    - {name: redisHost, value: "redis.brokers.svc.cluster.local:6379"}
scaleOptions:
` + quickly}.manifest())
		ready(ctx, name)
		sent := batch(name, 60)
		for i, id := range sent {
			event := map[int]string{5: `,"fail":2`, 20: `,"crash":true`, 30: `,"wait":3000`}[i]
			_, err := redis.Do(ctx, "XADD", topic, "*", "data", string(cloudEvent(topic, id, []byte(`{"id":"`+id+`"`+event+`}`))))
			Expect(err).NotTo(HaveOccurred())
		}
		ledgerOf(name).has(ctx, sent)
	})
})
