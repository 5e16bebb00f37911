// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/test/kit"
)

// greeting is a serving that differs from others by its text.
func greeting(text string, more ...string) string {
	return lines("  serving:", append([]string{"    triggers: {http: {port: 8080}}", "    params: {GREETING: " + text + "}"}, more...)...)
}

// change applies the Function and waits until its newest version serves.
func change(ctx context.Context, parts ...string) {
	GinkgoHelper()
	apply(ctx, function(parts...))
	settled(ctx)
}

// greets is the text of the version that the Function's own Serving serves.
func greets(ctx context.Context) string {
	GinkgoHelper()
	return servingOf(ctx).Spec.Params["GREETING"]
}

// numbers are those of the revisions that the Function shows, the newest first.
func numbers(ctx context.Context) []int64 {
	GinkgoHelper()
	var found []int64
	for _, revision := range hello(ctx).Status.Revisions {
		found = append(found, revision.Revision)
	}
	return found
}

// records are the numbers of the ControllerRevisions there are, the newest first.
func records(ctx context.Context) []int64 {
	GinkgoHelper()
	list := &appsv1.ControllerRevisionList{}
	Expect(cp.Client.List(ctx, list, client.InNamespace(w.Namespace))).To(Succeed())
	var found []int64
	for _, record := range list.Items {
		found = append(found, record.Revision)
	}
	slices.Sort(found)
	slices.Reverse(found)
	return found
}

