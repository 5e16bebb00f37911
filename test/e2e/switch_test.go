// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// onEngine is an HTTP function of an image on an engine.
func onEngine(name, image, engine string) string {
	return fn{name: name, image: image, serving: "triggers: {http: {engine: " + engine + "}}"}.manifest()
}

// becomesAnswer waits until a pod that asks gets the answer.
func becomesAnswer(ctx context.Context, name, text string) {
	GinkgoHelper()
	Eventually(ctx, func() (string, error) { return answer(ctx, name) }).Should(Equal(text))
}

// isGone waits until an object of the namespace is in the list no more.
func isGone(ctx context.Context, list client.ObjectList, name string) {
	GinkgoHelper()
	Eventually(ctx, func() ([]string, error) { return named(ctx, list) }).ShouldNot(ContainElement(name))
}

var _ = Describe("callers that do not stop", Label("knative", "keda-http", "router"), long, Ordered, func() {
	BeforeAll(startProbe)

	It("lose no request when the version and then the engine changes, there and back", func(ctx SpecContext) {
		const name = "moves"
		apply(ctx, onEngine(name, "$WORKER", "knative"))
		ready(ctx, name)
		becomesAnswer(ctx, name, "one")
		start := time.Now()
		load := startPodLoad(ctx, name, always)

		By("another version on Knative")
		apply(ctx, onEngine(name, "$TWO", "knative"))
		becomesAnswer(ctx, name, "two")
		ready(ctx, name)

		By("KEDA, until nothing of Knative is left")
		apply(ctx, onEngine(name, "$WORKER", "keda"))
		becomesAnswer(ctx, name, "one")
		ready(ctx, name)
		isGone(ctx, &kservingv1.ServiceList{}, name+"--knative")

		By("Knative, until nothing of KEDA is left")
		apply(ctx, onEngine(name, "$TWO", "knative"))
		becomesAnswer(ctx, name, "two")
		ready(ctx, name)
		isGone(ctx, &appsv1.DeploymentList{}, name+"--http")
		AddReportEntry("changed for", time.Since(start).Round(time.Second))
		Expect(time.Since(start)).To(BeNumerically(">", time.Minute))

		answers := load.end(ctx)
		AddReportEntry("answers", answers)
		Expect(answers).To(And(HaveLen(2), HaveKey("one"), HaveKey("two")))
	}, NodeTimeout(8*time.Minute))

	It("still reach a Service of somebody else that a function would like to be", func(ctx SpecContext) {
		const name = "occupied"
		applyYAML(ctx, `
apiVersion: v1
kind: Pod
metadata: {name: occupied, labels: {app: occupied}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: occupied
      image: $WORKER
      env: [{name: FUNC_CONTEXT, value: '{"name":"occupied","runtime":"Knative","port":"8080"}'}]
      readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: occupied}
spec: {selector: {app: occupied}, ports: [{port: 80, targetPort: 8080}]}
`)
		DeferCleanup(func(ctx SpecContext) {
			kubectlWith(ctx, "", "delete", "fn/"+name, "pod/"+name, "--ignore-not-found")
		})
		becomesAnswer(ctx, name, "one")
		service := func() *corev1.Service {
			found := &corev1.Service{}
			Expect(c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, found)).To(Succeed())
			return found
		}
		before := service()
		load := startPodLoad(ctx, name, always)
		for _, manifest := range []string{onEngine(name, "$TWO", "knative"), onEngine(name, "$BROKEN", "knative"), onEngine(name, "$TWO", "keda"), onEngine(name, "$TWO", "knative")} {
			apply(ctx, manifest)
			f := becomes(ctx, name, corev1beta2.StalledCondition, metav1.ConditionTrue)
			Expect(condition(f, corev1beta2.StalledCondition).Reason).To(Equal(corev1beta2.NameTakenReason))
		}
		time.Sleep(10 * time.Second) // and it stays so
		answers := load.end(ctx)
		AddReportEntry("answers", answers)
		Expect(answers).To(And(HaveLen(1), HaveKey("one")))
		Expect(service().ResourceVersion).To(Equal(before.ResourceVersion), "nobody touched it")

		By("giving up the name")
		Expect(c.Delete(ctx, before)).To(Succeed())
		heals(ctx, name)
		becomesAnswer(ctx, name, "two")
	}, NodeTimeout(6*time.Minute))
})
