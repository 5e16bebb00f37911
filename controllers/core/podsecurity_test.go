// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/test/kit"
)

// enforce makes the namespace of the spec enforce a Pod Security level.
func enforce(ctx context.Context, level string) {
	GinkgoHelper()
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"`+level+`"}}}`))
	Expect(cp.Client.Patch(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.Namespace}}, patch)).To(Succeed())
}

// The worlds of every suite enforce "restricted": what is not said here, all other specs show.
var _ = Describe("Pod Security", func() {
	DescribeTable("a template that the namespace refuses stalls with what is wrong, whatever makes the pods", func(ctx SpecContext, triggers string) {
		apply(ctx, function("  serving:", triggers, "    template: {hostNetwork: true, containers: [{name: function, image: ignored}]}"))
		settled(ctx)
		stalled := condition(hello(ctx), "Stalled")
		Expect(stalled.Reason).To(Equal(corev1beta2.PodSecurityReason))
		Expect(stalled.Message).To(Equal("Namespace " + w.Namespace +
			` enforces Pod Security "restricted"; mend spec.serving.template: host namespaces (hostNetwork=true)`))
		Expect(w.Objects("Pod")).To(BeEmpty())
		enforce(ctx, "privileged")
		eventually(ctx, "the namespace to be taken at its word", func() bool { return condition(hello(ctx), "Stalled").Reason != corev1beta2.PodSecurityReason })
	},
		Entry("a StatefulSet", "    triggers: {dapr: [{name: queue}]}\n    bindings: {queue: {type: bindings.cron, version: v1, metadata: [{name: schedule, value: '@daily'}]}}\n    workloadType: StatefulSet"),
		Entry("a Deployment", "    triggers: {http: {engine: keda}}"),
		Entry("a Job", "    triggers: {dapr: [{name: queue}]}\n    bindings: {queue: {type: bindings.cron, version: v1, metadata: [{name: schedule, value: '@daily'}]}}\n    workloadType: Job"),
	)

	It("lets an image run as it likes until the namespace forbids root", func(ctx SpecContext) {
		enforce(ctx, "baseline")
		apply(ctx, function(served))
		settled(ctx)
		nonRoot := func() *bool {
			return read[kservingv1.Service](ctx, "hello--knative").Spec.Template.Spec.Containers[0].SecurityContext.RunAsNonRoot
		}
		Expect(nonRoot()).To(BeNil())
		enforce(ctx, "restricted")
		eventually(ctx, "the new version", func() bool { return nonRoot() != nil && *nonRoot() })
	})

	It("builds no Dockerfile as root where the namespace forbids it, and goes on when it does not", func(ctx SpecContext) {
		apply(ctx, function("  build: {dockerfile: Dockerfile, source: {inline: {Dockerfile: FROM scratch}}}"))
		settled(ctx)
		stalled := condition(hello(ctx), "Stalled")
		Expect(stalled.Reason).To(Equal(corev1beta2.PodSecurityReason))
		Expect(stalled.Message).To(HavePrefix("Namespace " + w.Namespace + ` enforces Pod Security "restricted", and a Dockerfile is built as root; ` +
			`use a buildpacks builder (build.builder), or a namespace that enforces "baseline": `))
		Expect(w.Objects("TaskRun")).To(BeEmpty())
		enforce(ctx, "baseline")
		eventually(ctx, "the build", func() bool { return condition(hello(ctx), "Built").Status == metav1.ConditionTrue })
	})

	It("makes agents and shared daprds that need nothing of the namespace", func(ctx SpecContext) {
		for name, mode := range map[string]string{"agent": "Function", "sidecar": "Sidecar", "shared": "Shared"} {
			apply(ctx, "apiVersion: core.openfunction.io/v1beta2\nkind: Function\nmetadata: {name: "+name+"}\nspec:\n  image: registry.example.test/team/hello:v1\n"+
				"  serving:\n    triggers: {dapr: [{name: queue}]}\n    bindings: {queue: {type: bindings.cron, version: v1, metadata: [{name: schedule, value: '@daily'}]}}\n    dapr: {mode: "+mode+"}\n")
		}
		settled(ctx)
		Expect(w.Objects("Deployment")).To(HaveLen(5))
		Expect(w.Objects("Pod")).NotTo(BeEmpty())
		for _, o := range w.Objects("Deployment") {
			deployment := read[appsv1.Deployment](ctx, o.GetName())
			Expect(deployment.Status.ReadyReplicas).To(Equal(deployment.Status.Replicas), o.GetName())
			Expect(kit.Field(o, "status", "conditions")).NotTo(ContainElement(HaveKeyWithValue("type", "ReplicaFailure")))
		}
	})
})
