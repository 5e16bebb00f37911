// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/test/kit"
)

// What the specs of the Servings have in common: manifests, and questions about the world.

// onKEDA is a serving through KEDA's HTTP add-on; each of more is a line of it.
func onKEDA(more ...string) string {
	return lines("  serving:", append([]string{"    triggers: {http: {port: 8080, engine: keda}}"}, more...)...)
}

// onEvents is a serving that a binding of Dapr triggers; each of more is a line of it.
func onEvents(more ...string) string {
	return lines("  serving:", append([]string{
		"    triggers: {dapr: [{name: in}]}",
		"    bindings: {in: {type: bindings.cron, version: v1, metadata: [{name: schedule, value: '@every 1s'}]}}",
		"    scaleOptions: {maxReplicas: 3}",
		probed,
	}, more...)...)
}

// onQueue is a serving that fetches its events itself, and that a trigger of KEDA scales. A probe tells when it is ready.
func onQueue(workload, word string, more ...string) string {
	return lines("  serving:", append([]string{
		"    workloadType: " + workload,
		"    scaleOptions: {keda: {triggers: [{type: redis, metadata: {listName: " + word + "}}]}}",
		probed,
	}, more...)...)
}

// probed says when a copy is ready, so that it need not run for a while to count.
const probed = "    template: {containers: [{name: function, readinessProbe: {exec: {command: [ready]}}}]}"

func lines(first string, more ...string) string { return first + "\n" + strings.Join(more, "\n") }

// mode is where daprd runs.
func mode(m corev1beta2.DaprMode) string { return "    dapr: {mode: " + string(m) + "}" }

// slow keeps the pods of a version from ever getting ready.
const slow = "    params: {MODE: " + kit.WordSlow + "}"

// absent tells that an object is gone or going.
func absent[T any, P interface {
	*T
	client.Object
}](ctx context.Context, name string) bool {
	GinkgoHelper()
	object := P(new(T))
	err := w.Get(ctx, name, object)
	if !apierrors.IsNotFound(err) {
		Expect(err).NotTo(HaveOccurred())
	}
	return err != nil || object.GetDeletionTimestamp() != nil
}

// servingOf is the Function's Serving.
func servingOf(ctx context.Context) *corev1beta2.Serving {
	GinkgoHelper()
	return read[corev1beta2.Serving](ctx, "hello")
}

// ready waits until the Function serves its current spec.
func ready(ctx context.Context) {
	GinkgoHelper()
	settled(ctx)
	is := condition(hello(ctx), "Ready")
	Expect(is.Status).To(Equal(metav1.ConditionTrue), is.Message)
}

// stalled waits until the Function cannot go on, and returns why.
func stalled(ctx context.Context, reason string) metav1.Condition {
	GinkgoHelper()
	settled(ctx)
	found := condition(hello(ctx), "Stalled")
	Expect(found.Reason).To(Equal(reason), found.Message)
	return found
}

// resting waits until a Deployment has no copies.
func resting(ctx context.Context, name string) *appsv1.Deployment {
	GinkgoHelper()
	d := &appsv1.Deployment{}
	eventually(ctx, "Deployment "+name+" to rest", func() bool {
		return w.Get(ctx, name, d) == nil && d.Status.ObservedGeneration == d.Generation && *d.Spec.Replicas == 0 && d.Status.Replicas == 0
	})
	return d
}

// starting waits until a Deployment of the current version has a copy that is not ready, and the Serving says that it waits.
func starting(ctx context.Context, name string) *appsv1.Deployment {
	GinkgoHelper()
	d := &appsv1.Deployment{}
	eventually(ctx, "a copy of "+name+" to start", func() bool {
		return w.Get(ctx, name, d) == nil && d.Status.ObservedGeneration == d.Generation && d.Status.UnavailableReplicas > 0
	})
	eventually(ctx, "the Serving to start", func() bool {
		s := servingOf(ctx)
		return s.Status.ObservedGeneration == s.Generation && s.Status.State == corev1beta2.Starting
	})
	return d
}

// functionIn is the function container of a pod.
func functionIn(pod corev1.PodSpec) corev1.Container {
	GinkgoHelper()
	i := slices.IndexFunc(pod.Containers, func(c corev1.Container) bool { return c.Name == "function" })
	Expect(i).To(BeNumerically(">=", 0))
	return pod.Containers[i]
}

// variable is a variable of a container's environment.
func variable(container corev1.Container, name string) corev1.EnvVar {
	for _, v := range container.Env {
		if v.Name == name {
			return v
		}
	}
	return corev1.EnvVar{}
}

// functionContext is FUNC_CONTEXT of a pod.
func functionContext(pod corev1.PodSpec) map[string]any {
	GinkgoHelper()
	tree := map[string]any{}
	Expect(json.Unmarshal([]byte(variable(functionIn(pod), "FUNC_CONTEXT").Value), &tree)).To(Succeed())
	return tree
}

// writes are those of the controllers in this world.
func writes() []kit.Write {
	return slices.DeleteFunc(recorder.Writes(), func(write kit.Write) bool { return write.Namespace != w.Namespace })
}

// did is the place of the last write of a kind, and -1 when there is none.
func did(what string) int {
	last := -1
	for i, write := range writes() {
		if write.What() == what {
			last = i
		}
	}
	return last
}

// remove deletes an object as a user would.
func remove(ctx context.Context, object client.Object) {
	GinkgoHelper()
	Expect(cp.Client.Delete(ctx, object)).To(Succeed())
}

// comesBack deletes an object as somebody else would, and waits for another of its name.
func comesBack[T any, P interface {
	*T
	client.Object
}](ctx context.Context, name string) {
	GinkgoHelper()
	before := read[T, P](ctx, name)
	remove(ctx, before)
	eventually(ctx, name+" to be back", func() bool {
		again := P(new(T))
		return w.Get(ctx, name, again) == nil && again.GetUID() != before.GetUID()
	})
}

// text is an object as the API server shows it.
func text(o *unstructured.Unstructured) string {
	GinkgoHelper()
	data, err := o.MarshalJSON()
	Expect(err).NotTo(HaveOccurred())
	return string(data)
}
