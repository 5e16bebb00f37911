// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	"context"
	"time"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// What a tenant writes acts with the tenant's reach.
var _ = Describe("A reference out of the namespace", func() {
	It("to a login of the whole cluster waits for the consent of its owner", func(ctx SpecContext) {
		login := &kedav1alpha1.ClusterTriggerAuthentication{ObjectMeta: metav1.ObjectMeta{Name: "login-" + w.Namespace,
			Annotations: map[string]string{corev1beta2.AllowedNamespacesAnnotation: "others, " + w.Namespace + "-2"}}}
		Expect(cp.Client.Create(ctx, login)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { _ = cp.Client.Delete(ctx, login) })
		apply(ctx, function("  serving:", "    triggers: {dapr: [{name: queue}]}",
			"    bindings: {queue: {type: bindings.cron, version: v1, metadata: [{name: schedule, value: '@daily'}]}}",
			"    scaleOptions: {keda: {triggers: [{type: rabbitmq, metadata: {queueName: a}, authenticationRef: {kind: ClusterTriggerAuthentication, name: "+login.Name+"}}]}}"))
		eventually(ctx, "it to wait", func() bool { return condition(hello(ctx), "Served").Reason == corev1beta2.ReferenceNotGrantedReason })
		Expect(condition(hello(ctx), "Served").Message).To(ContainSubstring("openfunction.io/allowed-namespaces: " + w.Namespace))
		Expect(w.Objects("ScaledObject")).To(BeEmpty())
		patch := client.MergeFrom(login.DeepCopy())
		login.Annotations[corev1beta2.AllowedNamespacesAnnotation] = "others, " + w.Namespace
		Expect(cp.Client.Patch(ctx, login, patch)).To(Succeed())
		Eventually(func() bool { return len(w.Objects("ScaledObject")) == 1 }).WithTimeout(25 * time.Second).Should(BeTrue())
		settled(ctx)
	})

	DescribeTable("by a host name of another namespace is refused on both engines", func(ctx SpecContext, engine string) {
		apply(ctx, function("  serving: {triggers: {http: {engine: "+engine+", route: {hostnames: [shop.example.test, victim.other.svc.cluster.local]}}}}"))
		settled(ctx)
		stalled := condition(hello(ctx), "Stalled")
		Expect(stalled.Reason).To(Equal(corev1beta2.HostNotAllowedReason))
		Expect(stalled.Message).To(ContainSubstring(`"victim.other.svc.cluster.local"`))
		Expect(condition(hello(ctx), "Routed").Reason).To(Equal(corev1beta2.HostNotAllowedReason), "nor has it a route from outside")
		Expect(w.Objects("HTTPScaledObject")).To(BeEmpty())
		apply(ctx, function("  serving: {triggers: {http: {engine: "+engine+", route: {hostnames: [shop.example.test, hello."+w.Namespace+".svc.cluster.local]}}}}"))
		settled(ctx)
		Expect(condition(hello(ctx), "Ready").Status).To(Equal(metav1.ConditionTrue))
	}, Entry("knative", "knative"), Entry("keda", "keda"))
})
