// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// Server-side apply makes null of an object that has lost all the fields its manager applied, and a null is refused: for the user's Function and
// for the Serving that is applied from it.
var _ = Describe("What loses all its fields", func() {
	DescribeTable("says what it says when it is left out, to who applies it", func(ctx SpecContext, first, second string) {
		apply(ctx, function("  serving:", first))
		ready(ctx)
		apply(ctx, function("  serving:", second))
		ready(ctx)
		Expect(w.Objects("HTTPScaledObject")).To(BeEmpty(), "it is a function of the default engine now")
		Expect(absent[kservingv1.Service](ctx, "hello--knative")).To(BeFalse())

		apply(ctx, function("  serving:", first))
		ready(ctx)
	},
		Entry("the HTTP trigger", "    triggers: {http: {engine: keda, port: 9000}}", "    triggers: {}"),
		Entry("the HTTP trigger beside no events", "    triggers: {http: {engine: keda}}", "    triggers: {dapr: []}"),
		Entry("all triggers", "    triggers: {http: {engine: keda}}", "    params: {A: b}"),
		Entry("the settings of the trigger", "    triggers: {http: {engine: keda}}", "    triggers: {http: {}}"),
	)

	It("is left out of the Serving when the Function is replaced", func(ctx SpecContext) {
		apply(ctx, function("  serving:", "    dapr: {replicas: 2}\n    scaleOptions: {keda: {httpScaledObject: {cooldownPeriod: 30}}}"))
		ready(ctx)
		f := hello(ctx)
		f.Spec.Serving.Dapr = &corev1beta2.DaprOptions{}
		f.Spec.Serving.ScaleOptions.Keda.HTTPScaledObject = nil
		Expect(cp.Client.Update(ctx, f)).To(Succeed())
		ready(ctx)
		spec := servingOf(ctx).Spec
		Expect(spec.ScaleOptions).To(BeNil())
		Expect(spec.Dapr).To(BeNil())
		Expect(w.Objects("HTTPScaledObject")).To(BeEmpty())
	})

	It("keeps the route's settings apart from the trigger's", func(ctx SpecContext) {
		apply(ctx, function("  serving:", "    triggers: {http: {route: {hostnames: [a.example.com]}}}"))
		settled(ctx)
		apply(ctx, function("  serving:", "    triggers: {http: {route: {}}}"))
		ready(ctx)
		Expect(servingOf(ctx).Spec.Triggers.HTTP.Route.Hostnames).To(BeEmpty())
	})
})
