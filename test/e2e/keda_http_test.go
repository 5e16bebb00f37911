// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"time"

	httpv1alpha1 "github.com/kedacore/http-add-on/operator/apis/http/v1alpha1"
	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// webOf is a function on KEDA's HTTP add-on.
func webOf(name, image string) string {
	return fn{name: name, image: image, serving: `
triggers: {http: {engine: keda, route: {hostnames: [` + name + `.$NAMESPACE.example]}}}
scaleOptions:
  maxReplicas: 3
  keda: {httpScaledObject: {cooldownPeriod: 5, targetPendingRequests: 10}}
`}.manifest()
}

var _ = Describe("a function on the KEDA HTTP add-on", Label("keda-http"), Ordered, func() {
	const name = "web"

	BeforeAll(func(ctx SpecContext) {
		apply(ctx, webOf(name, "$WORKER"))
		startProbe(ctx)
	})

	It("goes to zero and answers a pod from there", func(ctx SpecContext) {
		f := ready(ctx, name)
		Expect(f.Status.Addresses).To(ContainElement(HaveField("Value", HavePrefix("http://"+name+"."+namespace+".svc.cluster.local"))))
		Eventually(ctx, func() int { return pods(ctx, name) }).Should(BeZero())
		Expect(ready(ctx, name).Status.Serving.State).To(Equal(corev1beta2.Running))
		text, took, err := answerOf(ctx, inside(name))
		Expect(err).NotTo(HaveOccurred())
		Expect(text).To(Equal("one"))
		AddReportEntry("first answer from zero", took)
		Expect(pods(ctx, name)).To(BeNumerically(">", 0))
	})

	It("goes to zero again and answers the host that the user named", func(ctx SpecContext) {
		Eventually(ctx, func() int { return pods(ctx, name) }).Should(BeZero())
		interceptor := forward(ctx, "keda", "service/keda-add-ons-http-interceptor-proxy", 8080)
		start := time.Now()
		Expect(request(ctx, "http://"+interceptor+"/", name+"."+namespace+".example")).To(Equal("one"))
		AddReportEntry("first answer from zero, from outside", time.Since(start).Round(time.Millisecond))
	})

	It("is updated under load without a failed request", func(ctx SpecContext) {
		apply(ctx, webOf(name, "$WORKER")) // for a second try
		load := startPodLoad(ctx, name, always)
		Eventually(ctx, func() (string, error) { return answer(ctx, name) }).Should(Equal("one"))
		old := kubectlWith(ctx, "", "get", "pods", "-l", corev1beta2.ServingLabel+"="+name, "-o", "name")
		apply(ctx, webOf(name, "$TWO"))
		Eventually(ctx, func() (string, error) { return answer(ctx, name) }).Should(Equal("two"))
		ready(ctx, name)
		areGone(ctx, namespace, old) // what holds a connection to one has it until that ends
		answers := load.end(ctx)
		AddReportEntry("answers", answers)
		Expect(answers).To(And(HaveLen(2), HaveKey("one"), HaveKey("two")))
	})

	It("keeps the old version serving when the new one is broken, and says why", func(ctx SpecContext) {
		// Somebody calls: with nobody there the old version may be at zero by the time the new one comes, and then there is none to keep.
		apply(ctx, webOf(name, "$TWO"))
		ready(ctx, name)
		Eventually(ctx, func() (string, error) { return answer(ctx, name) }).Should(Equal("two"))
		load := startPodLoad(ctx, name, always)
		apply(ctx, webOf(name, "$BROKEN"))
		f := becomes(ctx, name, corev1beta2.ServedCondition, metav1.ConditionFalse)
		Expect(f.Status.Serving.State).To(Equal(corev1beta2.Failed))
		Expect(condition(f, corev1beta2.ServedCondition).Message).To(And(ContainSubstring("exits with code 1"), ContainSubstring("previous version keeps serving")))
		Expect(answer(ctx, name)).To(Equal("two"))
		apply(ctx, webOf(name, "$WORKER"))
		ready(ctx, name)
		answers := load.end(ctx)
		AddReportEntry("answers", answers)
		Expect(answers).NotTo(HaveKey(HavePrefix("error")))
		Eventually(ctx, func() (string, error) { return answer(ctx, name) }).Should(Equal("one"))
	})

	It("leaves nothing behind when it is deleted", func(ctx SpecContext) {
		Expect(c.Delete(ctx, read(ctx, name))).To(Succeed())
		Eventually(ctx, func() ([]string, error) {
			return named(ctx, &corev1beta2.FunctionList{}, &corev1beta2.ServingList{}, &appsv1.DeploymentList{}, &corev1.ServiceList{},
				&httpv1alpha1.HTTPScaledObjectList{}, &kedav1alpha1.ScaledObjectList{}, &kservingv1.ServiceList{}, &corev1.PodList{})
		}).ShouldNot(ContainElement(belongTo(name)))
	})
})
