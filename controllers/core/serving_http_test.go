// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	"context"
	"strings"

	httpv1alpha1 "github.com/kedacore/http-add-on/operator/apis/http/v1alpha1"
	httpv1beta1 "github.com/kedacore/http-add-on/operator/apis/http/v1beta1"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/test/kit"
)

// least is how few copies KEDA is told to run.
func least(ctx context.Context) int32 {
	GinkgoHelper()
	return ptr.Deref(read[httpv1alpha1.HTTPScaledObject](ctx, "hello--http").Spec.Replicas.Min, -1)
}

const templateHash = "openfunction.io/template-hash"

var _ = Describe("A Function on engine keda", func() {
	It("serves through the interceptor, rests, and tells where it answers", func(ctx SpecContext) {
		apply(ctx, function(onKEDA()))
		ready(ctx)
		f, s := hello(ctx), servingOf(ctx)
		Expect(f.Status.Serving.State).To(Equal(corev1beta2.Running))
		Expect(f.Status.Addresses).To(HaveExactElements(And(
			HaveField("Type", HaveValue(Equal(corev1beta2.InternalAddressType))),
			HaveField("Value", "http://hello."+w.Namespace+".svc.cluster.local/"))))
		Expect(s.Status.ResourceRef).To(Equal(map[string]string{
			"http.keda.sh/httpscaledobject": "hello--http", "http.keda.sh/deployment": "hello--http"}))

		front := read[corev1.Service](ctx, "hello")
		Expect(front.Spec.Type).To(Equal(corev1.ServiceTypeExternalName))
		Expect(front.Spec.ExternalName).To(Equal("router.openfunction.svc.cluster.local"))
		Expect(metav1.IsControlledBy(front, s)).To(BeTrue())
		Expect(read[httpv1alpha1.HTTPScaledObject](ctx, "hello--http").Spec.Hosts).To(ContainElement("hello." + w.Namespace + ".svc.cluster.local"))
		Expect(w.Objects("InterceptorRoute")).To(BeEmpty())

		d := resting(ctx, "hello--http")
		Expect(d.Annotations[corev1beta2.StartedAnnotation]).To(Equal(d.Spec.Template.Labels[templateHash]))
		Expect(least(ctx)).To(BeZero())
		eventually(ctx, "the Event", func() bool { return len(told(ctx, "hello")) > 0 })
		Expect(told(ctx, "hello")).To(ConsistOf("Ready"))
	})

	It("tries a new version before it may rest", func(ctx SpecContext) {
		apply(ctx, function(onKEDA()))
		ready(ctx)
		before := resting(ctx, "hello--http").Spec.Template.Labels[templateHash]

		apply(ctx, function(onKEDA(slow)))
		d := starting(ctx, "hello--http")
		Expect(d.Spec.Template.Labels[templateHash]).NotTo(Equal(before))
		Expect(d.Annotations[corev1beta2.StartedAnnotation]).NotTo(Equal(d.Spec.Template.Labels[templateHash]))
		Expect(d.Spec.Replicas).To(HaveValue(BeEquivalentTo(1)), "KEDA was told to run one copy of the new version")
		Expect(least(ctx)).To(BeEquivalentTo(1))

		apply(ctx, function(onKEDA("    params: {MODE: quick}")))
		ready(ctx)
		d = resting(ctx, "hello--http")
		Expect(d.Annotations[corev1beta2.StartedAnnotation]).To(Equal(d.Spec.Template.Labels[templateHash]))
		Expect(least(ctx)).To(BeZero())
	})

	It("does not try a version again for other scale options", func(ctx SpecContext) {
		apply(ctx, function(onKEDA()))
		ready(ctx)
		before := resting(ctx, "hello--http")
		apply(ctx, function(onKEDA("    scaleOptions: {keda: {httpScaledObject: {maxReplicaCount: 7}}}")))
		ready(ctx)
		Expect(read[appsv1.Deployment](ctx, "hello--http").Generation).To(Equal(before.Generation), "neither scaled nor changed")
		Expect(read[httpv1alpha1.HTTPScaledObject](ctx, "hello--http").Spec.Replicas.Max).To(HaveValue(BeEquivalentTo(7)))
	})

	It("keeps as many copies as it is told to", func(ctx SpecContext) {
		apply(ctx, function(onKEDA("    scaleOptions: {minReplicas: 2}")))
		ready(ctx)
		eventually(ctx, "two copies", func() bool { return read[appsv1.Deployment](ctx, "hello--http").Status.AvailableReplicas == 2 })
		apply(ctx, function(onKEDA()))
		ready(ctx)
		resting(ctx, "hello--http")
	})

	It("fails with the reason when its image cannot be pulled, and never says that it runs", func(ctx SpecContext) {
		broken := strings.Replace(function(onKEDA()), "hello:v1", "hello:"+kit.WordBroken, 1)
		apply(ctx, broken)
		Expect(stalled(ctx, corev1beta2.ImagePullFailedReason).Message).To(ContainSubstring("hello:" + kit.WordBroken + " cannot be pulled"))
		Expect(hello(ctx).Status.Serving.State).To(Equal(corev1beta2.Failed))
		Expect(least(ctx)).To(BeEquivalentTo(1), "a version that has not started may not rest")
		Expect(w.Objects("Service")).To(HaveLen(1), "nothing stands for a function that never served")
		apply(ctx, function(onKEDA()))
		ready(ctx)
		resting(ctx, "hello--http")
		eventually(ctx, "the Events", func() bool { return len(told(ctx, "hello")) >= 2 })
		Expect(told(ctx, "hello")).To(ConsistOf(corev1beta2.ImagePullFailedReason, "Ready"))
	})

	It("keeps the old version when the new one is broken", func(ctx SpecContext) {
		apply(ctx, function(onKEDA("    scaleOptions: {minReplicas: 1}")))
		ready(ctx)
		addresses := hello(ctx).Status.Addresses
		apply(ctx, function(onKEDA("    scaleOptions: {minReplicas: 1}", "    params: {MODE: kit-broken}")))
		Expect(stalled(ctx, corev1beta2.ImagePullFailedReason).Message).To(HaveSuffix("the previous version keeps serving"))
		Expect(hello(ctx).Status.Addresses).To(Equal(addresses))
		Expect(read[appsv1.Deployment](ctx, "hello--http").Status.AvailableReplicas).To(BeEquivalentTo(1))
	})

	It("answers to its user's host names, and there only to the paths of its route", func(ctx SpecContext) {
		routed := func(rules string) string {
			return lines("  serving:", "    triggers: {http: {engine: keda, route: {hostnames: [shop.example.test]"+rules+"}}}")
		}
		apply(ctx, function(routed("")))
		ready(ctx)
		Expect(read[httpv1alpha1.HTTPScaledObject](ctx, "hello--http").Spec.Hosts).To(ContainElements("shop.example.test", "hello."+w.Namespace+".svc.cluster.local"))
		apply(ctx, function(routed(", rules: [{matches: [{path: {type: PathPrefix, value: /cart}}]}]")))
		ready(ctx)
		route := read[httpv1beta1.InterceptorRoute](ctx, "hello--http")
		Expect(metav1.IsControlledBy(route, servingOf(ctx))).To(BeTrue())
		apply(ctx, function(routed("")))
		eventually(ctx, "the InterceptorRoute to go", func() bool { return absent[httpv1beta1.InterceptorRoute](ctx, "hello--http") })
		ready(ctx)
	})

	It("passes on what the add-on has to say, and heals", func(ctx SpecContext) {
		named := func(host string) string {
			return lines("  serving:", "    triggers: {http: {engine: keda, route: {hostnames: ["+host+"]}}}")
		}
		apply(ctx, function(named(kit.WordRefused+".example.test")))
		Expect(stalled(ctx, corev1beta2.ScalerFailedReason).Message).To(ContainSubstring("Failed to create scaled objects: " + kit.WordRefused))
		apply(ctx, function(named("shop.example.test")))
		ready(ctx)
	})

	It("does not take the name of another Service", func(ctx SpecContext) {
		apply(ctx, function(lines("  serving:", "    triggers: {http: {engine: keda, route: {hostnames: [other.team.svc.cluster.local]}}}")))
		Expect(stalled(ctx, corev1beta2.HostNotAllowedReason).Message).To(ContainSubstring("other.team.svc.cluster.local"))
		Expect(created("httpscaledobjects")).To(BeZero())
	})

	It("does not touch a Service of somebody else with its name", func(ctx SpecContext) {
		apply(ctx, "apiVersion: v1\nkind: Service\nmetadata: {name: hello}\nspec: {ports: [{port: 80}]}")
		theirs := read[corev1.Service](ctx, "hello")
		apply(ctx, function(onKEDA()))
		Expect(stalled(ctx, corev1beta2.NameTakenReason).Message).To(ContainSubstring(`Service "hello"`))
		Expect(read[corev1.Service](ctx, "hello").ResourceVersion).To(Equal(theirs.ResourceVersion))
		Expect(hello(ctx).Status.Serving.State).To(Equal(corev1beta2.Failed))
		Expect(created("httpscaledobjects")).To(BeZero(), "nobody could call it")
		remove(ctx, theirs)
		annotate(ctx, servingOf(ctx), "example.test/look", "now") // or wait for 30 seconds
		eventually(ctx, "it to be ready", func() bool { return condition(hello(ctx), "Ready").Status == metav1.ConditionTrue })
	})

	It("puts back what somebody deletes", func(ctx SpecContext) {
		apply(ctx, function(onKEDA()))
		ready(ctx)
		resting(ctx, "hello--http")
		comesBack[corev1.Service](ctx, "hello")
		comesBack[corev1.Service](ctx, "hello--http")
		comesBack[httpv1alpha1.HTTPScaledObject](ctx, "hello--http")
		comesBack[appsv1.Deployment](ctx, "hello--http")
		ready(ctx)
		resting(ctx, "hello--http")
	})

	It("leaves nothing behind", func(ctx SpecContext) {
		apply(ctx, function(onKEDA()))
		ready(ctx)
		Expect(w.Delete(ctx, corev1beta2.GroupVersion.WithKind("Function"), "hello")).To(Succeed())
		eventually(ctx, "everything to be gone", func() bool { return len(w.Snapshot()) == 0 && len(w.Objects("Pod")) == 0 })
	})
})
