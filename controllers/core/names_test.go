// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
)

// called gives a manifest of the Function hello another name.
func called(name, manifest string) string {
	return strings.Replace(manifest, "name: hello", "name: "+name, 1)
}

// everybody applies the same Function under many names and waits until all of them serve it.
func everybody(ctx context.Context, names []string, parts ...string) {
	GinkgoHelper()
	for _, name := range names {
		apply(ctx, called(name, function(parts...)))
	}
	eventually(ctx, "every rollout to be over", func() bool {
		for _, name := range names {
			f := read[corev1beta2.Function](ctx, name)
			if f.Status.ObservedGeneration != f.Generation || condition(f, "Ready").Status != metav1.ConditionTrue || !absent[corev1beta2.Serving](ctx, core.CanaryChild(name)) {
				return false
			}
		}
		return true
	})
	settled(ctx)
	for _, name := range names {
		is := condition(read[corev1beta2.Function](ctx, name), "Ready")
		Expect(is.Status).To(Equal(metav1.ConditionTrue), name+": "+is.Message)
	}
}

var _ = Describe("The names of what is made for a Function", func() {
	It("are nobody else's, on any engine, in any Dapr mode and while versions roll out", func(ctx SpecContext) {
		alike := strings.Repeat("l", 62)
		names := []string{"hello", alike + "a", alike + "b"}
		for _, part := range core.Parts() {
			names = append(names, "hello-"+part)
		}
		everybody(ctx, names, onKEDA("    params: {GREETING: one}"))
		everybody(ctx, names, greeting("two", rollout("{percent: 50, pause: 1s}")))
		Expect(created("servings")).To(Equal(len(names)*2), "the change was tried in a canary")
		everybody(ctx, names, onEvents())
		everybody(ctx, names, onEvents(mode(corev1beta2.DaprModeShared)))
	})

	It("cannot be given to a Function, nor but for a canary's to a Serving", func(ctx SpecContext) {
		const alone = "apiVersion: core.openfunction.io/v1beta2\nkind: Serving\nmetadata: {name: hello}\nspec: {image: registry.example.test/team/hello:v1}\n"
		taken := MatchError(ContainSubstring("metadata.name must not end in --agent"))
		for _, part := range core.Parts() {
			Expect(w.Apply(ctx, called("hello--"+part, function(served)))).To(taken, part)
			if part != "canary" {
				Expect(w.Apply(ctx, called("hello--"+part, alone))).To(taken, part)
			}
		}
	})

	It("may have been others before: what has an earlier name goes when the new serves", func(ctx SpecContext) {
		starting := func(version string) {
			GinkgoHelper()
			apply(ctx, function("  version: "+version, lines("  serving:", "    triggers: {http: {port: 8080}}", slow)))
			eventually(ctx, "version "+version+" to be starting", func() bool {
				s := servingOf(ctx)
				return s.Spec.EffectiveVersion() == version && s.Status.ObservedGeneration == s.Generation && s.Status.State == corev1beta2.Starting
			})
		}
		apply(ctx, function(served))
		ready(ctx)
		starting("v2")
		now := read[kservingv1.Service](ctx, "hello--knative")
		Expect(cp.Client.Create(ctx, &kservingv1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: "hello-knative", Namespace: w.Namespace, Labels: now.Labels, OwnerReferences: now.OwnerReferences},
			Spec:       *now.Spec.DeepCopy(),
		})).To(Succeed())
		starting("v3")
		Expect(absent[kservingv1.Service](ctx, "hello-knative")).To(BeFalse(), "while the new does not serve")
		apply(ctx, function(served))
		eventually(ctx, "what has the earlier name to go", func() bool { return absent[kservingv1.Service](ctx, "hello-knative") })
		ready(ctx)
	})
})
