// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	"context"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core/dapr"
	"github.com/openfunction/openfunction/test/kit"
)

// rollout is a line of serving with these steps.
func rollout(steps string) string { return "    rollout: {steps: [" + steps + "]}" }

// share waits until the Function's own Serving sends that share of the requests to the canary.
func share(ctx context.Context, percent int32) {
	GinkgoHelper()
	eventually(ctx, "the share of the requests", func() bool {
		f := hello(ctx)
		split := servingOf(ctx).Spec.Split
		told := f.Status.Rollout != nil && f.Status.Rollout.Percent == percent && f.Status.ObservedGeneration == f.Generation
		if percent == 0 {
			return told && split == nil
		}
		return told && split != nil && split.Serving == "hello--canary" && split.Percent == percent
	})
}

// reasoned waits until the Function says why it is served as it is.
func reasoned(ctx context.Context, reason string) {
	GinkgoHelper()
	eventually(ctx, "the reason "+reason, func() bool {
		f := hello(ctx)
		return f.Status.ObservedGeneration == f.Generation && condition(f, "Served").Reason == reason
	})
}

// canary is the Serving in which the new version is tried.
func canary(ctx context.Context) *corev1beta2.Serving {
	GinkgoHelper()
	return read[corev1beta2.Serving](ctx, "hello--canary")
}

// fails lets Knative say that what a Serving runs has failed.
func fails(ctx context.Context, serving string) {
	GinkgoHelper()
	list := &kservingv1.ServiceList{}
	Expect(cp.Client.List(ctx, list, client.InNamespace(w.Namespace), client.MatchingLabels{corev1beta2.ServingLabel: serving})).To(Succeed())
	Expect(list.Items).To(HaveLen(1))
	Expect(kit.PlayKnative(ctx, cp.Client, client.ObjectKeyFromObject(&list.Items[0]), kit.ServiceFails)).To(Succeed())
}

// over waits until the rollout is over and nothing of it is left.
func over(ctx context.Context) {
	GinkgoHelper()
	eventually(ctx, "the canary to go", func() bool { return absent[corev1beta2.Serving](ctx, "hello--canary") })
	settled(ctx)
	Expect(hello(ctx).Status.Rollout).To(BeNil())
	Expect(servingOf(ctx).Spec.Split).To(BeNil())
	Expect(servingOf(ctx).Spec.Rollout).To(BeNil())
}

// gone waits until nothing is left of the Function and of what was made for it.
func gone(ctx context.Context) {
	GinkgoHelper()
	eventually(ctx, "everything to be gone", func() bool {
		return !slices.ContainsFunc(w.All(), func(o *unstructured.Unstructured) bool {
			return len(o.GetOwnerReferences()) > 0 || o.GetKind() == "Function"
		})
	})
}