var _ = Describe("The revisions of a Function", func() {
	rollback := func(to int) string { return fmt.Sprintf("  rollbackTo: %d", to) }

	It("are recorded when they are replaced, and not before", func(ctx SpecContext) {
		change(ctx, greeting("one"))
		Expect(records(ctx)).To(BeEmpty())
		Expect(hello(ctx).Status.CurrentRevision).To(BeEquivalentTo(1))
		Expect(hello(ctx).Status.Revisions).To(ConsistOf(And(
			HaveField("Revision", BeEquivalentTo(1)), HaveField("Image", "registry.example.test/team/hello:v1"), HaveField("Version", "latest"),
			HaveField("Name", servingOf(ctx).Annotations[corev1beta2.RevisionAnnotation]), HaveField("RecordedTime", BeNil()))))

		change(ctx, greeting("two"))
		Expect(records(ctx)).To(Equal([]int64{1}))
		Expect(numbers(ctx)).To(Equal([]int64{2, 1}))
		Expect(hello(ctx).Status.CurrentRevision).To(BeEquivalentTo(2))
		Expect(hello(ctx).Status.Revisions[1].RecordedTime).NotTo(BeNil())

		change(ctx, greeting("one"))
		Expect(numbers(ctx)).To(Equal([]int64{2, 1}), "the same content is the same revision")
		Expect(hello(ctx).Status.CurrentRevision).To(BeEquivalentTo(1))
		change(ctx, greeting("three"))
		Expect(numbers(ctx)).To(Equal([]int64{3, 2, 1}))
		Expect(created("controllerrevisions")).To(Equal(2))
	})

	It("serve again without a build, and give way again", func(ctx SpecContext) {
		change(ctx, inline("1"), greeting("one"))
		first := hello(ctx).Status.Image
		change(ctx, inline("2"), greeting("two"))
		second := hello(ctx).Status.Image
		Expect(second).NotTo(Equal(first))

		change(ctx, inline("2"), greeting("two"), rollback(1))
		f := hello(ctx)
		Expect(f.Status.Image).To(Equal(first))
		Expect(f.Status.CurrentRevision).To(BeEquivalentTo(1))
		Expect(numbers(ctx)).To(Equal([]int64{2, 1}))
		Expect(greets(ctx)).To(Equal("one"))
		Expect(created("builders")).To(Equal(2))
		Expect(condition(f, "Ready").Status).To(Equal(metav1.ConditionTrue))
		Expect(condition(f, "RolledBack").Message).To(HavePrefix("Revision 1 serves"))
		eventually(ctx, "the Event", func() bool { return slices.Contains(told(ctx, "hello"), "RolledBack") })

		By("changing source and settings meanwhile")
		change(ctx, inline("3"), greeting("three"), rollback(1))
		Expect(hello(ctx).Status.Build.State).To(Equal(corev1beta2.Succeeded))
		Expect(hello(ctx).Status.Image).To(Equal(first))
		Expect(greets(ctx)).To(Equal("one"))

		By("going forward")
		change(ctx, inline("3"), greeting("three"))
		f = hello(ctx)
		Expect(greets(ctx)).To(Equal("three"))
		Expect(f.Status.Image).NotTo(BeElementOf(first, second))
		Expect(f.Status.CurrentRevision).To(BeEquivalentTo(3))
		Expect(condition(f, "RolledBack").Type).To(BeEmpty())
		Expect(created("builders")).To(Equal(3))
	})

	It("can be held where they are", func(ctx SpecContext) {
		change(ctx, greeting("one"))
		change(ctx, greeting("one"), rollback(1))
		Expect(records(ctx)).To(Equal([]int64{1}), "what is rolled back to is kept")
		change(ctx, greeting("two"), rollback(1))
		Expect(greets(ctx)).To(Equal("one"))
		Expect(created("controllerrevisions")).To(Equal(1))
	})

	It("that do not exist are named, and what serves goes on", func(ctx SpecContext) {
		change(ctx, greeting("one"))
		change(ctx, greeting("two"))
		before := servingOf(ctx)
		change(ctx, greeting("three"), rollback(7))
		f := hello(ctx)
		Expect(condition(f, "Stalled").Reason).To(Equal(corev1beta2.RevisionNotFoundReason))
		Expect(condition(f, "Served").Message).To(Equal("Spec.rollbackTo is 7, which is no revision that is kept; set one of 2, 1, or remove rollbackTo"))
		Expect(f.Status.Serving.State).To(Equal(corev1beta2.Running))
		Expect(f.Status.Addresses).NotTo(BeEmpty())
		Expect(servingOf(ctx).ResourceVersion).To(Equal(before.ResourceVersion))
		change(ctx, greeting("three"), rollback(1))
		Expect(greets(ctx)).To(Equal("one"))
		Expect(condition(hello(ctx), "Ready").Status).To(Equal(metav1.ConditionTrue))
	})

	It("are kept up to the limit, and those in use beyond it", func(ctx SpecContext) {
		limit := func(n int) string { return fmt.Sprintf("  revisionHistoryLimit: %d", n) }
		for _, text := range []string{"one", "two", "three", "four"} {
			change(ctx, limit(2), greeting(text))
		}
		Expect(records(ctx)).To(Equal([]int64{3, 2}))
		Expect(numbers(ctx)).To(Equal([]int64{4, 3, 2}))
		change(ctx, limit(2), greeting("four"), rollback(2))
		Expect(numbers(ctx)).To(Equal([]int64{4, 3, 2}))
		change(ctx, limit(0), greeting("four"), rollback(2))
		Expect(records(ctx)).To(Equal([]int64{2}))
		Expect(greets(ctx)).To(Equal("two"))
		change(ctx, limit(0), greeting("four"))
		Expect(records(ctx)).To(BeEmpty())
		change(ctx, limit(0), greeting("five"))
		Expect(records(ctx)).To(BeEmpty())
		Expect(hello(ctx).Status.CurrentRevision).To(BeEquivalentTo(1))
	})

	It("are not made of what somebody else writes into the Serving", func(ctx SpecContext) {
		change(ctx, greeting("one"))
		patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"params":{"GREETING":"theirs"}}}`))
		Expect(cp.Client.Patch(ctx, servingOf(ctx), patch, client.FieldOwner(kit.User))).To(Succeed())
		eventually(ctx, "the edit to be undone", func() bool { return greets(ctx) == "one" })
		settled(ctx)
		Expect(records(ctx)).To(BeEmpty())
	})

	It("go with the Function", func(ctx SpecContext) {
		change(ctx, greeting("one"))
		change(ctx, greeting("two"))
		Expect(records(ctx)).To(HaveLen(1))
		Expect(w.Delete(ctx, corev1beta2.GroupVersion.WithKind("Function"), "hello")).To(Succeed())
		gone(ctx)
	})

	It("stay when serving is removed for a while", func(ctx SpecContext) {
		change(ctx, inline("1"), greeting("one"))
		change(ctx, inline("1"), greeting("two"))
		change(ctx, inline("1"))
		Expect(numbers(ctx)).To(Equal([]int64{1}))
		Expect(hello(ctx).Status.CurrentRevision).To(BeZero())
		change(ctx, inline("1"), greeting("one"))
		Expect(hello(ctx).Status.CurrentRevision).To(BeEquivalentTo(1))
	})

	It("of StatefulSets are not taken for those of the Function", func(ctx SpecContext) {
		theirs := &appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Name: "theirs", Namespace: w.Namespace,
			Labels: map[string]string{corev1beta2.FunctionLabel: "hello", corev1beta2.ManagedLabel: "x"}}, Revision: 40}
		theirs.Data.Raw = []byte(`{"spec":{}}`)
		delete(theirs.Labels, corev1beta2.ManagedLabel)
		Expect(cp.Client.Create(ctx, theirs)).To(Succeed())
		change(ctx, greeting("one"), "  revisionHistoryLimit: 0")
		change(ctx, greeting("two"), "  revisionHistoryLimit: 0")
		Expect(records(ctx)).To(Equal([]int64{40}))
		Expect(strings.Count(fmt.Sprint(hello(ctx).Status.Revisions), "theirs")).To(BeZero())
	})
})
