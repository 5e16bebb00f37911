// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"fmt"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"
	ctrlbuilder "sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlevent "sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core/builder/tekton"
	"github.com/openfunction/openfunction/pkg/core/podsecurity"
	"github.com/openfunction/openfunction/pkg/enqueue"
	"github.com/openfunction/openfunction/pkg/problem"
)

// +kubebuilder:rbac:groups="",resources=namespaces,verbs=list;watch

// namespaceMetadata is the object to read and watch namespaces by.
func namespaceMetadata() *metav1.PartialObjectMetadata {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return namespace
}

// enforcedIn reads which Pod Security level a namespace enforces; "" when it names none.
func enforcedIn(ctx context.Context, c client.Reader, name string) (string, error) {
	namespace := namespaceMetadata()
	if err := c.Get(ctx, types.NamespacedName{Name: name}, namespace); err != nil {
		return "", fmt.Errorf("reading namespace %s: %w", name, err)
	}
	return namespace.Labels[podsecurity.EnforceLabel], nil
}

// enqueueIn asks for every object of a list that is in a namespace whose labels have changed so that it matters.
func enqueueIn(c client.Reader, list client.ObjectList, matters func(before, after map[string]string) bool) (handler.EventHandler, ctrlbuilder.WatchesOption) {
	ask := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, namespace client.Object) []reconcile.Request {
		return enqueue.Every(ctx, c, list, client.InNamespace(namespace.GetName()))
	})
	return ask, ctrlbuilder.WithPredicates(predicate.Funcs{
		CreateFunc: func(ctrlevent.CreateEvent) bool { return false },
		UpdateFunc: func(e ctrlevent.UpdateEvent) bool { return matters(e.ObjectOld.GetLabels(), e.ObjectNew.GetLabels()) },
		DeleteFunc: func(ctrlevent.DeleteEvent) bool { return false },
	})
}

// isAnotherLevel tells whether another Pod Security level is enforced.
func isAnotherLevel(before, after map[string]string) bool {
	return before[podsecurity.EnforceLabel] != after[podsecurity.EnforceLabel]
}

// resolveNamespace reads what the namespace asks of pods.
func (r *ServingReconciler) resolveNamespace(ctx context.Context, v *servingVisit) (err error) {
	v.input.PodSecurity, err = enforcedIn(ctx, r, v.serving.Namespace)
	return err
}

// checkPods refuses pods that the namespace would: of most workloads nobody would hear of it.
func (r *ServingReconciler) checkPods(_ context.Context, v *servingVisit) error {
	level := v.input.PodSecurity
	for _, child := range v.desired {
		pod := podOf(child)
		if pod == nil {
			continue
		}
		if broken := podsecurity.Violations(level, pod); broken != "" {
			template := "spec.template"
			if v.serving.Labels[corev1beta2.FunctionLabel] != "" {
				template = "spec.serving.template"
			}
			return problem.Stalled(corev1beta2.PodSecurityReason, "Namespace %s enforces Pod Security %q; mend %s: %s",
				v.serving.Namespace, level, template, broken)
		}
	}
	return nil
}

// podOf is the template of the pods that an object makes; nil when it makes none.
func podOf(object client.Object) *corev1.PodTemplateSpec {
	switch o := object.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template
	case *appsv1.StatefulSet:
		return &o.Spec.Template
	case *appsv1.DaemonSet:
		return &o.Spec.Template
	case *batchv1.Job:
		return &o.Spec.Template
	case *kedav1alpha1.ScaledJob:
		if o.Spec.JobTargetRef != nil {
			return &o.Spec.JobTargetRef.Template
		}
	case *kservingv1.Service:
		template := o.Spec.Template
		return &corev1.PodTemplateSpec{ObjectMeta: template.ObjectMeta, Spec: template.Spec.PodSpec}
	case *tektonv1.TaskRun:
		return tekton.Pod(o)
	}
	return nil
}

// checkSteps refuses a build that the namespace would, which Tekton takes for the end of the build.
func (r *BuilderReconciler) checkSteps(ctx context.Context, b *corev1beta2.Builder, objects []client.Object) error {
	level, err := enforcedIn(ctx, r, b.Namespace)
	if err != nil {
		return err
	}
	for _, object := range objects {
		pod := podOf(object)
		if pod == nil {
			continue
		}
		if broken := podsecurity.Violations(level, pod); broken != "" {
			return problem.Stalled(corev1beta2.PodSecurityReason, "Namespace %s enforces Pod Security %q, and a Dockerfile is built as root; "+
				"use a buildpacks builder (build.builder), or a namespace that enforces %q: %s", b.Namespace, level, "baseline", broken)
		}
	}
	return nil
}
