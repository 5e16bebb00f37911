// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

var _ = Describe("a function", Label("tekton", "knative"), long, Ordered, func() {
	const name = "inline"

	It("is built from inline source and answers", func(ctx SpecContext) {
		apply(ctx, inline(name, "one"))
		f := ready(ctx, name)
		Expect(get(ctx, f)).To(Equal("one"))
		Expect(kubectl(ctx, "get", "fn", name)).To(MatchRegexp(`%s +Succeeded +Running`, name))
	})

	It("goes to zero and comes back", func(ctx SpecContext) {
		Eventually(ctx, func() int { return pods(ctx, name) }).Should(BeZero())
		Expect(ready(ctx, name).Status.Serving.State).To(Equal(corev1beta2.Running))
		Expect(get(ctx, read(ctx, name))).To(Equal("one"))
		Expect(pods(ctx, name)).To(BeNumerically(">", 0))
	})

	It("is updated under load without a failed request", func(ctx SpecContext) {
		f := ready(ctx, name)
		load := startLoad(ctx, f)
		apply(ctx, inline(name, "two"))
		Eventually(ctx, func() string { text, _ := get(ctx, f); return text }).Should(Equal("two"))
		ready(ctx, name)
		time.Sleep(2 * time.Second) // the old revision is still going away
		answers, failures := load.stop()
		Expect(failures).To(BeEmpty(), "of %d requests", answers["one"]+answers["two"])
		Expect(answers["one"]).To(BeNumerically(">", 0))
		Expect(answers["two"]).To(BeNumerically(">", 0))
		AddReportEntry("answers", answers)
	})

	It("keeps the old version serving when the new one is broken, and says why", func(ctx SpecContext) {
		apply(ctx, inlineOf(name, greeting("three")+"\nfunc init() { panic(1) }\n"))
		f := becomes(ctx, name, corev1beta2.ServedCondition, metav1.ConditionFalse)
		Expect(condition(f, corev1beta2.ServedCondition).Message).To(And(ContainSubstring("exits with code 2"), ContainSubstring("previous version keeps serving")))
		Expect(get(ctx, f)).To(Equal("two"))
		apply(ctx, inline(name, "four"))
		Eventually(ctx, func() string { text, _ := get(ctx, ready(ctx, name)); return text }).Should(Equal("four"))
	})

	It("serves spec.image when build is removed", func(ctx SpecContext) {
		image := ready(ctx, name).Status.Image
		before := read(ctx, name)
		f := before.DeepCopy()
		f.Spec.Build, f.Spec.Image = nil, image
		Expect(c.Patch(ctx, f, client.MergeFrom(before))).To(Succeed())
		Eventually(ctx, func() string { return ready(ctx, name).Status.Build.State }).Should(Equal(corev1beta2.Skipped))
		Expect(get(ctx, ready(ctx, name))).To(Equal("four"))
	})

	It("says within a minute that its image cannot be pulled", func(ctx SpecContext) {
		apply(ctx, "metadata: {name: no-image}\nspec: {image: $REGISTRY/e2e/nothing:here, serving: {}}")
		f := becomes(ctx, "no-image", corev1beta2.ServedCondition, metav1.ConditionFalse)
		Expect(condition(f, corev1beta2.ServedCondition).Reason).To(Equal(corev1beta2.ImagePullFailedReason))
	})

	It("leaves nothing behind when it is deleted", func(ctx SpecContext) {
		Expect(c.Delete(ctx, read(ctx, name))).To(Succeed())
		Eventually(ctx, func() ([]string, error) {
			return named(ctx, &corev1beta2.FunctionList{}, &corev1beta2.BuilderList{}, &corev1beta2.ServingList{}, &tektonv1.TaskRunList{},
				&kservingv1.ServiceList{}, &kservingv1.RevisionList{}, &appsv1.DeploymentList{}, &corev1.ServiceList{}, &corev1.ConfigMapList{}, &corev1.PodList{})
		}).ShouldNot(ContainElement(belongTo(name)))
	})
})

// load is a stream of requests to one function, one after the other and twenty a second at most.
type load struct {
	cancel   context.CancelFunc
	done     sync.WaitGroup
	answers  map[string]int
	failures []string
}

func startLoad(ctx context.Context, f *corev1beta2.Function) *load {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	l := &load{cancel: cancel, answers: map[string]int{}}
	l.done.Go(func() {
		for ctx.Err() == nil {
			text, err := get(context.WithoutCancel(ctx), f)
			if err != nil {
				l.failures = append(l.failures, fmt.Sprint(time.Now().Format(time.TimeOnly), " ", err))
			} else {
				l.answers[text]++
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	return l
}

func (l *load) stop() (answers map[string]int, failures []string) {
	l.cancel()
	l.done.Wait()
	return l.answers, l.failures
}
