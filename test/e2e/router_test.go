// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("the router", Label("router", "keda-http", "knative"), Ordered, func() {
	const onKEDA, onKnative = "behind", "behind-http" // but for one dash, the second is what the engine's objects of the first are called

	BeforeAll(func(ctx SpecContext) {
		apply(ctx, webOf(onKEDA, "$WORKER"))
		apply(ctx, fn{name: onKnative, serving: "triggers: {http: {engine: knative}}"}.manifest())
		startProbe(ctx)
		DeferCleanup(func(ctx SpecContext) {
			for _, name := range []string{onKEDA, onKnative} {
				Expect(c.Delete(ctx, read(ctx, name))).To(Succeed())
			}
		})
	})

	It("hands the requests of a pod to either engine", func(ctx SpecContext) {
		for _, name := range []string{onKEDA, onKnative} {
			ready(ctx, name)
			Expect(answer(ctx, name)).To(Equal("one"), name)
			Expect(kubectl(ctx, "get", "service", name, "-o", "jsonpath={.spec.externalName}")).To(Equal("router." + platformNamespace + ".svc.cluster.local"))
		}
	})

	It("says what it did not find", func(ctx SpecContext) {
		_, _, err := answerOf(ctx, "http://router."+platformNamespace+"/")
		Expect(err).To(MatchError(And(ContainSubstring("404"), ContainSubstring("There is no function "+platformNamespace+"/router"))))
	})

	It("is restarted under load without a failed request", func(ctx SpecContext) {
		before := kubectl(ctx, "-n", platformNamespace, "get", "pods", "-l", "app.kubernetes.io/component=router", "-o", "name")
		loads := []podLoad{startPodLoad(ctx, onKEDA, always), startPodLoad(ctx, onKnative, always)}
		time.Sleep(5 * time.Second)
		start := time.Now()
		kubectl(ctx, "-n", platformNamespace, "rollout", "restart", "deployment/openfunction-router")
		Expect(kubectl(ctx, "-n", platformNamespace, "rollout", "status", "deployment/openfunction-router", "--timeout=60s")).
			To(ContainSubstring("successfully rolled out"))
		AddReportEntry("new replicas after", time.Since(start).Round(time.Second))
		areGone(ctx, platformNamespace, before)
		time.Sleep(5 * time.Second) // in which the new ones answer alone
		for _, load := range loads {
			answers := load.end(ctx)
			AddReportEntry("answers", answers)
			Expect(answers).To(And(HaveLen(1), HaveKey("one")))
		}
	})
})
