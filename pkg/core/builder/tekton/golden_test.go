// SPDX-License-Identifier: Apache-2.0

package tekton_test

import (
	"encoding/json"
	"testing"

	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	"knative.dev/pkg/apis"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/builder/tekton"
	"github.com/openfunction/openfunction/test/golden"
)

var settings = core.BuildSettings{
	FetcherImage:    "registry.example.com/openfunction/fetcher:v1",
	DockerfileImage: "registry.example.com/openfunction/dockerfile:v1",
}

// TestGolden makes a build of every testdata/*.in.yaml (a Builder and, after ---, settings of the operator), and asks Tekton's own
// validation, as its webhook would, whether it takes it.
func TestGolden(t *testing.T) {
	golden.Run(t, func(t *testing.T, documents [][]byte) []client.Object {
		in := core.BuildInput{Builder: &corev1beta2.Builder{}, Settings: settings}
		golden.Decode(t, documents[0], in.Builder)
		if len(documents) > 1 {
			golden.Decode(t, documents[1], &in.Settings)
		}
		objects := desired(t, in)
		if again := desired(t, in); text(t, objects) != text(t, again) {
			t.Error("equal inputs gave different bytes")
		}
		return objects
	})
}

// desired returns what the run wants, after Tekton has agreed to it and the input was found unchanged.
func desired(t *testing.T, in core.BuildInput) []client.Object {
	t.Helper()
	before := text(t, in.Builder)
	objects, err := tekton.Run{}.Desired(in)
	if err != nil {
		t.Fatal(err)
	}
	if after := text(t, in.Builder); after != before {
		t.Errorf("the Builder was changed from %s to %s", before, after)
	}
	for _, object := range objects {
		kind := corev1.SchemeGroupVersion.WithKind("ConfigMap")
		if run, ok := object.(*tektonv1.TaskRun); ok {
			accepted(t, run)
			kind = tektonv1.SchemeGroupVersion.WithKind("TaskRun")
		}
		object.GetObjectKind().SetGroupVersionKind(kind)
	}
	return objects
}

// accepted defaults and validates a copy of the TaskRun as Tekton's webhook does.
func accepted(t *testing.T, run *tektonv1.TaskRun) {
	t.Helper()
	ctx := apis.WithinCreate(t.Context())
	run = run.DeepCopy()
	run.SetDefaults(ctx)
	if err := run.Validate(ctx); err != nil {
		t.Errorf("Tekton refuses the TaskRun: %v", err)
	}
}

func text(t *testing.T, value any) string {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}
