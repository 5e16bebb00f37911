// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/test/kit"
)

// builder is a Builder named alone that stands alone; word decides how its build goes.
func builder(word string, more ...string) string {
	manifest := "apiVersion: core.openfunction.io/v1beta2\nkind: Builder\nmetadata: {name: alone}\nspec:\n" +
		"  image: registry.example.test/team/alone:v1\n  builder: registry.example.test/builder-go:v1\n" +
		"  env: {TEXT: " + word + "}\n  srcRepo: {url: 'https://git.example.test/alone.git', revision: main}\n"
	for _, line := range more {
		manifest += "  " + line + "\n"
	}
	return manifest
}

// serving is a Serving named alone that stands alone.
func serving(more string) string {
	return "apiVersion: core.openfunction.io/v1beta2\nkind: Serving\nmetadata: {name: alone}\nspec:\n  image: registry.example.test/alone:v1\n" + more
}

var cancel = client.RawPatch(types.MergePatchType, []byte(`{"spec":{"state":"Cancelled"}}`))

var _ = Describe("A Builder that stands alone", func() {
	It("builds, and tells digest, size, commit and duration", func(ctx SpecContext) {
		apply(ctx, builder("fine"))
		settled(ctx)
		b := read[corev1beta2.Builder](ctx, "alone")
		Expect(b.Status.State).To(Equal(corev1beta2.Succeeded))
		Expect(b.Status.Output.Digest).To(Equal(kit.Digest("alone")))
		Expect(b.Status.Output.Size).To(BeEquivalentTo(12345678))
		Expect(b.Status.Sources[0].Git.CommitSha).To(HaveLen(40))
		Expect(b.Status.ResourceRef).To(Equal(map[string]string{"tekton.dev/taskrun": "alone"}))
		eventually(ctx, "the Event", func() bool { return len(told(ctx, "alone")) > 0 })
		Expect(told(ctx, "alone")).To(ConsistOf(corev1beta2.BuildSucceededReason))
	})

	It("ends although its log cannot be had", func(ctx SpecContext) {
		logs.print(w.Namespace, "", errors.New("the node is gone"))
		apply(ctx, builder("kit-slow"))
		eventually(ctx, "the build to begin", func() bool {
			run := &tektonv1.TaskRun{}
			return w.Get(ctx, "alone", run) == nil && run.HasStarted()
		})
		play(ctx, "alone", kit.BuildFails)
		run := read[tektonv1.TaskRun](ctx, "alone")
		long := metav1.NewTime(time.Now().Add(-time.Hour))
		run.Status.CompletionTime = &long
		Expect(cp.Client.Status().Update(ctx, run)).To(Succeed())
		settled(ctx)
		b := read[corev1beta2.Builder](ctx, "alone")
		Expect(b.Status.State).To(Equal(corev1beta2.Failed))
		Expect(b.Status.Failure.Step).To(Equal(kit.FailedStep))
		Expect(b.Status.Failure.Log).To(BeEmpty())
	})

	It("is cancelled by its user, and keeps its TaskRun", func(ctx SpecContext) {
		apply(ctx, builder("kit-slow"))
		eventually(ctx, "the build to begin", func() bool { return len(w.Objects("TaskRun")) == 1 })
		Expect(cp.Client.Patch(ctx, read[corev1beta2.Builder](ctx, "alone"), cancel)).To(Succeed())
		settled(ctx)
		Expect(read[corev1beta2.Builder](ctx, "alone").Status.State).To(Equal(corev1beta2.Canceled))
		Expect(read[tektonv1.TaskRun](ctx, "alone").IsCancelled()).To(BeTrue())
	})

	It("runs nothing when it is cancelled from the start", func(ctx SpecContext) {
		apply(ctx, builder("fine", "state: Cancelled"))
		settled(ctx)
		Expect(read[corev1beta2.Builder](ctx, "alone").Status.State).To(Equal(corev1beta2.Canceled))
		Expect(w.Objects("TaskRun")).To(BeEmpty())
	})

	It("goes when it is older than builderMaxAge", func(ctx SpecContext) {
		apply(ctx, builder("fine", "builderMaxAge: 1s"))
		eventually(ctx, "it to have been built and removed", func() bool {
			return created("taskruns") == 1 && apierrors.IsNotFound(w.Get(ctx, "alone", &corev1beta2.Builder{})) && len(w.Objects("TaskRun")) == 0
		})
	})

	It("says what to do about a strategy nobody knows", func(ctx SpecContext) {
		apply(ctx, builder("fine", "shipwright: {strategy: {name: mystery, kind: BuildStrategy}}"))
		settled(ctx)
		b := read[corev1beta2.Builder](ctx, "alone")
		Expect(condition(b, "Stalled").Reason).To(Equal(corev1beta2.InvalidSpecReason))
		Expect(condition(b, "Stalled").Message).To(ContainSubstring(`"mystery"; use openfunction`))
		Expect(condition(b, "Unsupported").Message).To(ContainSubstring("spec.shipwright.strategy.kind"))
	})

	It("does not touch a TaskRun of somebody else", func(ctx SpecContext) {
		theirs := &tektonv1.TaskRun{ObjectMeta: metav1.ObjectMeta{Name: "alone", Namespace: w.Namespace}}
		theirs.Spec.TaskRef = &tektonv1.TaskRef{Name: "kit-slow"}
		Expect(cp.Client.Create(ctx, theirs)).To(Succeed())
		apply(ctx, builder("fine"))
		settled(ctx)
		Expect(condition(read[corev1beta2.Builder](ctx, "alone"), "Stalled").Reason).To(Equal("NameTaken"))
		Expect(read[tektonv1.TaskRun](ctx, "alone").OwnerReferences).To(BeEmpty())
		Expect(cp.Client.Delete(ctx, theirs)).To(Succeed())
	})
})

