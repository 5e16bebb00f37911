// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// applyFile applies a file of testdata/manifests with kubectl.
func applyFile(ctx context.Context, name string) {
	GinkgoHelper()
	text, err := os.ReadFile(filepath.Join("testdata", "manifests", name))
	Expect(err).NotTo(HaveOccurred())
	applyYAML(ctx, string(text))
}

var _ = Describe("manifests of other people", Label("dapr", "keda", "knative"), Ordered, ContinueOnFailure, func() {
	BeforeAll(func(ctx SpecContext) {
		for _, name := range []string{"keda.yaml", "dapr.yaml", "knative.yaml"} {
			applyFile(ctx, name)
		}
	})

	It("run on KEDA", func(ctx SpecContext) {
		ready(ctx, "theirs-keda")
		sent := batch("keda", 30)
		push(ctx, namespace+"-theirs-keda", sent...)
		ledgerOf("theirs-keda").has(ctx, sent)
	})

	It("run with Dapr", func(ctx SpecContext) {
		ready(ctx, "theirs-dapr")
		Expect(hasSidecar(ctx, "theirs-dapr")).To(BeTrue())
		sent := batch("dapr", 30)
		sendRedis(ctx, namespace+"-theirs-dapr", sent...)
		ledgerOf("theirs-dapr").has(ctx, sent)
		Expect(redis.Do(ctx, "GET", namespace+"-theirs-archive")).To(ContainSubstring(`"id":"dapr-`))
	})

	It("run on Knative", func(ctx SpecContext) {
		Expect(get(ctx, ready(ctx, "theirs-knative"))).To(Equal("one"))
	})
})
