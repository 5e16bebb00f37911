// SPDX-License-Identifier: Apache-2.0

package serving_test

import (
	"testing"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"k8s.io/utils/ptr"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core/serving"
)

func TestFor(t *testing.T) {
	http := func(engine corev1beta2.Engine) *corev1beta2.Triggers {
		return &corev1beta2.Triggers{HTTP: &corev1beta2.HTTPTrigger{Engine: ptr.To(engine)}}
	}
	dapr := []corev1beta2.DaprTrigger{{Name: "orders", Topic: "new"}}
	keda := func(options corev1beta2.KedaScaleOptions) *corev1beta2.ScaleOptions {
		return &corev1beta2.ScaleOptions{Keda: &options}
	}
	kafka := []kedav1alpha1.ScaleTriggers{{Type: "kafka"}}
	for _, test := range []struct {
		name, because, want string
		spec                corev1beta2.ServingImpl
		// needs is how many kinds of engines must be installed.
		needs int
	}{
		{"Nothing", "a function answers HTTP by default", "knative", corev1beta2.ServingImpl{}, 1},
		{"HTTP", "Knative is the default engine", "knative", corev1beta2.ServingImpl{Triggers: &corev1beta2.Triggers{HTTP: &corev1beta2.HTTPTrigger{}}}, 1},
		{"EngineKnative", "the user says so", "knative", corev1beta2.ServingImpl{Triggers: http(corev1beta2.EngineKnative)}, 1},
		{"EngineKeda", "the user says so", "openfuncsync", corev1beta2.ServingImpl{Triggers: http(corev1beta2.EngineKeda)}, 3},
		{"HTTPScaledObject", "only KEDA reads it", "openfuncsync",
			corev1beta2.ServingImpl{ScaleOptions: keda(corev1beta2.KedaScaleOptions{HTTPScaledObject: &corev1beta2.HTTPScaledObject{}})}, 3},
		{"HTTPAndEvents", "who answers HTTP is found by the HTTP trigger", "knative",
			corev1beta2.ServingImpl{Triggers: &corev1beta2.Triggers{HTTP: &corev1beta2.HTTPTrigger{}, Dapr: dapr}}, 1},
		{"Events", "no HTTP request calls it, and it has one copy", "openfuncasync", corev1beta2.ServingImpl{Triggers: &corev1beta2.Triggers{Dapr: dapr}}, 0},
		{"ScaledEvents", "KEDA counts its copies", "openfuncasync", corev1beta2.ServingImpl{Triggers: &corev1beta2.Triggers{Dapr: dapr},
			ScaleOptions: &corev1beta2.ScaleOptions{MaxReplicas: ptr.To[int32](3)}}, 2},
		{"KedaTriggers", "KEDA calls it into being", "openfuncasync", corev1beta2.ServingImpl{ScaleOptions: keda(corev1beta2.KedaScaleOptions{Triggers: kafka})}, 2},
		{"ScaledObjectWithoutTrigger", "nothing could scale it", "openfuncasync",
			corev1beta2.ServingImpl{ScaleOptions: keda(corev1beta2.KedaScaleOptions{ScaledObject: &corev1beta2.KedaScaledObject{}})}, 0},
		{"Job", "it runs once", "openfuncasync", corev1beta2.ServingImpl{WorkloadType: corev1beta2.WorkloadTypeJob}, 0},
		{"JobForEvents", "KEDA starts the Jobs", "openfuncasync",
			corev1beta2.ServingImpl{WorkloadType: corev1beta2.WorkloadTypeJob, Triggers: &corev1beta2.Triggers{Dapr: dapr}}, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &corev1beta2.Serving{}
			s.Spec.ServingImpl = test.spec
			run := serving.For(s)
			if run.Name() != test.want {
				t.Errorf("%s: got %s", test.because, run.Name())
			}
			if kinds := run.Needs().Kinds; len(kinds) != test.needs {
				t.Errorf("%s: it needs %v", test.because, kinds)
			}
		})
	}
}

func TestRunsHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, run := range serving.Runs() {
		if seen[run.Name()] {
			t.Errorf("two runs are named %s, and each would take the other's pods for its own", run.Name())
		}
		if seen[run.Name()] = true; len(run.Needs().Kinds) == 0 {
			t.Errorf("%s says nothing of what it may need, so nobody waits for it", run.Name())
		}
	}
}
