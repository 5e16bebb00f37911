// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	daprv1alpha1 "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// surroundings are what the manifests of the documents expect around them: a Secret to push with, Kafka, and somebody who is notified.
const surroundings = `
apiVersion: v1
kind: Secret
metadata: {name: push-secret}
type: kubernetes.io/dockerconfigjson
stringData: {.dockerconfigjson: '{"auths":{}}'}
---
apiVersion: v1
kind: Pod
metadata: {name: kafka, labels: {app: kafka}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: kafka
    image: $KAFKA
    env: [{name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
    readinessProbe: {httpGet: {path: /logs, port: 8080}, timeoutSeconds: 5}
---
apiVersion: v1
kind: Service
metadata: {name: kafka-server-kafka-brokers}
spec: {selector: {app: kafka}, ports: [{name: kafka, port: 9092}, {name: http, port: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: notification-manager, labels: {app: notification-manager}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: receiver
    image: $WORKER
    env:
    - {name: FUNC_CONTEXT, value: '{"runtime": "Knative", "port": "19093"}'}
    - {name: KEY, value: $NAMESPACE/notified}
    - {name: REDIS, value: "redis.brokers.svc.cluster.local:6379"}
    readinessProbe: {httpGet: {path: /, port: 19093}}
---
apiVersion: v1
kind: Service
metadata: {name: notification-manager}
spec: {selector: {app: notification-manager}, ports: [{port: 19093}]}
`

// elsewhere are those in namespaces of their own; what they lead to is in the suite's.
var elsewhere = map[string]string{
	"default": `
apiVersion: v1
kind: Service
metadata: {name: kafka-server-kafka-brokers}
spec: {type: ExternalName, externalName: kafka-server-kafka-brokers.$NAMESPACE.svc.cluster.local}
`,
	"kubesphere-monitoring-system": `
apiVersion: v1
kind: Namespace
metadata: {name: kubesphere-monitoring-system}
---
apiVersion: v1
kind: Service
metadata: {name: notification-manager-svc}
spec: {type: ExternalName, externalName: notification-manager.$NAMESPACE.svc.cluster.local}
`,
}