var _ = Describe("A Serving that stands alone", func() {
	It("serves, and tells its addresses", func(ctx SpecContext) {
		apply(ctx, serving(""))
		settled(ctx)
		s := read[corev1beta2.Serving](ctx, "alone")
		Expect(s.Status.State).To(Equal(corev1beta2.Running))
		Expect(s.Status.Service).To(Equal("alone"))
		Expect(s.Status.ResourceRef).To(Equal(map[string]string{"serving.knative.dev/service": "alone--knative"}))
		Expect(s.Status.Addresses).To(HaveExactElements(
			HaveField("Value", "http://alone."+w.Namespace+".svc.cluster.local/"), HaveField("Value", "http://alone--knative."+w.Namespace+".example.test")))
		eventually(ctx, "the Event", func() bool { return len(told(ctx, "alone")) > 0 })
		Expect(told(ctx, "alone")).To(ConsistOf(corev1beta2.RunningReason))
	})

	It("puts back what somebody changed, and takes away what its spec no longer says", func(ctx SpecContext) {
		apply(ctx, serving("  annotations: {example.test/note: here}\n"))
		settled(ctx)
		service := read[kservingv1.Service](ctx, "alone--knative")
		drift := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"template":{"spec":{"containerConcurrency":7}}},"metadata":{"labels":{"openfunction.io/managed":"false"}}}`))
		Expect(cp.Client.Patch(ctx, service, drift)).To(Succeed())
		eventually(ctx, "the label to be back", func() bool {
			return read[kservingv1.Service](ctx, "alone--knative").Labels["openfunction.io/managed"] == "true"
		})
		apply(ctx, serving(""))
		settled(ctx)
		Expect(read[kservingv1.Service](ctx, "alone--knative").Spec.Template.Annotations).NotTo(HaveKey("example.test/note"))
	})

	It("shows an image that cannot be pulled before the engine gives up", func(ctx SpecContext) {
		apply(ctx, serving("  params: {MODE: kit-slow}\n"))
		eventually(ctx, "the Service to start", func() bool {
			service := &kservingv1.Service{}
			return w.Get(ctx, "alone--knative", service) == nil && service.Status.LatestCreatedRevisionName != ""
		})
		service := read[kservingv1.Service](ctx, "alone--knative")
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "pod", Namespace: w.Namespace, Labels: map[string]string{
			corev1beta2.ManagedLabel: "true", corev1beta2.ServingLabel: "alone", "serving.knative.dev/revision": service.Status.LatestCreatedRevisionName},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(service, kservingv1.SchemeGroupVersion.WithKind("Service"))}}}
		pod.Spec.Containers = []corev1.Container{*service.Spec.Template.Spec.Containers[0].DeepCopy()}
		pod.Spec.Containers[0].Image = kit.WordBroken
		Expect(cp.Client.Create(ctx, pod)).To(Succeed())
		settled(ctx)
		s := read[corev1beta2.Serving](ctx, "alone")
		Expect(condition(s, "Stalled").Reason).To(Equal(corev1beta2.ImagePullFailedReason))
		Expect(condition(s, "Stalled").Message).To(HavePrefix("The image kit-broken cannot be pulled"))
	})
})

// The engines go and come while the controllers run.
var _ = Describe("Without an engine", Serial, func() {
	It("a Function says what to install and goes on when it is there", func(ctx SpecContext) {
		Expect(cp.Uninstall(ctx, kit.Knative, kit.Tekton)).To(Succeed())
		apply(ctx, function(served), builder("fine"))
		settled(ctx)
		f := hello(ctx)
		Expect(condition(f, "Stalled").Reason).To(Equal(corev1beta2.ProviderNotInstalledReason))
		Expect(condition(f, "Stalled").Message).To(ContainSubstring("Knative Serving is not installed in this cluster"))
		Expect(condition(read[corev1beta2.Builder](ctx, "alone"), "Stalled").Message).To(ContainSubstring("Tekton Pipelines is not installed"))
		Expect(cp.Install(ctx, kit.Knative, kit.Tekton)).To(Succeed())
		eventually(ctx, "it to be ready", func() bool { return condition(hello(ctx), "Ready").Status == metav1.ConditionTrue })
		eventually(ctx, "the Builder to have built", func() bool {
			return condition(read[corev1beta2.Builder](ctx, "alone"), "Ready").Status == metav1.ConditionTrue
		})
	})

	It("a Builder that is cancelled ends", func(ctx SpecContext) {
		Expect(cp.Uninstall(ctx, kit.Tekton)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) error { return cp.Install(ctx, kit.Tekton) })
		apply(ctx, builder("fine"))
		settled(ctx)
		Expect(cp.Client.Patch(ctx, read[corev1beta2.Builder](ctx, "alone"), cancel)).To(Succeed())
		settled(ctx)
		Expect(read[corev1beta2.Builder](ctx, "alone").Status.State).To(Equal(corev1beta2.Canceled))
	})
})
