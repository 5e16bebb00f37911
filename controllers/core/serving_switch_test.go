// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core/route"
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

// objectsOfRuns are the objects by which runs serve, pods and what Kubernetes makes of a Deployment left out.
func objectsOfRuns() []string {
	var found []string
	for _, o := range w.All() {
		ours := o.GetLabels()[corev1beta2.RunLabel] != "" && o.GetDeletionTimestamp() == nil
		if owner := metav1.GetControllerOf(o); ours && owner != nil && owner.Kind == "Serving" {
			found = append(found, o.GetKind()+"/"+o.GetName())
		}
	}
	return found
}

// appliedAt is when our Serving controller last changed an object, to the second: to see it takes a while longer on a busy machine.
func appliedAt(o client.Object) (at time.Time) {
	for _, entry := range o.GetManagedFields() {
		if entry.Manager == "openfunction-core/serving" && entry.Operation == metav1.ManagedFieldsOperationApply {
			at = entry.Time.Time
		}
	}
	ExpectWithOffset(1, at).NotTo(BeZero())
	return at
}

// routeOf is what a front tells the router.
func routeOf(ctx context.Context, name string) string {
	GinkgoHelper()
	return read[corev1.Service](ctx, name).Annotations[route.Annotation]
}

var _ = Describe("A Function that changes its run", func() {
	It("ends as if it had always been so, and touches nothing of others", func(ctx SpecContext) {
		want := map[string]kit.Snapshot{}
		for _, run := range []string{served, onKEDA(), onEvents()} {
			want[run] = scratch(ctx, function(unrecorded, run))
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
			apply(ctx, function(unrecorded, run))
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

	for _, way := range []struct{ from, to, toSlow, by string }{
		{from: served, to: onKEDA(), toSlow: onKEDA(slow), by: "deployments hello--http"},
		{from: onKEDA(), to: served, toSlow: lines("  serving:", "    triggers: {http: {port: 8080}}", slow), by: "services hello--knative"},
	} {
		It("drops no request: new objects, time to settle, the route, time to drain, and then the old go: to "+way.by, func(ctx SpecContext) {
			apply(ctx, function(way.from))
			ready(ctx)
			front, old := read[corev1.Service](ctx, "hello"), objectsOfRuns()
			apply(ctx, function(way.toSlow))
			eventually(ctx, "the new run to begin", func() bool {
				s := servingOf(ctx)
				return s.Status.ObservedGeneration == s.Generation && s.Status.State == corev1beta2.Starting && len(objectsOfRuns()) > len(old)
			})
			Expect(read[corev1.Service](ctx, "hello").ResourceVersion).To(Equal(front.ResourceVersion), "the old run serves")

			apply(ctx, function(way.to))
			var routed, gone time.Time
			eventually(ctx, "the route to change", func() bool {
				routed = time.Now()
				return routeOf(ctx, "hello") != front.Annotations[route.Annotation]
			})
			Expect(objectsOfRuns()).To(ContainElements(old), "requests that the old run still answers")
			for _, o := range w.All() {
				if name := o.GetKind() + "/" + o.GetName(); slices.Contains(objectsOfRuns(), name) && !slices.Contains(old, name) {
					Expect(routed).To(BeTemporally(">=", o.GetCreationTimestamp().Add(settle)), "the proxies have to learn of "+name)
				}
			}
			eventually(ctx, "the old objects to go", func() bool {
				gone = time.Now()
				return !slices.ContainsFunc(objectsOfRuns(), func(name string) bool { return slices.Contains(old, name) })
			})
			Expect(gone).To(BeTemporally(">=", appliedAt(read[corev1.Service](ctx, "hello")).Add(drain)))
			ready(ctx)
			Expect(read[corev1.Service](ctx, "hello").UID).To(Equal(front.UID), "the name never changes")
			Expect(did("patch services hello")).To(BeNumerically(">", 0))
		})
	}

	It("keeps the old run when the new one is broken", func(ctx SpecContext) {
		apply(ctx, function(served))
		ready(ctx)
		apply(ctx, function(onKEDA("    params: {MODE: kit-broken}")))
		stalled(ctx, corev1beta2.ImagePullFailedReason)
		Expect(absent[kservingv1.Service](ctx, "hello--knative")).To(BeFalse())
		Expect(routeOf(ctx, "hello")).To(ContainSubstring("hello--knative"))
		apply(ctx, function(served))
		eventually(ctx, "the broken run to go", func() bool { return len(w.Objects("Deployment")) == 0 })
		ready(ctx)
	})
})
