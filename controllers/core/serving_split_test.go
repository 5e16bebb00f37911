// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core/route"
)

// sharing is a Serving that stands alone; each of more is a line of its spec.
func sharing(name string, more ...string) string {
	return lines("apiVersion: core.openfunction.io/v1beta2\nkind: Serving\nmetadata: {name: "+name+"}\nspec:\n  image: registry.example.test/"+name+":v1", more...)
}

// to is the line of a Serving that gives another one its share.
func to(name string, percent int) string {
	return fmt.Sprintf("  split: {serving: %s, percent: %d}", name, percent)
}

// shares are the weights of a Serving's route, by the first label of the host.
func shares(ctx context.Context, name string) map[string]int32 {
	GinkgoHelper()
	routed, err := route.Parse(read[corev1.Service](ctx, name).Annotations[route.Annotation])
	Expect(err).NotTo(HaveOccurred())
	Expect(routed.Check(w.Namespace, "cluster.local", "keda-add-ons-http-interceptor-proxy.keda.svc.cluster.local:8080")).To(Succeed())
	shares := map[string]int32{}
	for _, b := range routed.Backends {
		shares[b.Host[:len(b.Host)-len("."+w.Namespace+".svc.cluster.local")]] = b.Weight
	}
	return shares
}

func becomeShares(ctx context.Context, name string, want map[string]int32) {
	GinkgoHelper()
	eventually(ctx, fmt.Sprintf("the shares of %s to become %v", name, want), func() bool {
		is, _ := Equal(want).Match(shares(ctx, name))
		return is
	})
}

var _ = Describe("A Serving that gives another one a share", func() {
	const broken, inKEDA = "  params: {MODE: kit-broken}", "  triggers: {http: {engine: keda}}"

	It("gives it while the other is ready", func(ctx SpecContext) {
		apply(ctx, sharing("one", to("two", 10)))
		settled(ctx)
		Expect(shares(ctx, "one")).To(Equal(map[string]int32{"one--knative": 100}), "the other does not exist")
		apply(ctx, sharing("two"))
		becomeShares(ctx, "one", map[string]int32{"one--knative": 90, "two--knative": 10})
		apply(ctx, sharing("two", broken))
		becomeShares(ctx, "one", map[string]int32{"one--knative": 100})
		apply(ctx, sharing("two", inKEDA))
		becomeShares(ctx, "one", map[string]int32{"one--knative": 90, "two": 10})
		remove(ctx, read[corev1beta2.Serving](ctx, "two"))
		becomeShares(ctx, "one", map[string]int32{"one--knative": 100})
		settled(ctx)
	})

	It("changes it although its own version does not start", func(ctx SpecContext) {
		apply(ctx, sharing("one"), sharing("two"))
		settled(ctx)
		apply(ctx, sharing("one", broken, to("two", 100)))
		becomeShares(ctx, "one", map[string]int32{"one--knative": 0, "two--knative": 100})
		settled(ctx)
		Expect(condition(read[corev1beta2.Serving](ctx, "one"), "Stalled").Reason).To(Equal("RevisionFailed"))
		By("which may be for a spec that cannot be carried out at all")
		apply(ctx, sharing("one", "  outputs: [{dapr: {name: missing}}]", to("two", 40)))
		becomeShares(ctx, "one", map[string]int32{"one--knative": 60, "two--knative": 40})
		settled(ctx)
		Expect(condition(read[corev1beta2.Serving](ctx, "one"), "Stalled").Reason).To(Equal(corev1beta2.ComponentNotFoundReason))
		apply(ctx, sharing("one"))
		becomeShares(ctx, "one", map[string]int32{"one--knative": 100})
		settled(ctx)
		Expect(condition(read[corev1beta2.Serving](ctx, "one"), "Ready").Status).To(Equal(metav1.ConditionTrue))
	})

	It("moves to another engine behind the other, which has all requests", func(ctx SpecContext) {
		apply(ctx, sharing("one"), sharing("two"))
		settled(ctx)
		apply(ctx, sharing("one", inKEDA, to("two", 100)))
		becomeShares(ctx, "one", map[string]int32{"one--knative": 0, "two--knative": 100})
		becomeShares(ctx, "one", map[string]int32{"one": 0, "two--knative": 100})
		settled(ctx)
		apply(ctx, sharing("one", inKEDA))
		becomeShares(ctx, "one", map[string]int32{"one": 100})
		settled(ctx)
	})

	It("does not pass on what the other gives away", func(ctx SpecContext) {
		apply(ctx, sharing("one", to("two", 50)), sharing("two", to("one", 30)))
		settled(ctx)
		becomeShares(ctx, "one", map[string]int32{"one--knative": 50, "two--knative": 50})
		becomeShares(ctx, "two", map[string]int32{"two--knative": 70, "one--knative": 30})
		settled(ctx)
	})
})
