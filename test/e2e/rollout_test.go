// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core/route"
)

// inSteps is an HTTP function on an engine whose new versions get 20 % of the requests for 15 s, and then half of them until they are promoted.
func inSteps(name, image, engine string) string {
	return fn{name: name, image: image, serving: `
triggers: {http: {engine: ` + engine + `}}
rollout: {steps: [{percent: 20, pause: 15s}, {percent: 50}]}
`}.manifest()
}

// tried is how far the rollout of a function has come; of none it is empty.
func tried(ctx context.Context, name string) corev1beta2.RolloutStatus {
	GinkgoHelper()
	return ptr.Deref(read(ctx, name).Status.Rollout, corev1beta2.RolloutStatus{})
}

// weights are what the router is told about the versions of a function, the current one first.
func weights(ctx context.Context, name string) []int {
	GinkgoHelper()
	front := &corev1.Service{}
	Expect(c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, front)).To(Succeed())
	to, err := route.Parse(front.Annotations[route.Annotation])
	Expect(err).NotTo(HaveOccurred())
	var weights []int
	for _, backend := range to.Backends {
		weights = append(weights, int(backend.Weight))
	}
	return weights
}

// hasShare waits until a new version is given a share of the requests, and measures which share of hundreds "two" then answers.
func hasShare(ctx context.Context, name string, percent int) {
	GinkgoHelper()
	Eventually(ctx, func() int { return int(tried(ctx, name).Percent) }).Should(Equal(percent))
	Eventually(ctx, func() []int { return weights(ctx, name) }).Should(Equal([]int{100 - percent, percent}))
	time.Sleep(time.Second) // every replica of the router has learnt of it
	answers := startPodLoad(ctx, name, 8*time.Second).answers(ctx)
	AddReportEntry(fmt.Sprintf("answers at %d %%", percent), answers)
	Expect(int(tried(ctx, name).Percent)).To(Equal(percent), "it lasted while it was measured")
	Expect(answers).To(And(HaveLen(2), HaveKey("one"), HaveKey("two")))
	all := answers["one"] + answers["two"]
	Expect(all).To(BeNumerically(">", 300))
	Expect(100 * answers["two"] / all).To(BeNumerically("~", percent, 6))
}

// rollBack has an earlier version served, or with "null" what the spec says, and waits until it answers.
func rollBack(ctx context.Context, name, to, text string) {
	GinkgoHelper()
	start := time.Now()
	kubectlWith(ctx, "", "patch", "fn", name, "--type=merge", "-p", `{"spec":{"rollbackTo":`+to+`}}`)
	becomesAnswer(ctx, name, text)
	took := time.Since(start)
	AddReportEntry("answers "+text+" after", took.Round(100*time.Millisecond))
	Expect(took).To(BeNumerically("<", 20*time.Second))
	ready(ctx, name)
}

// versionsTakeOver are the specs about the versions of a function on an engine, whose callers do not stop.
func versionsTakeOver(engine string) {
	BeforeAll(startProbe)

	// serves makes the function serve "one".
	serves := func(ctx SpecContext, name, manifest string) {
		apply(ctx, manifest)
		DeferCleanup(func(ctx SpecContext) { Expect(c.Delete(ctx, read(ctx, name))).To(Succeed()) })
		ready(ctx, name)
		becomesAnswer(ctx, name, "one")
	}

	It("take over in steps and when they are promoted, without a failed request", func(ctx SpecContext) {
		name := "steps-" + engine
		serves(ctx, name, inSteps(name, "$WORKER", engine))
		load := startPodLoad(ctx, name, always)

		apply(ctx, inSteps(name, "$TWO", engine))
		hasShare(ctx, name, 20)
		hasShare(ctx, name, 50)
		f := becomes(ctx, name, corev1beta2.ServedCondition, metav1.ConditionUnknown)
		Expect(condition(f, corev1beta2.ServedCondition).Reason).To(Equal(corev1beta2.WaitingForPromotionReason))
		Expect(f.Status.CurrentRevision).To(BeEquivalentTo(1))

		By("promoting it")
		kubectlWith(ctx, "", "annotate", "fn", name, corev1beta2.PromoteAnnotation+"="+f.Status.Rollout.Revision)
		Eventually(ctx, func() int64 { return ready(ctx, name).Status.CurrentRevision }).Should(BeEquivalentTo(2))
		Eventually(ctx, func() []int { return weights(ctx, name) }).Should(Equal([]int{100}))
		time.Sleep(time.Second)
		answers := startPodLoad(ctx, name, 3*time.Second).answers(ctx)
		Expect(answers).To(And(HaveLen(1), HaveKey("two")))
		isGone(ctx, &corev1beta2.ServingList{}, name+"--canary")
		Expect(read(ctx, name).Status.Rollout).To(BeNil())

		answers = load.end(ctx)
		AddReportEntry("answers", answers)
		Expect(answers).To(And(HaveLen(2), HaveKey("one"), HaveKey("two")))
	}, NodeTimeout(5*time.Minute))

	It("go back to the one before and forward again, without a failed request", func(ctx SpecContext) {
		name := "back-" + engine
		serves(ctx, name, onEngine(name, "$WORKER", engine))
		apply(ctx, onEngine(name, "$TWO", engine))
		becomesAnswer(ctx, name, "two")
		ready(ctx, name)
		load := startPodLoad(ctx, name, always)

		rollBack(ctx, name, "1", "one")
		f := read(ctx, name)
		Expect(f.Status.CurrentRevision).To(BeEquivalentTo(1))
		Expect(condition(f, corev1beta2.RolledBackCondition).Status).To(Equal(metav1.ConditionTrue))
		rollBack(ctx, name, "null", "two")
		f = read(ctx, name)
		Expect(f.Status.CurrentRevision).To(BeEquivalentTo(2))
		Expect(f.Status.Revisions).To(HaveLen(2))
		Expect(condition(f, corev1beta2.RolledBackCondition)).To(BeZero())

		answers := load.end(ctx)
		AddReportEntry("answers", answers)
		Expect(answers).To(And(HaveLen(2), HaveKey("one"), HaveKey("two")))
	}, NodeTimeout(5*time.Minute))

	It("get no request when they break, and the one before serves without a failed one", func(ctx SpecContext) {
		name := "breaks-" + engine
		serves(ctx, name, inSteps(name, "$WORKER", engine))
		load := startPodLoad(ctx, name, always)

		apply(ctx, inSteps(name, "$BROKEN", engine))
		f := becomes(ctx, name, corev1beta2.ServedCondition, metav1.ConditionFalse)
		served := condition(f, corev1beta2.ServedCondition)
		Expect(served.Reason).To(Equal(corev1beta2.RolloutStoppedReason))
		Expect(served.Message).To(ContainSubstring("exits with code 1"))
		Expect(f.Status.CurrentRevision).To(BeEquivalentTo(1))
		time.Sleep(10 * time.Second) // and it stays so
		answers := load.end(ctx)
		AddReportEntry("answers", answers)
		Expect(answers).To(And(HaveLen(1), HaveKey("one")))
		shown := tried(ctx, name)
		Expect([]int32{shown.Step, shown.Percent}).To(Equal([]int32{0, 0}))
		Expect(weights(ctx, name)).To(Equal([]int{100}))
	}, NodeTimeout(5*time.Minute))
}

var _ = Describe("versions on Knative", Label("knative", "router"), long, Ordered, ContinueOnFailure, func() { versionsTakeOver("knative") })

var _ = Describe("versions on the KEDA HTTP add-on", Label("keda-http", "router"), long, Ordered, ContinueOnFailure, func() { versionsTakeOver("keda") })
