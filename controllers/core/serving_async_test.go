// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/test/kit"
)

var _ = Describe("A Function that events call", func() {
	It("runs as a Deployment that KEDA scales, and rests once it has started", func(ctx SpecContext) {
		apply(ctx, function(onQueue("Deployment", "orders")))
		ready(ctx)
		f, s := hello(ctx), servingOf(ctx)
		Expect(f.Status.Serving.State).To(Equal(corev1beta2.Running))
		Expect(s.Status.ResourceRef).To(Equal(map[string]string{"Async/workload": "hello--async", "Async/scaler": "hello--async"}))
		Expect(f.Status.Addresses).To(BeEmpty())
		Expect(condition(f, "Routed").Type).To(BeEmpty())
		d := resting(ctx, "hello--async")
		Expect(d.Annotations[corev1beta2.StartedAnnotation]).To(Equal(d.Spec.Template.Labels[templateHash]))
		scaler := read[kedav1alpha1.ScaledObject](ctx, "hello--async")
		Expect(scaler.Spec.MinReplicaCount).To(HaveValue(BeZero()))
		Expect(scaler.Spec.Triggers).To(HaveExactElements(HaveField("Metadata", HaveKeyWithValue("listName", "orders"))))
		eventually(ctx, "the Event", func() bool { return len(told(ctx, "hello")) > 0 })
		Expect(told(ctx, "hello")).To(ConsistOf("Ready"))
	})

	It("tries a new version before it may rest", func(ctx SpecContext) {
		apply(ctx, function(onQueue("Deployment", "orders")))
		ready(ctx)
		resting(ctx, "hello--async")
		apply(ctx, function(onQueue("Deployment", "orders", slow)))
		starting(ctx, "hello--async")
		Expect(read[kedav1alpha1.ScaledObject](ctx, "hello--async").Spec.MinReplicaCount).To(HaveValue(BeEquivalentTo(1)))
		apply(ctx, function(onQueue("Deployment", "orders", "    params: {MODE: quick}")))
		ready(ctx)
		d := resting(ctx, "hello--async")
		Expect(d.Annotations[corev1beta2.StartedAnnotation]).To(Equal(d.Spec.Template.Labels[templateHash]))
	})

	It("waits for a copy without a probe to have run for a while", func(ctx SpecContext) {
		apply(ctx, function(lines("  serving:", "    workloadType: Deployment", "    scaleOptions: {keda: {triggers: [{type: redis, metadata: {listName: a}}]}}")))
		ready(ctx)
		s, pods := servingOf(ctx), w.Objects("ReplicaSet")
		Expect(pods).To(HaveLen(1))
		since := condition(s, "Ready").LastTransitionTime.Sub(pods[0].GetCreationTimestamp().Time)
		Expect(since.Seconds()).To(BeNumerically(">=", 2), "API timestamps have whole seconds")
		resting(ctx, "hello--async")
	})

	It("runs as a StatefulSet, and gets over a broken version", func(ctx SpecContext) {
		apply(ctx, function(onQueue("StatefulSet", "orders", "    params: {MODE: kit-broken}")))
		Expect(stalled(ctx, corev1beta2.ImagePullFailedReason).Message).To(ContainSubstring("cannot be pulled"))
		apply(ctx, function(onQueue("StatefulSet", "orders")))
		ready(ctx)
		Expect(servingOf(ctx).Status.ResourceRef).To(Equal(map[string]string{"Async/workload": "hello--async", "Async/scaler": "hello--async"}))
		eventually(ctx, "the StatefulSet to rest", func() bool {
			s := read[appsv1.StatefulSet](ctx, "hello--async")
			return *s.Spec.Replicas == 0 && s.Status.Replicas == 0
		})
		Expect(w.Objects("Deployment")).To(BeEmpty())
	})

	It("runs as Jobs that KEDA starts, and makes none itself", func(ctx SpecContext) {
		apply(ctx, function(onQueue("Job", "orders")))
		ready(ctx)
		Expect(servingOf(ctx).Status.ResourceRef).To(Equal(map[string]string{"Async/workload": "hello--async", "Async/scaler": "hello--async"}))
		Expect(read[kedav1alpha1.ScaledJob](ctx, "hello--async").Spec.JobTargetRef.Template.Spec.Containers[0].Image).To(Equal("registry.example.test/team/hello:v1"))
		Expect(created("jobs")).To(BeZero())
		Expect(w.Objects("Job")).To(BeEmpty())
		Expect(w.Objects("ScaledObject")).To(BeEmpty())
		apply(ctx, function(onQueue("Job", "returns")))
		ready(ctx)
		Expect(read[kedav1alpha1.ScaledJob](ctx, "hello--async").Spec.Triggers[0].Metadata).To(HaveKeyWithValue("listName", "returns"))
		Expect(created("jobs")).To(BeZero())
	})

	It("fails with the reason when the pod of a Job cannot start", func(ctx SpecContext) {
		apply(ctx, function(onQueue("Job", "orders", "    params: {MODE: kit-broken}")))
		ready(ctx) // nothing is wrong before there is an event
		scaler := read[kedav1alpha1.ScaledJob](ctx, "hello--async")
		job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "hello--async-abc", Namespace: w.Namespace,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(scaler, kedav1alpha1.SchemeGroupVersion.WithKind("ScaledJob"))}},
			Spec: *scaler.Spec.JobTargetRef.DeepCopy()}
		Expect(cp.Client.Create(ctx, job)).To(Succeed())
		eventually(ctx, "the reason", func() bool { return condition(hello(ctx), "Stalled").Reason == corev1beta2.ImagePullFailedReason })
		settled(ctx)
	})

	It("runs a Job once where nothing triggers it, and again for each version", func(ctx SpecContext) {
		once := func(mode string) string {
			return function(lines("  serving:", "    workloadType: Job", "    params: {MODE: "+mode+"}"))
		}
		apply(ctx, once("a"))
		ready(ctx)
		first := w.Objects("Job")
		Expect(first).To(HaveLen(1))
		Expect(first[0].GetName()).To(HavePrefix("hello--async-"))
		eventually(ctx, "it to be done", func() bool { return read[batchv1.Job](ctx, first[0].GetName()).Status.Succeeded == 1 })
		apply(ctx, once("b"))
		eventually(ctx, "the Job of the version before to go", func() bool {
			jobs := w.Objects("Job")
			return len(jobs) == 1 && jobs[0].GetName() != first[0].GetName()
		})
		ready(ctx)
		Expect(created("jobs")).To(Equal(2))
	})

	It("runs without KEDA where nothing scales it", func(ctx SpecContext) {
		apply(ctx, function(lines("  serving:", "    workloadType: Deployment", "    scaleOptions: {minReplicas: 2}", probed)))
		ready(ctx)
		Expect(servingOf(ctx).Status.ResourceRef).To(Equal(map[string]string{"Async/workload": "hello--async"}))
		eventually(ctx, "two copies", func() bool { return read[appsv1.Deployment](ctx, "hello--async").Status.AvailableReplicas == 2 })
	})

	It("fails with the reason when its image cannot be pulled, and never says that it runs", func(ctx SpecContext) {
		apply(ctx, function(onQueue("Deployment", "orders", "    params: {MODE: kit-broken}")))
		Expect(stalled(ctx, corev1beta2.ImagePullFailedReason).Message).To(ContainSubstring("cannot be pulled"))
		Expect(hello(ctx).Status.Serving.State).To(Equal(corev1beta2.Failed))
		Expect(read[kedav1alpha1.ScaledObject](ctx, "hello--async").Spec.MinReplicaCount).To(HaveValue(BeEquivalentTo(1)))
		apply(ctx, function(onQueue("Deployment", "orders")))
		ready(ctx)
		eventually(ctx, "the Events", func() bool { return len(told(ctx, "hello")) >= 2 })
		Expect(told(ctx, "hello")).To(ConsistOf(corev1beta2.ImagePullFailedReason, "Ready"))
	})

	DescribeTable("passes on what KEDA has to say, and heals", func(ctx SpecContext, workload, words string) {
		apply(ctx, function(onQueue(workload, kit.WordRefused)))
		Expect(stalled(ctx, corev1beta2.ScalerFailedReason).Message).To(ContainSubstring(words))
		Expect(hello(ctx).Status.Serving.State).To(Equal(corev1beta2.Failed))
		apply(ctx, function(onQueue(workload, "orders")))
		eventually(ctx, "the end of it, and what KEDA said of the trigger before is not said of this one", func() bool {
			f := hello(ctx)
			stalled := meta.FindStatusCondition(f.Status.Conditions, corev1beta2.StalledCondition)
			Expect(stalled != nil && stalled.ObservedGeneration == f.Generation).To(BeFalse())
			ready := meta.FindStatusCondition(f.Status.Conditions, corev1beta2.ReadyCondition)
			return ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == f.Generation
		})
	},
		Entry("about a Deployment", "Deployment", kit.RefusedTrigger),
		Entry("about Jobs", "Job", "Failed to ensure ScaledJob is correctly created"),
	)

	It("hands on how a trigger logs in", func(ctx SpecContext) {
		apply(ctx, `
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata: {name: login}
spec: {secretTargetRef: [{parameter: password, name: redis, key: password}]}
`)
		eventually(ctx, "the login to be seen", func() bool { return len(w.Objects("TriggerAuthentication")) == 1 })
		before := text(w.Objects("TriggerAuthentication")[0])
		apply(ctx, function(lines("  serving:", "    workloadType: Deployment",
			"    scaleOptions: {keda: {triggers: [{type: redis, metadata: {listName: a}, authenticationRef: {name: login}}]}}", probed)))
		ready(ctx)
		Expect(read[kedav1alpha1.ScaledObject](ctx, "hello--async").Spec.Triggers[0].AuthenticationRef.Name).To(Equal("login"))
		Expect(text(w.Objects("TriggerAuthentication")[0])).To(Equal(before))
	})

	It("changes its workload without a trace of the old one", func(ctx SpecContext) {
		for _, workload := range []string{"Deployment", "StatefulSet", "Job", "Deployment"} {
			apply(ctx, function(onQueue(workload, "orders")))
			eventually(ctx, "only the "+workload, func() bool {
				is := func(kind string) bool { return len(w.Objects(kind)) == 1 }
				return is("Deployment") == (workload == "Deployment") && is("StatefulSet") == (workload == "StatefulSet") &&
					is("ScaledJob") == (workload == "Job") && is("ScaledObject") == (workload != "Job")
			})
			ready(ctx)
		}
		Expect(w.Objects("Job")).To(BeEmpty())
	})

	It("puts back what somebody deletes", func(ctx SpecContext) {
		apply(ctx, function(onQueue("Deployment", "orders")))
		ready(ctx)
		resting(ctx, "hello--async")
		comesBack[kedav1alpha1.ScaledObject](ctx, "hello--async")
		comesBack[corev1.Service](ctx, "hello--async")
		comesBack[appsv1.Deployment](ctx, "hello--async")
		ready(ctx)
		resting(ctx, "hello--async")
	})

	It("leaves nothing behind", func(ctx SpecContext) {
		apply(ctx, function(onEvents()))
		ready(ctx)
		Expect(w.Delete(ctx, corev1beta2.GroupVersion.WithKind("Function"), "hello")).To(Succeed())
		eventually(ctx, "everything to be gone", func() bool { return len(w.Snapshot()) == 0 && len(w.Objects("Pod")) == 0 })
	})
})
