// SPDX-License-Identifier: Apache-2.0

package openfuncasync_test

import (
	"encoding/json"
	"testing"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/serving/openfuncasync"
	"github.com/openfunction/openfunction/test/golden"
)

// surroundings is the second document of a case: what a run depends on besides the Serving.
type surroundings struct {
	// Started tells that the version has started before.
	Started bool `json:"started"`
	// Components are the types of the existing Components.
	Components map[string]string `json:"components"`
}

// TestGolden serves every Serving of testdata/*.in.yaml, and asks KEDA's own checks, as its webhook would, whether it takes the scaler.
func TestGolden(t *testing.T) {
	kinds := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, kedav1alpha1.AddToScheme} {
		if err := add(kinds); err != nil {
			t.Fatal(err)
		}
	}
	golden.Run(t, func(t *testing.T, documents [][]byte) []client.Object {
		s := &corev1beta2.Serving{}
		golden.Decode(t, documents[0], s)
		around := surroundings{}
		if len(documents) > 1 {
			golden.Decode(t, documents[1], &around)
		}
		in := core.Input{Serving: s, ClusterDomain: "cluster.local", Components: around.Components}
		if around.Started {
			in.Started = version(t, in)
		}
		objects := desired(t, in)
		if again := desired(t, in); text(t, objects) != text(t, again) {
			t.Error("equal inputs gave different bytes")
		}
		needed := map[string]bool{}
		for _, kind := range openfuncasync.For(s).Needs().Kinds {
			needed[kind.String()] = true
		}
		for _, object := range objects {
			kind, err := apiutil.GVKForObject(object, kinds)
			if err != nil {
				t.Fatal(err)
			}
			if kind.Group == kedav1alpha1.GroupVersion.Group && !needed[kind.String()] {
				t.Errorf("a %s is made, but KEDA is not said to be needed", kind.Kind)
			}
			object.GetObjectKind().SetGroupVersionKind(kind)
			accepted(t, object)
		}
		return objects
	})
}

func version(t *testing.T, in core.Input) string {
	t.Helper()
	version, err := openfuncasync.Run{}.Version(in)
	if err != nil || version == "" {
		t.Fatalf("version %q: %v", version, err)
	}
	return version
}

// desired returns what the run makes, after the Serving was found unchanged.
func desired(t *testing.T, in core.Input) []client.Object {
	t.Helper()
	before := text(t, in.Serving)
	objects, err := openfuncasync.For(in.Serving).Desired(in)
	if err != nil {
		t.Fatal(err)
	}
	if after := text(t, in.Serving); after != before {
		t.Errorf("the Serving was changed from %s to %s", before, after)
	}
	return objects
}

// accepted has KEDA check its own objects.
func accepted(t *testing.T, object client.Object) {
	t.Helper()
	var triggers []kedav1alpha1.ScaleTriggers
	switch scaler := object.(type) {
	case *kedav1alpha1.ScaledObject:
		triggers = scaler.Spec.Triggers
		if err := kedav1alpha1.CheckReplicaCountBoundsAreValid(scaler); err != nil {
			t.Error(err)
		}
		if err := kedav1alpha1.CheckFallbackValid(scaler); err != nil {
			t.Error(err)
		}
	case *kedav1alpha1.ScaledJob:
		triggers = scaler.Spec.Triggers
	default:
		return
	}
	if err := kedav1alpha1.ValidateTriggers(triggers); err != nil {
		t.Error(err)
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
