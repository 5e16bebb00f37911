// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	"context"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/test/kit"
)

// annotate sets an annotation as a user with kubectl would.
func annotate(ctx context.Context, object client.Object, key, value string) {
	GinkgoHelper()
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"`+key+`":"`+value+`"}}}`))
	Expect(cp.Client.Patch(ctx, object, patch, client.FieldOwner(kit.User))).To(Succeed())
}

// play ends the build of a Builder by hand.
func play(ctx context.Context, builder string, how kit.Build) {
	GinkgoHelper()
	Expect(kit.PlayTekton(ctx, cp.Client, client.ObjectKey{Namespace: w.Namespace, Name: builder}, how)).To(Succeed())
}

// started waits for the build of the current source to be at work and returns its Builder.
func started(ctx context.Context, not ...types.UID) *corev1beta2.Builder {
	GinkgoHelper()
	var b *corev1beta2.Builder
	eventually(ctx, "the build to be at work", func() bool {
		f := hello(ctx)
		if f.Status.Build == nil || f.Status.ObservedGeneration != f.Generation || f.Status.Build.State != corev1beta2.Building {
			return false
		}
		b = &corev1beta2.Builder{}
		run := &tektonv1.TaskRun{}
		if w.Get(ctx, f.Status.Build.ResourceRef, b) != nil || w.Get(ctx, b.Name, run) != nil {
			return false
		}
		return !slices.Contains(not, b.UID) && run.HasStarted() && metav1.IsControlledBy(run, b)
	})
	return b
}

var _ = Describe("A Function", func() {
	It("serves its image when there is nothing to build", func(ctx SpecContext) {
		apply(ctx, function(served))
		settled(ctx)
		f := hello(ctx)
		Expect(condition(f, "Ready").Status).To(Equal(metav1.ConditionTrue))
		Expect(f.Status.Build.State).To(Equal(corev1beta2.Skipped))
		Expect(f.Status.Serving.State).To(Equal(corev1beta2.Running))
		Expect(f.Status.Image).To(Equal("registry.example.test/team/hello:v1"))
		Expect(f.Status.Addresses).To(HaveLen(2))
		Expect(condition(f, "Built").Type).To(BeEmpty())
		names := slices.DeleteFunc(writes(), func(write kit.Write) bool { return write.Resource != "services" || write.Group != "" })
		Expect(names).To(HaveLen(1), "its name costs one write")
		eventually(ctx, "the Event", func() bool { return len(told(ctx, "hello")) > 0 })
		Expect(told(ctx, "hello")).To(ConsistOf("Ready"))
	})

	It("goes from inline source to Running by digest", func(ctx SpecContext) {
		apply(ctx, function(inline("package hello"), served))
		settled(ctx)
		f := hello(ctx)
		Expect(f.Status.Build.State).To(Equal(corev1beta2.Succeeded))
		Expect(f.Status.Image).To(Equal(builtAs(f.Status.Build.ResourceRef)))
		Expect(f.Status.Revision.ImageDigest).To(Equal(kit.Digest(f.Status.Build.ResourceRef)))
		Expect(f.Status.Build.LastSuccessfulResourceRef).To(Equal(f.Status.Build.ResourceRef))
		Expect(condition(f, "Built").Status).To(Equal(metav1.ConditionTrue))
		service := read[kservingv1.Service](ctx, "hello--knative")
		Expect(service.Spec.Template.Spec.Containers[0].Image).To(Equal(f.Status.Image))
		source := read[corev1.ConfigMap](ctx, f.Status.Build.ResourceRef)
		Expect(source.Data["files.json"]).To(Equal(`{"main.go":"package hello"}`))
		eventually(ctx, "the Events", func() bool { return len(told(ctx, "hello")) >= 3 })
		Expect(told(ctx, "hello")).To(ConsistOf("BuildStarted", "BuildSucceeded", "Ready"))
	})

	It("shows which step failed and what it printed last", func(ctx SpecContext) {
		logs.print(w.Namespace, "compiling\nmain.go:1:1: expected 'package', found 'EOF'...\n", nil)
		apply(ctx, function(inline("kit-broken"), served))
		settled(ctx)
		f := hello(ctx)
		Expect(f.Status.Build.State).To(Equal(corev1beta2.Failed))
		Expect(f.Status.Build.Failure.Step).To(Equal(kit.FailedStep))
		Expect(f.Status.Build.Failure.ExitCode).To(BeEquivalentTo(2))
		Expect(f.Status.Build.Failure.Log).To(ContainSubstring("compiling\nmain.go:1:1"))
		Expect(condition(f, "Stalled").Message).To(ContainSubstring("expected 'package', found 'EOF'"))
		Expect(condition(f, "Built").Reason).To(Equal(corev1beta2.BuildFailedReason))
		Expect(w.Objects("Serving")).To(BeEmpty())
		eventually(ctx, "the Events", func() bool { return len(told(ctx, "hello")) >= 2 })
		Expect(told(ctx, "hello")).To(ConsistOf("BuildStarted", "BuildFailed"))
	})

	It("cancels the build of an older source", func(ctx SpecContext) {
		apply(ctx, function(inline("kit-slow"), served))
		first := started(ctx)
		apply(ctx, function(inline("second"), served))
		settled(ctx)
		Expect(read[tektonv1.TaskRun](ctx, first.Name).IsCancelled()).To(BeTrue())
		old := read[corev1beta2.Builder](ctx, first.Name)
		Expect(old.Status.State).To(Equal(corev1beta2.Canceled))
		Expect(hello(ctx).Status.Image).To(Equal(builtAs(buildOf(ctx).Name)))
	})

	It("builds again when the user comes back to a source mid-build", func(ctx SpecContext) {
		apply(ctx, function(inline("kit-slow one"), served))
		one := started(ctx)
		apply(ctx, function(inline("kit-slow two"), served))
		two := started(ctx, one.UID)
		apply(ctx, function(inline("kit-slow one"), served))
		again := started(ctx, one.UID, two.UID)
		Expect(again.Name).To(Equal(one.Name))
		play(ctx, again.Name, kit.BuildSucceeds)
		settled(ctx)
		Expect(hello(ctx).Status.Image).To(Equal(builtAs(one.Name)))
		Expect(created("builders")).To(Equal(3))
	})

	It("keeps what a user cancelled cancelled", func(ctx SpecContext) {
		apply(ctx, function(inline("kit-slow"), served))
		b := started(ctx)
		patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"state":"Cancelled"}}`))
		Expect(cp.Client.Patch(ctx, b, patch)).To(Succeed())
		settled(ctx)
		Expect(hello(ctx).Status.Build.State).To(Equal(corev1beta2.Canceled))
		Expect(condition(hello(ctx), "Stalled").Reason).To(Equal(corev1beta2.BuildCanceledReason))
		Expect(created("builders")).To(Equal(1))
	})

	It("tells a build that took too long from one that failed", func(ctx SpecContext) {
		apply(ctx, function(inline("kit-late", "    timeout: 1m"), served))
		settled(ctx)
		Expect(hello(ctx).Status.Build.State).To(Equal(corev1beta2.Timeout))
		Expect(condition(hello(ctx), "Built").Message).To(ContainSubstring("raise build.timeout"))
		Expect(read[tektonv1.TaskRun](ctx, buildOf(ctx).Name).Spec.Timeout.Duration).To(Equal(time.Minute))
	})

	It("builds the same source again on request, while the old image serves", func(ctx SpecContext) {
		apply(ctx, function(inline("same"), served))
		settled(ctx)
		first := buildOf(ctx).Name
		annotate(ctx, hello(ctx), corev1beta2.RebuildAnnotation, "once more")
		eventually(ctx, "another build", func() bool { return hello(ctx).Status.Build.ResourceRef != first })
		settled(ctx)
		Expect(created("builders")).To(Equal(2))
		Expect(hello(ctx).Status.Image).To(Equal(builtAs(buildOf(ctx).Name)))
	})

	It("keeps failed builds by their limit, and never builds a failed source twice", func(ctx SpecContext) {
		none := "    failedBuildsHistoryLimit: 0"
		apply(ctx, function(inline("kit-broken 1", none), served))
		settled(ctx)
		apply(ctx, function(inline("kit-broken 2", none), served))
		settled(ctx)
		Expect(builders(ctx)).To(HaveLen(1), "the one of the current source is the record of its failure")
		Expect(created("builders")).To(Equal(2))

		many := "    failedBuildsHistoryLimit: 2"
		apply(ctx, function(inline("kit-broken 3", many), served))
		settled(ctx)
		apply(ctx, function(inline("kit-broken 4", many), served))
		settled(ctx)
		Expect(builders(ctx)).To(HaveLen(2))
		Expect(created("builders")).To(Equal(4))
	})

	It("removes builds that are too old", func(ctx SpecContext) {
		age := "    builderMaxAge: 2s\n    successfulBuildsHistoryLimit: 5"
		apply(ctx, function(inline("1", age), served))
		settled(ctx)
		apply(ctx, function(inline("2", age), served))
		settled(ctx)
		eventually(ctx, "the older build to go", func() bool { return len(builders(ctx)) == 1 })
		Expect(builders(ctx)[0].Name).To(Equal(hello(ctx).Status.Build.ResourceRef))
		settled(ctx)
	})

	It("serves the image as written when build is removed", func(ctx SpecContext) {
		apply(ctx, function(inline("1"), served))
		settled(ctx)
		apply(ctx, function(served))
		settled(ctx)
		f := hello(ctx)
		Expect(f.Status.Image).To(Equal("registry.example.test/team/hello:v1"))
		Expect(f.Status.Build.State).To(Equal(corev1beta2.Skipped))
		Expect(f.Status.Revision).To(BeNil())
		Expect(read[kservingv1.Service](ctx, "hello--knative").Spec.Template.Spec.Containers[0].Image).To(Equal(f.Status.Image))
		Expect(builders(ctx)).To(BeEmpty())
	})

	It("only builds when serving is removed", func(ctx SpecContext) {
		apply(ctx, function(inline("1"), served))
		settled(ctx)
		apply(ctx, function(inline("1")))
		eventually(ctx, "the Service to go", func() bool { return len(w.Objects("Service")) == 0 && len(w.Objects("Serving")) == 0 })
		settled(ctx)
		f := hello(ctx)
		Expect(f.Status.Serving.State).To(Equal(corev1beta2.Skipped))
		Expect(f.Status.Addresses).To(BeEmpty())
		Expect(condition(f, "Ready").Status).To(Equal(metav1.ConditionTrue))
		Expect(condition(f, "Served").Type).To(BeEmpty())
		Expect(created("builders")).To(Equal(1))
	})

	It("deploys again for another cpu, and not for another history limit", func(ctx SpecContext) {
		cpu := func(much string) string {
			return "  serving:\n    template: {containers: [{name: function, resources: {limits: {cpu: '" + much + "'}}}]}"
		}
		apply(ctx, function(inline("1"), cpu("100m")))
		settled(ctx)
		before := read[kservingv1.Service](ctx, "hello--knative")
		apply(ctx, function(inline("1", "    successfulBuildsHistoryLimit: 3"), cpu("100m")))
		settled(ctx)
		Expect(read[kservingv1.Service](ctx, "hello--knative").ResourceVersion).To(Equal(before.ResourceVersion))
		apply(ctx, function(inline("1", "    successfulBuildsHistoryLimit: 3"), cpu("0.2")))
		settled(ctx)
		after := read[kservingv1.Service](ctx, "hello--knative")
		Expect(after.Generation).To(Equal(before.Generation + 1))
		Expect(after.UID).To(Equal(before.UID))
		Expect(created("builders")).To(Equal(1))
	})

	It("keeps the old version and its addresses when the new one is broken", func(ctx SpecContext) {
		apply(ctx, function(served))
		settled(ctx)
		addresses := hello(ctx).Status.Addresses
		apply(ctx, function("  serving: {params: {MODE: kit-broken}}"))
		settled(ctx)
		f := hello(ctx)
		Expect(f.Status.Addresses).To(Equal(addresses))
		Expect(f.Status.Serving.State).To(Equal(corev1beta2.Failed))
		Expect(condition(f, "Served").Reason).To(Equal("RevisionFailed"))
		Expect(condition(f, "Ready").Message).To(ContainSubstring("the previous version keeps serving"))
		apply(ctx, function("  serving: {params: {MODE: mended}}"))
		settled(ctx)
		Expect(condition(hello(ctx), "Ready").Status).To(Equal(metav1.ConditionTrue))
	})

	It("leaves a serving version alone when the new source does not build", func(ctx SpecContext) {
		apply(ctx, function(inline("1"), served))
		settled(ctx)
		image, before := hello(ctx).Status.Image, read[kservingv1.Service](ctx, "hello--knative")
		apply(ctx, function(inline("kit-broken"), "  serving: {params: {MODE: new}}"))
		settled(ctx)
		f := hello(ctx)
		Expect(f.Status.Image).To(Equal(image))
		Expect(f.Status.Addresses).NotTo(BeEmpty())
		Expect(condition(f, "Ready").Reason).To(Equal(corev1beta2.BuildFailedReason))
		Expect(read[kservingv1.Service](ctx, "hello--knative").ResourceVersion).To(Equal(before.ResourceVersion))
	})

	It("waits for a Secret and goes on when it appears", func(ctx SpecContext) {
		apply(ctx, function("  imageCredentials: {name: push}", inline("1"), served))
		eventually(ctx, "the missing Secret to be shown", func() bool {
			return condition(hello(ctx), "Built").Reason == corev1beta2.SecretNotFoundReason
		})
		f := hello(ctx)
		Expect(condition(f, "Reconciling").Message).To(Equal(`Secret "push" named in imageCredentials does not exist in namespace ` + w.Namespace + "; create it"))
		Expect(w.Objects("TaskRun")).To(BeEmpty())
		apply(ctx, "apiVersion: v1\nkind: Secret\nmetadata: {name: push}\ntype: kubernetes.io/dockerconfigjson\nstringData: {.dockerconfigjson: '{}'}")
		annotate(ctx, buildOf(ctx), "example.test/look", "now")
		settled(ctx)
		Expect(condition(hello(ctx), "Ready").Status).To(Equal(metav1.ConditionTrue))
		Expect(read[tektonv1.TaskRun](ctx, buildOf(ctx).Name).Spec.TaskSpec.Volumes).To(ContainElement(HaveField("Secret.SecretName", "push")))
	})

	It("says that no Secret can have a name, and goes on when another is given", func(ctx SpecContext) {
		apply(ctx, function("  imageCredentials: {name: registry.example.test/a}", inline("1"), served))
		Expect(stalled(ctx, corev1beta2.InvalidSpecReason).Message).To(ContainSubstring(`No Secret can have the name "registry.example.test/a" in imageCredentials: a lowercase RFC 1123 subdomain`))
		apply(ctx, function(inline("1"), served))
		settled(ctx)
		Expect(condition(hello(ctx), "Ready").Status).To(Equal(metav1.ConditionTrue))
	})

	It("names the fields it does not act on", func(ctx SpecContext) {
		apply(ctx, function("  workloadRuntime: WasmEdge", "  serving: {triggers: {http: {route: {}}}, workloadType: Job}"))
		settled(ctx)
		f := hello(ctx)
		Expect(condition(f, "Unsupported").Status).To(Equal(metav1.ConditionTrue))
		Expect(condition(f, "Unsupported").Message).To(HaveSuffix(": spec.serving.workloadType, spec.workloadRuntime"))
		Expect(condition(read[corev1beta2.Serving](ctx, "hello"), "Unsupported").Message).To(HaveSuffix(": spec.workloadType"))
		apply(ctx, function(served))
		settled(ctx)
		Expect(condition(hello(ctx), "Unsupported").Type).To(BeEmpty())
	})

	It("does not touch a Serving of somebody else with its name", func(ctx SpecContext) {
		apply(ctx, "apiVersion: core.openfunction.io/v1beta2\nkind: Serving\nmetadata: {name: hello}\nspec: {image: registry.example.test/theirs}")
		settled(ctx)
		theirs := read[corev1beta2.Serving](ctx, "hello")
		apply(ctx, function(served))
		settled(ctx)
		f := hello(ctx)
		Expect(condition(f, "Stalled").Reason).To(Equal("NameTaken"))
		Expect(condition(f, "Served").Status).To(Equal(metav1.ConditionFalse))
		Expect(f.Status.Serving.State).To(Equal(corev1beta2.Failed))
		Expect(read[corev1beta2.Serving](ctx, "hello").ResourceVersion).To(Equal(theirs.ResourceVersion))
	})

	It("leaves nothing behind", func(ctx SpecContext) {
		apply(ctx, function(inline("1"), served))
		settled(ctx)
		Expect(w.Objects("TaskRun")).To(HaveLen(1))
		Expect(w.Delete(ctx, corev1beta2.GroupVersion.WithKind("Function"), "hello")).To(Succeed())
		eventually(ctx, "everything to be gone", func() bool {
			for kind := range strings.FieldsSeq("Function Builder Serving TaskRun Service ConfigMap") {
				for _, o := range w.Objects(kind) {
					if o.GetName() != "kube-root-ca.crt" {
						return false
					}
				}
			}
			return true
		})
	})
})