var _ = Describe("the manifests of the documents", Label("dapr", "keda", "knative", "tekton"), long, Ordered, ContinueOnFailure, func() {
	// What the documents name, and what exists on this cluster in its place. Sources are where the documents say, which no build reaches here.
	here := []string{
		"openfunctiondev/logs-async-handler", "$REGISTRY/e2e/logs-async-handler", "openfunctiondev/sample-knative-dapr", "$REGISTRY/e2e/sample-knative-dapr",
		"openfunction/sink-sample:latest", "$WORKER", "openfunction/builder-go:latest", "$BUILDER",
	}
	var kafka string

	BeforeAll(func(ctx SpecContext) {
		loadGit(ctx, "samples")
		kubectlWith(ctx, manifest(surroundings), "apply", "-f", "-")
		for namespace, text := range elsewhere {
			kubectlWith(ctx, manifest(text), "-n", namespace, "apply", "-f", "-")
		}
		DeferCleanup(func(ctx SpecContext) {
			kubectl(ctx, "-n", "default", "delete", "service", "kafka-server-kafka-brokers")
			kubectl(ctx, "delete", "--wait=false", "namespace", "kubesphere-monitoring-system")
		})
		kubectlWith(ctx, "", "wait", "pods", "kafka", "notification-manager", "--for=condition=Ready", "--timeout=90s")
		kafka = "http://" + forward(ctx, namespace, "service/kafka-server-kafka-brokers", 8080)
	})

	// fails waits for the end of a build whose source nobody reaches.
	fails := func(ctx context.Context, name string) {
		GinkgoHelper()
		f := becomes(ctx, name, corev1beta2.BuiltCondition, metav1.ConditionFalse)
		Expect(condition(f, corev1beta2.BuiltCondition).Reason).To(Equal(corev1beta2.BuildFailedReason))
		Expect(f.Status.Build.Failure.Log).To(ContainSubstring("https://github.com/OpenFunction/samples.git"))
		Expect(kubectl(ctx, "get", oldFunctions, name)).To(MatchRegexp(name + " +Failed"))
	}

	It("Dapr in a FaaS platform: logs-async-handler handles the logs that come through Kafka, and notifies", func(ctx SpecContext) {
		const name = "logs-async-handler"
		f := foreignOf("v1beta1/testdata/seed-logs-async-handler.yaml", here...)
		f.apply(ctx)
		fails(ctx, name)
		f.reads(ctx)

		patchOld(ctx, name, `{"spec": {"build": null, "image": "$FRAMEWORK", "serving": {"params":
			{"OUTPUT": "notify", "KEY": "$NAMESPACE/logs-async-handler", "REDIS": "redis.brokers.svc.cluster.local:6379"}}}}`)
		ready(ctx, name)
		Expect(kubectl(ctx, "get", oldFunctions, name)).To(MatchRegexp(name + " +Skipped +Running"))
		sent := batch("log", 10)
		produce(ctx, kafka+"/logs", sent)
		ledgerOf(name).has(ctx, sent)
		ledgerOf("notified").has(ctx, sent)

		By("changing it in v1beta2")
		kubectlWith(ctx, "", "patch", "fn", name, "--type=merge", "-p", `{"spec": {"serving": {"scaleOptions": {"maxReplicas": 5}}}}`)
		old := readAs(ctx, "core.openfunction.io/v1beta1", name)
		Expect(at(old, "spec", "serving", "scaleOptions", "keda", "scaledObject", "maxReplicaCount")).To(BeEquivalentTo(5))
		rest := f.written.DeepCopy()
		unstructured.RemoveNestedField(rest.Object, "spec", "build")
		unstructured.RemoveNestedField(rest.Object, "spec", "image")
		unstructured.RemoveNestedField(rest.Object, "spec", "serving", "scaleOptions", "keda", "scaledObject", "maxReplicaCount")
		Expect(lost("spec", rest.Object["spec"], old.Object["spec"])).To(BeEmpty())
		ready(ctx, name)
		Expect(kubectl(ctx, "get", "scaledobjects", "-l", "openfunction.io/serving="+name, "-o", "jsonpath={.items[*].spec.maxReplicaCount}")).To(Equal("5"))
		remove(ctx, name)
	})

	It("Dapr in a FaaS platform: function-front is built, answers HTTP and sends to Kafka", func(ctx SpecContext) {
		const name = "function-front"
		f := foreignOf("v1beta1/testdata/seed-function-front.yaml", here...)
		f.apply(ctx)
		fails(ctx, name)

		patchOld(ctx, name, `{"spec": {"build": {"srcRepo": {"url": "$GIT/public/samples.git"}}}}`)
		front := ready(ctx, name)
		Expect(front.Status.Image).To(ContainSubstring("/e2e/sample-knative-dapr@sha256:"))
		sent := batch("front", 5)
		for _, id := range sent {
			Expect(post(ctx, front, payload(id))).To(Succeed())
		}
		for _, id := range sent {
			Eventually(ctx, func() (string, error) { return request(ctx, kafka+"/sample-topic", "") }).Should(ContainSubstring(id))
		}
		Expect(kubectl(ctx, "get", oldFunctions, name)).To(MatchRegexp(name + " +Succeeded +Running"))
		remove(ctx, name)
	})

	It("One Dapr sidecar per Function: sink runs without a sidecar", func(ctx SpecContext) {
		const name = "sink"
		f := foreignOf("v1beta1/testdata/seed-sink.yaml", here...)
		f.apply(ctx)
		Expect(get(ctx, ready(ctx, name))).To(Equal("one"))
		Expect(hasSidecar(ctx, name)).To(BeFalse())
		f.reads(ctx)

		patchOld(ctx, name, `{"spec": {"port": 8081}}`)
		Expect(at(readAs(ctx, "core.openfunction.io/v1beta2", name), "spec", "serving", "triggers", "http", "port")).To(BeEquivalentTo(8081))
		Expect(get(ctx, ready(ctx, name))).To(Equal("one"))
		kubectlWith(ctx, "", "patch", "fn", name, "--type=merge", "-p", `{"spec": {"serving": {"triggers": {"http": {"port": 8082}}}}}`)
		Expect(at(readAs(ctx, "core.openfunction.io/v1beta1", name), "spec", "port")).To(BeEquivalentTo(8082))
		Expect(get(ctx, ready(ctx, name))).To(Equal("one"))
		remove(ctx, name)
	})

	It("Integrate KEDA http-add-on: its function says which component it misses, and keeps every field", func(ctx SpecContext) {
		const name = "logs-async-handler"
		f := foreignOf("v1beta2/testdata/keda-http-add-on.yaml", here...)
		f.apply(ctx)
		fails(ctx, name)
		f.reads(ctx)

		patchOld(ctx, name, `{"spec": {"build": null, "image": "$WORKER"}}`)
		served := condition(becomes(ctx, name, corev1beta2.ServedCondition, metav1.ConditionFalse), corev1beta2.ServedCondition)
		Expect(served.Reason).To(Equal(corev1beta2.ComponentNotFoundReason))
		Expect(served.Message).To(ContainSubstring(`"rocketmq-server"`))
		rest := f.written.DeepCopy()
		unstructured.RemoveNestedField(rest.Object, "spec", "build")
		unstructured.RemoveNestedField(rest.Object, "spec", "image")
		Expect(lost("spec", rest.Object["spec"], readAs(ctx, "core.openfunction.io/v1beta2", name).Object["spec"])).To(BeEmpty())
		remove(ctx, name)
	})
})

// remove deletes a Function and waits until it is gone.
func remove(ctx context.Context, name string) {
	GinkgoHelper()
	kubectlWith(ctx, "", "delete", oldFunctions, name, "--timeout=60s")
	Eventually(ctx, func() ([]string, error) {
		return named(ctx, &corev1beta2.ServingList{}, &daprv1alpha1.ComponentList{}, &kedav1alpha1.ScaledObjectList{})
	}).ShouldNot(ContainElement(HavePrefix(name)))
}

// produce writes events to a topic of the broker in testdata/kafka.
func produce(ctx context.Context, topic string, ids []string) {
	GinkgoHelper()
	var lines strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&lines, "%s\n", payload(id))
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, topic, strings.NewReader(lines.String()))
	Expect(err).NotTo(HaveOccurred())
	response, err := http.DefaultClient.Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	Expect(response.StatusCode).To(Equal(http.StatusOK))
}
