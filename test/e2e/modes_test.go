// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
)

var _ = Describe("the Dapr modes of a live function", Label("dapr"), Ordered, func() {
	const name = "modes"
	var load *stream
	var topic string

	inMode := func(mode corev1beta2.DaprMode, annotations map[string]string) string {
		return fn{name: name, annotations: annotations, serving: fmt.Sprintf(`
dapr: {mode: %s}
triggers: {dapr: [{name: topics, topic: %s}]}
pubsub:
  topics:
    type: pubsub.redis
    version: v1
    metadata:
    - {name: redisHost, value: "redis.brokers.svc.cluster.local:6379"}
    - {name: processingTimeout, value: 5s}
    - {name: redeliverInterval, value: 2s}
`, mode, topic)}.manifest()
	}

	// progresses waits until events that were sent from now on were worked on.
	progresses := func(ctx context.Context) {
		GinkgoHelper()
		before := ledgerOf(name).count(ctx)
		Eventually(ctx, func() int { return ledgerOf(name).count(ctx) }).Should(BeNumerically(">", before+40))
	}

	BeforeAll(func(ctx SpecContext) {
		topic = namespace + "-modes"
		apply(ctx, inMode(corev1beta2.DaprModeFunction, nil))
		ready(ctx, name)
		load = startStream(ctx, topic)
	})

	DescribeTable("changes to another under load",
		func(ctx SpecContext, mode corev1beta2.DaprMode, agent, sidecar, shared bool) {
			start := time.Now()
			apply(ctx, inMode(mode, nil))
			ready(ctx, name)
			AddReportEntry("ready", fmt.Sprintf("%s after %.1f s", mode, time.Since(start).Seconds()))
			progresses(ctx)
			Eventually(ctx, func() bool { return exists(ctx, &appsv1.Deployment{}, core.AgentChild(name)) }).Should(Equal(agent), "agent")
			Eventually(ctx, func() bool { return exists(ctx, &appsv1.Deployment{}, core.SharedDaprChild(name)) }).Should(Equal(shared), "shared daprd")
			Eventually(ctx, func() bool { return hasSidecar(ctx, name) }).Should(Equal(sidecar), "sidecar")
			progresses(ctx)
		},
		Entry("Function", corev1beta2.DaprModeFunction, true, false, false),
		Entry("Sidecar", corev1beta2.DaprModeSidecar, false, true, false),
		Entry("Shared", corev1beta2.DaprModeShared, false, false, true),
		Entry("Function again", corev1beta2.DaprModeFunction, true, false, false),
	)

	It("take a new app token under load", func(ctx SpecContext) {
		secret := &corev1.Secret{}
		key := client.ObjectKey{Namespace: namespace, Name: core.TokenChild(name)}
		Expect(c.Get(ctx, key, secret)).To(Succeed())
		before := string(secret.Data[core.TokenKey])
		Expect(before).To(HaveLen(43), "256 bits in base64")
		refused := ledgerOf(name).refused(ctx)
		apply(ctx, inMode(corev1beta2.DaprModeFunction, map[string]string{corev1beta2.RotateTokenAnnotation: "once"}))
		Eventually(ctx, func() string {
			Expect(c.Get(ctx, key, secret)).To(Succeed())
			return string(secret.Data[core.TokenKey])
		}).ShouldNot(Equal(before))
		Eventually(ctx, func() bool { return rolledOut(ctx, core.AsyncChild(name)) }).Should(BeTrue())
		ready(ctx, name)
		progresses(ctx)
		AddReportEntry("refused while the token changed", ledgerOf(name).refused(ctx)-refused)
	})

	It("lose no event on the way", func(ctx SpecContext) {
		ledgerOf(name).has(ctx, load.stop())
	})
})

func exists(ctx context.Context, object client.Object, name string) bool {
	GinkgoHelper()
	err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object)
	Expect(client.IgnoreNotFound(err)).NotTo(HaveOccurred())
	return !apierrors.IsNotFound(err)
}

// rolledOut tells whether all pods of a Deployment are of its current template.
func rolledOut(ctx context.Context, name string) bool {
	GinkgoHelper()
	d := &appsv1.Deployment{}
	Expect(c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, d)).To(Succeed())
	return d.Status.ObservedGeneration == d.Generation && d.Status.UpdatedReplicas == d.Status.Replicas && d.Status.UnavailableReplicas == 0
}

// hasSidecar tells whether a pod of the function has daprd beside it.
func hasSidecar(ctx context.Context, name string) bool {
	GinkgoHelper()
	list := &corev1.PodList{}
	Expect(c.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels{corev1beta2.ServingLabel: name})).To(Succeed())
	for _, pod := range list.Items {
		for _, container := range append(pod.Spec.Containers, pod.Spec.InitContainers...) {
			if container.Name == "daprd" {
				return true
			}
		}
	}
	return false
}
