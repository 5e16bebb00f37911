// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	"context"
	"fmt"
	"maps"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/test/kit"
)

// scratch is how a world looks in which the manifest was all that ever was.
func scratch(ctx context.Context, manifest string) kit.Snapshot {
	GinkgoHelper()
	ours := w
	defer func() { w = ours }()
	var err error
	w, err = cp.NewWorld(ctx)
	Expect(err).NotTo(HaveOccurred())
	apply(ctx, manifest)
	settled(ctx)
	return w.Snapshot()
}

// strangers are objects of somebody else, with labels like ours and names that ours could have.
func strangers() []client.Object {
	labels := map[string]string{corev1beta2.ServingLabel: "hello", corev1beta2.ManagedLabel: "true", corev1beta2.RunLabel: "openfuncasync"}
	meta := metav1.ObjectMeta{Name: "stranger", Namespace: w.Namespace, Labels: labels}
	selector := map[string]string{"app": "stranger"}
	return []client.Object{
		&appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](0), Selector: &metav1.LabelSelector{MatchLabels: selector},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: selector},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}}}}},
		&corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}},
	}
}

var _ = Describe("A Function that changes its run", func() {
	It("ends as if it had always been so, and touches nothing of others", func(ctx SpecContext) {
		want := map[string]kit.Snapshot{}
		for _, run := range []string{served, onKEDA(), onEvents()} {
			want[run] = scratch(ctx, function(run))
		}
		var theirs []client.Object
		for _, stranger := range strangers() {
			Expect(cp.Client.Create(ctx, stranger)).To(Succeed())
			theirs = append(theirs, stranger)
		}
		eventually(ctx, "the stranger's Deployment to be looked at", func() bool {
			return read[appsv1.Deployment](ctx, "stranger").Status.ObservedGeneration == 1
		})
		before := map[string]string{}
		for _, stranger := range theirs {
			Expect(w.Get(ctx, stranger.GetName(), stranger)).To(Succeed())
			before[stranger.GetName()+string(stranger.GetUID())] = stranger.GetResourceVersion()
		}
		for _, run := range []string{served, onKEDA(), onEvents(), served, onEvents(), onKEDA(), served} {
			apply(ctx, function(run))
			Expect(w.Eventually(ctx, "the world to be as from scratch", func() (bool, error) {
				is := w.Snapshot()
				maps.DeleteFunc(is, func(name, _ string) bool { return strings.HasSuffix(name, "/stranger") })
				if diff := want[run].Diff(is); diff != "" {
					return false, fmt.Errorf("- from scratch, + on this path:\n%s", diff)
				}
				return true, nil
			})).To(Succeed())
			ready(ctx)
		}
		for _, stranger := range theirs {
			Expect(w.Get(ctx, stranger.GetName(), stranger)).To(Succeed())
			Expect(stranger.GetResourceVersion()).To(Equal(before[stranger.GetName()+string(stranger.GetUID())]))
			remove(ctx, stranger)
		}
		eventually(ctx, "the strangers to go", func() bool {
			return absent[appsv1.Deployment](ctx, "stranger") && absent[corev1.Service](ctx, "stranger")
		})
	})

	It("from Knative to KEDA serves on Knative until KEDA's is ready", func(ctx SpecContext) {
		apply(ctx, function(served))
		ready(ctx)
		old := read[kservingv1.Service](ctx, "hello")
		apply(ctx, function(onKEDA(slow)))
		starting(ctx, "hello-http")
		Expect(read[kservingv1.Service](ctx, "hello").UID).To(Equal(old.UID))
		Expect(metav1.GetControllerOf(read[corev1.Service](ctx, "hello")).Kind).To(Equal("Route"), "the name is Knative's")
		apply(ctx, function(onKEDA()))
		ready(ctx)
		eventually(ctx, "the Knative Service to go", func() bool { return absent[kservingv1.Service](ctx, "hello") })
		eventually(ctx, "the name to be ours", func() bool {
			front := &corev1.Service{}
			return w.Get(ctx, "hello", front) == nil && metav1.IsControlledBy(front, servingOf(ctx))
		})
		ready(ctx)
	})

	It("from KEDA to Knative serves through the interceptor until Knative's revision is ready", func(ctx SpecContext) {
		apply(ctx, function(onKEDA()))
		ready(ctx)
		front := read[corev1.Service](ctx, "hello")
		apply(ctx, function(lines("  serving:", "    triggers: {http: {port: 8080}}", slow)))
		eventually(ctx, "Knative to begin", func() bool {
			service := &kservingv1.Service{}
			return w.Get(ctx, "hello", service) == nil && service.Status.ObservedGeneration == service.Generation
		})
		eventually(ctx, "the Serving to start", func() bool {
			s := servingOf(ctx)
			return s.Status.ObservedGeneration == s.Generation && s.Status.State == corev1beta2.Starting
		})
		Expect(read[corev1.Service](ctx, "hello").UID).To(Equal(front.UID))
		read[appsv1.Deployment](ctx, "hello-http")
		apply(ctx, function(served))
		ready(ctx)
		Expect(metav1.GetControllerOf(read[corev1.Service](ctx, "hello")).Kind).To(Equal("Route"))
		eventually(ctx, "the Deployment to go", func() bool { return absent[appsv1.Deployment](ctx, "hello-http") })
		Expect(did("delete services hello")).To(BeNumerically("<", did("delete deployments hello-http")), "the name first, the copies when the new ones serve")
	})

	It("keeps the old run when the new one is broken", func(ctx SpecContext) {
		apply(ctx, function(served))
		ready(ctx)
		apply(ctx, function(onKEDA("    params: {MODE: kit-broken}")))
		stalled(ctx, corev1beta2.ImagePullFailedReason)
		Expect(absent[kservingv1.Service](ctx, "hello")).To(BeFalse())
		apply(ctx, function(served))
		eventually(ctx, "the broken run to go", func() bool { return len(w.Objects("Deployment")) == 0 })
		ready(ctx)
	})
})
