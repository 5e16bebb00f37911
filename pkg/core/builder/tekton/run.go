// SPDX-License-Identifier: Apache-2.0

package tekton

import (
	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/names"
)

// Run is the BuildRun on Tekton Pipelines.
type Run struct{}

var _ core.BuildRun = Run{}

// Name returns "tekton".
func (Run) Name() string { return "tekton" }

// Needs returns Tekton Pipelines.
func (Run) Needs() core.Provider {
	return core.Provider{
		Title:   "Tekton Pipelines",
		Kinds:   []schema.GroupVersionKind{tektonv1.SchemeGroupVersion.WithKind("TaskRun")},
		Install: "kubectl apply -f https://storage.googleapis.com/tekton-releases/pipeline/latest/release.yaml",
	}
}

// Desired returns the TaskRun and, for inline source, the ConfigMap that carries it.
func (Run) Desired(in core.BuildInput) ([]client.Object, error) {
	run, err := taskRun(in)
	if err != nil {
		return nil, err
	}
	if in.Builder.Spec.Source == nil {
		return []client.Object{run}, nil
	}
	source, err := inlineSource(in.Builder)
	if err != nil {
		return nil, err
	}
	return []client.Object{source, run}, nil
}

// inlineKey is the key of the ConfigMap that holds the files, as a JSON object from name to content: a ConfigMap's own keys
// cannot hold a path.
const inlineKey = "files.json"

func inlineSource(b *corev1beta2.Builder) (*corev1.ConfigMap, error) {
	files, err := names.Canonical(b.Spec.Source.Inline)
	if err != nil {
		return nil, err
	}
	return &corev1.ConfigMap{ObjectMeta: childMeta(b), Data: map[string]string{inlineKey: string(files)}}, nil
}

func childMeta(b *corev1beta2.Builder) metav1.ObjectMeta {
	labels := map[string]string{corev1beta2.ManagedLabel: "true", corev1beta2.BuilderLabel: b.Name}
	if function := b.Labels[corev1beta2.FunctionLabel]; function != "" {
		labels[corev1beta2.FunctionLabel] = function
	}
	return metav1.ObjectMeta{Name: b.Name, Namespace: b.Namespace, Labels: labels}
}
