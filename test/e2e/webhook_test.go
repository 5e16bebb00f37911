// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta1 "github.com/openfunction/openfunction/apis/core/v1beta1"
)

// platformNamespace is where the parts of the platform run.
const platformNamespace = "openfunction"

// webhookPods select the pods of the conversion webhook.
var webhookPods = client.MatchingLabels{"app.kubernetes.io/component": "webhook"}

// converted is a Function that is read in v1beta1.
const converted = "converted"

// The specs disturb what every read and write of v1beta1 goes through. Others run meanwhile, as no request may fail.
var _ = Describe("the conversion between versions", Label("webhook"), long, Ordered, func() {
	BeforeAll(applyConverted)

	It("goes on while its pods are replaced one after the other", func(ctx SpecContext) {
		reads := startReads(ctx, converted)
		kubectl(ctx, "-n", platformNamespace, "rollout", "restart", "deployment/openfunction-webhook")
		Expect(kubectl(ctx, "-n", platformNamespace, "rollout", "status", "deployment/openfunction-webhook", "--timeout=120s")).To(ContainSubstring("successfully rolled out"))
		eventuallyTwoWebhooks(ctx)
		Expect(reads.stop()).To(BeEmpty())
	})

	It("goes on when its certificate, and then all of its Secret, is made anew", func(ctx SpecContext) {
		reads := startReads(ctx, converted)
		before := certificateSecret(ctx)
		patch := client.RawPatch(types.MergePatchType, []byte(`{"data":{"tls.crt":null,"tls.key":null}}`))
		Expect(c.Patch(ctx, before.DeepCopy(), patch)).To(Succeed())
		Eventually(ctx, func() string { return string(certificateSecret(ctx).Data["tls.crt"]) }).ShouldNot(Or(BeEmpty(), Equal(string(before.Data["tls.crt"]))))
		Expect(certificateSecret(ctx).Data["ca.crt"]).To(Equal(before.Data["ca.crt"]))

		before = certificateSecret(ctx)
		Expect(c.Delete(ctx, before.DeepCopy())).To(Succeed())
		time.Sleep(3 * time.Second) // nobody has a Secret
		Expect(c.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: before.Name, Namespace: before.Namespace, Labels: before.Labels}})).To(Succeed())
		Eventually(ctx, func() []byte { return certificateSecret(ctx).Data["ca.crt"] }).ShouldNot(Or(BeEmpty(), Equal(before.Data["ca.crt"])))
		// The API server has a minute to hear of the new authority.
		Eventually(ctx, func() string { return string(certificateSecret(ctx).Data["tls.crt"]) }).ShouldNot(Or(BeEmpty(), Equal(string(before.Data["tls.crt"]))))
		time.Sleep(3 * time.Second) // both replicas serve it
		Expect(reads.stop()).To(BeEmpty())
	})
})

// What a pod works on when it is killed is lost with it, and the API server does not ask again: nothing else runs meanwhile.
var _ = Describe("the conversion between versions", Label("webhook"), Serial, func() {
	It("goes on at once when a pod is killed", func(ctx SpecContext) {
		applyConverted(ctx)
		reads := startReads(ctx, converted)
		for _, pod := range webhooks(ctx) {
			Expect(c.Delete(ctx, &pod, client.GracePeriodSeconds(0))).To(Succeed())
			eventuallyTwoWebhooks(ctx)
			reads.succeed(ctx)
		}
		reads.stop()
	})
})

// applyConverted applies it until the spec, or the container, is over.
func applyConverted(ctx SpecContext) {
	GinkgoHelper()
	apply(ctx, "metadata: {name: "+converted+"}\nspec: {image: $WORKER, serving: {scaleOptions: {minReplicas: 0}}}")
	DeferCleanup(func(ctx SpecContext) { Expect(c.Delete(ctx, read(ctx, converted))).To(Succeed()) })
	Eventually(ctx, func() error { _, err := readOld(ctx, converted); return err }).Should(Succeed())
}

// certificateSecret is the Secret in which the webhook keeps its certificate.
func certificateSecret(ctx context.Context) *corev1.Secret {
	GinkgoHelper()
	secret := &corev1.Secret{}
	Expect(c.Get(ctx, client.ObjectKey{Namespace: platformNamespace, Name: "openfunction-webhook-certificate"}, secret)).To(Succeed())
	return secret
}

// readOld reads a Function in v1beta1.
func readOld(ctx context.Context, name string) (*unstructured.Unstructured, error) {
	f := &unstructured.Unstructured{}
	f.SetGroupVersionKind(corev1beta1.GroupVersion.WithKind("Function"))
	return f, c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, f)
}

// webhooks are the pods of the webhook that are there to stay.
func webhooks(ctx context.Context) []corev1.Pod {
	GinkgoHelper()
	list := &corev1.PodList{}
	Expect(c.List(ctx, list, client.InNamespace(platformNamespace), webhookPods)).To(Succeed())
	var ready []corev1.Pod
	for _, pod := range list.Items {
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil {
				ready = append(ready, pod)
			}
		}
	}
	return ready
}

func eventuallyTwoWebhooks(ctx context.Context) {
	GinkgoHelper()
	Eventually(ctx, func() int { return len(webhooks(ctx)) }).Should(Equal(2), "pods of the webhook that are ready")
}

// reads are constant reads of one object in v1beta1.
type reads struct {
	cancel   context.CancelFunc
	done     sync.WaitGroup
	mu       sync.Mutex
	made     int
	slowest  time.Duration
	failures []string
}

// startReads has four readers ask over and over.
func startReads(ctx context.Context, name string) *reads {
	ctx, cancel := context.WithCancel(ctx)
	r := &reads{cancel: cancel}
	for range 4 {
		r.done.Go(func() {
			for ctx.Err() == nil {
				start := time.Now()
				_, err := readOld(context.WithoutCancel(ctx), name)
				r.note(start, err)
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	return r
}

func (r *reads) note(start time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made++
	r.slowest = max(r.slowest, time.Since(start))
	if err != nil {
		r.failures = append(r.failures, fmt.Sprint(start.Format(time.TimeOnly), " ", err))
	}
}

// succeed waits until twenty reads in a row did.
func (r *reads) succeed(ctx context.Context) {
	GinkgoHelper()
	count := func() (made, failed int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.made, len(r.failures)
	}
	made, failed := count()
	Eventually(ctx, func() int {
		nowMade, nowFailed := count()
		if nowFailed > failed {
			made, failed = nowMade, nowFailed
		}
		return nowMade - made
	}).WithTimeout(10*time.Second).Should(BeNumerically(">=", 20), "reads since the last that failed")
}

// stop ends the readers, reports how they fared and returns what failed.
func (r *reads) stop() []string {
	r.cancel()
	r.done.Wait()
	AddReportEntry("reads", fmt.Sprintf("%d, %d failed, the slowest took %s", r.made, len(r.failures), r.slowest.Round(time.Millisecond)))
	for _, failure := range r.failures {
		AddReportEntry("failed", failure)
	}
	return r.failures
}