var _ = Describe("The rollout of a Function", func() {
	It("does nothing for a new Function", func(ctx SpecContext) {
		change(ctx, greeting("one", rollout("{percent: 10}")))
		Expect(created("servings")).To(Equal(1))
		Expect(servingOf(ctx).Spec.Rollout).To(BeNil())
		change(ctx, greeting("one", rollout("{percent: 20}")))
		Expect(created("servings")).To(Equal(1), "the rollout is no part of a version")
	})

	It("goes step by step in its time", func(ctx SpecContext) {
		steps := rollout("{percent: 10, pause: 1s}, {percent: 50, pause: 1s}")
		change(ctx, greeting("one", steps))
		begin := time.Now()
		apply(ctx, function(greeting("two", steps)))
		eventually(ctx, "the new version to be served", func() bool { return greets(ctx) == "two" })
		Expect(time.Since(begin)).To(BeNumerically(">", time.Second))
		over(ctx)
		Expect(numbers(ctx)).To(Equal([]int64{2, 1}))
		Expect(w.Objects("ControllerRevision")).To(HaveLen(1))
		eventually(ctx, "the Events", func() bool { return slices.Contains(told(ctx, "hello"), "RolloutPromoted") })
		Expect(told(ctx, "hello")).To(ContainElements("RolloutStarted", "RolloutStep", "RolloutStep", "RolloutPromoted"))
	})

	It("waits for its user where a step has no pause", func(ctx SpecContext) {
		steps := rollout("{percent: 10}, {percent: 50}")
		change(ctx, greeting("one", steps))
		apply(ctx, function(greeting("two", steps)))
		share(ctx, 10)
		reasoned(ctx, corev1beta2.WaitingForPromotionReason)
		Expect(greets(ctx)).To(Equal("one"))
		Expect(canary(ctx).Spec.Params["GREETING"]).To(Equal("two"))
		Expect(condition(hello(ctx), "Ready").Status).To(Equal(metav1.ConditionUnknown))
		Expect(hello(ctx).Status.Rollout).To(And(HaveField("Step", BeEquivalentTo(1)), HaveField("Steps", BeEquivalentTo(2)), HaveField("SinceTime", Not(BeNil()))))
		candidate := hello(ctx).Status.Rollout.Revision
		Expect(condition(hello(ctx), "Reconciling").Message).To(ContainSubstring("openfunction.io/promote=" + candidate))
		annotate(ctx, hello(ctx), corev1beta2.PromoteAnnotation, "hello-another")
		annotate(ctx, hello(ctx), corev1beta2.PromoteAnnotation, candidate+"/2")
		share(ctx, 50)
		annotate(ctx, hello(ctx), corev1beta2.PromoteAnnotation, candidate)
		eventually(ctx, "the new version to be served", func() bool { return greets(ctx) == "two" })
		over(ctx)
		Expect(servingOf(ctx).Annotations[corev1beta2.RevisionAnnotation]).To(Equal(candidate))
		Expect(condition(hello(ctx), "Ready").Status).To(Equal(metav1.ConditionTrue))
	})

	It("stops when the new version fails, and goes on with one that does not", func(ctx SpecContext) {
		steps := rollout("{percent: 10, pause: 1s}, {percent: 50}")
		change(ctx, greeting("one", steps))
		apply(ctx, function(greeting("two", steps)))
		share(ctx, 50)
		fails(ctx, "hello--canary")
		share(ctx, 0)
		settled(ctx)
		f := hello(ctx)
		Expect(condition(f, "Stalled").Reason).To(Equal(corev1beta2.RolloutStoppedReason))
		Expect(condition(f, "Served").Message).To(And(ContainSubstring("RevisionFailed"), ContainSubstring("goes on serving")))
		Expect(f.Status.Addresses).NotTo(BeEmpty())
		Expect(greets(ctx)).To(Equal("one"))
		Expect(f.Status.CurrentRevision).To(BeEquivalentTo(1))

		apply(ctx, function(greeting("three", steps)))
		share(ctx, 50)
		annotate(ctx, hello(ctx), corev1beta2.PromoteAnnotation, hello(ctx).Status.Rollout.Revision)
		eventually(ctx, "the newest version to be served", func() bool { return greets(ctx) == "three" })
		over(ctx)
		Expect(numbers(ctx)).To(Equal([]int64{2, 1}), "what never served is no revision")
	})

	It("gives no request to a version that never gets ready", func(ctx SpecContext) {
		steps := rollout("{percent: 10, pause: 1s}")
		change(ctx, greeting("one", steps))
		apply(ctx, function(greeting("kit-broken", steps)))
		settled(ctx)
		Expect(condition(hello(ctx), "Stalled").Reason).To(Equal(corev1beta2.RolloutStoppedReason))
		Expect(servingOf(ctx).Spec.Split).To(BeNil())
		change(ctx, greeting("one", steps))
		over(ctx)
		Expect(created("servings")).To(Equal(2))
	})

	It("ends with a rollback, and begins again without it", func(ctx SpecContext) {
		steps := rollout("{percent: 50}")
		change(ctx, greeting("one", steps))
		apply(ctx, function(greeting("two", steps)))
		share(ctx, 50)
		change(ctx, greeting("two", steps), "  rollbackTo: 1")
		over(ctx)
		Expect(greets(ctx)).To(Equal("one"))
		Expect(condition(hello(ctx), "RolledBack").Status).To(Equal(metav1.ConditionTrue))
		apply(ctx, function(greeting("two", steps)))
		share(ctx, 50)
	})

	It("tries the newest version only", func(ctx SpecContext) {
		steps := rollout("{percent: 50}")
		change(ctx, greeting("one", steps))
		apply(ctx, function(greeting("two", steps)))
		share(ctx, 50)
		second := hello(ctx).Status.Rollout.Revision
		apply(ctx, function(greeting("three", steps)))
		eventually(ctx, "the newest to be tried", func() bool {
			f := hello(ctx)
			return f.Status.Rollout != nil && f.Status.Rollout.Revision != second && f.Status.Rollout.Percent == 50
		})
		Expect(canary(ctx).Spec.Params["GREETING"]).To(Equal("three"))
		Expect(created("servings")).To(Equal(2))
		annotate(ctx, hello(ctx), corev1beta2.PromoteAnnotation, second)
		reasoned(ctx, corev1beta2.WaitingForPromotionReason)
		By("taking the rollout out")
		change(ctx, greeting("three"))
		over(ctx)
		Expect(greets(ctx)).To(Equal("three"))
	})

	It("stands still while a newer source is built", func(ctx SpecContext) {
		steps := rollout("{percent: 50}")
		change(ctx, inline("1"), greeting("one", steps))
		apply(ctx, function(inline("1"), greeting("two", steps)))
		share(ctx, 50)
		apply(ctx, function(inline("kit-slow"), greeting("three", steps)))
		started(ctx)
		share(ctx, 50)
		reasoned(ctx, corev1beta2.WaitingForImageReason)
		fails(ctx, "hello--canary")
		share(ctx, 0)
		play(ctx, hello(ctx).Status.Build.ResourceRef, kit.BuildSucceeds)
		eventually(ctx, "the newest to be tried", func() bool { return canary(ctx).Spec.Params["GREETING"] == "three" })
		share(ctx, 50)
	})

	It("changes the engine as it changes anything", func(ctx SpecContext) {
		steps := rollout("{percent: 50}")
		change(ctx, greeting("one", steps))
		apply(ctx, function(onKEDA(steps)))
		share(ctx, 50)
		Expect(servingOf(ctx).Spec.UsesKEDA()).To(BeFalse())
		Expect(canary(ctx).Spec.UsesKEDA()).To(BeTrue())
		annotate(ctx, hello(ctx), corev1beta2.PromoteAnnotation, hello(ctx).Status.Rollout.Revision)
		eventually(ctx, "the engine to change", func() bool { return servingOf(ctx).Spec.UsesKEDA() })
		over(ctx)
		ready(ctx)
	})

	It("keeps the app id, and takes events in one version only", func(ctx SpecContext) {
		with := func(text string) string {
			return lines("  serving:", "    triggers: {http: {}, dapr: [{name: in}]}", "    outputs: [{dapr: {name: out}}]",
				"    bindings: {in: {type: bindings.cron, version: v1, metadata: []}, out: {type: bindings.http, version: v1, metadata: []}}",
				"    states: {kept: {spec: {type: state.in-memory, version: v1, metadata: []}}}",
				"    params: {GREETING: "+text+"}", rollout("{percent: 50}"))
		}
		change(ctx, with("one"))
		apply(ctx, function(with("two")))
		share(ctx, 50)
		tried := canary(ctx)
		Expect(dapr.AppID(tried)).To(Equal(dapr.AppID(servingOf(ctx))))
		Expect(tried.Spec.Triggers.Dapr).To(BeEmpty())
		Expect(tried.Spec.Bindings).To(HaveKey("out"))
		Expect(tried.Spec.Bindings).NotTo(HaveKey("in"))
		Expect(tried.Spec.Dapr.Mode).To(Equal(corev1beta2.DaprModeShared), "Dapr's operator must not see it")
		annotate(ctx, hello(ctx), corev1beta2.PromoteAnnotation, hello(ctx).Status.Rollout.Revision)
		eventually(ctx, "the new version to be served", func() bool { return greets(ctx) == "two" })
		over(ctx)
		Expect(servingOf(ctx).Spec.Triggers.Dapr).To(HaveLen(1))
		Expect(servingOf(ctx).Spec.Dapr).To(BeNil())
	})

	It("replaces at once what does not serve, and what requests do not call", func(ctx SpecContext) {
		steps := rollout("{percent: 50}")
		change(ctx, greeting("kit-broken", steps))
		change(ctx, greeting("two", steps))
		Expect(greets(ctx)).To(Equal("two"))
		Expect(created("servings")).To(Equal(1))
		change(ctx, onEvents(steps))
		Expect(created("servings")).To(Equal(1))
		Expect(condition(hello(ctx), "Unsupported").Message).To(HaveSuffix("spec.serving.rollout"))
	})

	It("leaves nothing behind", func(ctx SpecContext) {
		steps := rollout("{percent: 50}")
		change(ctx, inline("1"), greeting("one", steps))
		apply(ctx, function(inline("1"), greeting("two", steps)))
		share(ctx, 50)
		By("removing what serves")
		change(ctx, inline("1"))
		eventually(ctx, "the Servings to go", func() bool { return len(w.Objects("Serving")) == 0 })
		By("removing all")
		change(ctx, inline("1"), greeting("one", steps))
		apply(ctx, function(inline("1"), greeting("two", steps)))
		share(ctx, 50)
		Expect(w.Delete(ctx, corev1beta2.GroupVersion.WithKind("Function"), "hello")).To(Succeed())
		gone(ctx)
	})
})
