// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

var _ = Describe("objects of their own", Label("tekton", "knative"), Ordered, func() {
	It("builds with a Builder and serves its image with a Serving, without a Function", func(ctx SpecContext) {
		builder := &corev1beta2.Builder{ObjectMeta: metav1.ObjectMeta{Name: "alone", Namespace: namespace}, Spec: corev1beta2.BuilderSpec{
			Image: cluster.RegistryCluster + "/e2e/alone:v1",
			BuildImpl: corev1beta2.BuildImpl{
				Builder: ptr.To(images.Builder), Env: map[string]string{"FUNC_NAME": "Hello"},
				Source: &corev1beta2.Source{Inline: map[string]string{"hello.go": greeting("alone")}},
			},
		}}
		Expect(c.Create(ctx, builder)).To(Succeed())
		Eventually(ctx, func() string {
			Expect(c.Get(ctx, client.ObjectKeyFromObject(builder), builder)).To(Succeed())
			return builder.Status.State
		}).Should(Equal(corev1beta2.Succeeded))
		Expect(builder.Status.Output.Size).To(BeNumerically(">", 0))

		serving := &corev1beta2.Serving{ObjectMeta: metav1.ObjectMeta{Name: "alone", Namespace: namespace}, Spec: corev1beta2.ServingSpec{
			Image: cluster.RegistryCluster + "/e2e/alone@" + builder.Status.Output.Digest,
		}}
		Expect(c.Create(ctx, serving)).To(Succeed())
		Eventually(ctx, func() bool {
			Expect(c.Get(ctx, client.ObjectKeyFromObject(serving), serving)).To(Succeed())
			return meta.IsStatusConditionTrue(serving.Status.Conditions, corev1beta2.ReadyCondition)
		}).Should(BeTrue())
		Expect(get(ctx, &corev1beta2.Function{Status: corev1beta2.FunctionStatus{Addresses: serving.Status.Addresses}})).To(Equal("alone"))
	})
})
