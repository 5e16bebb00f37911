// SPDX-License-Identifier: Apache-2.0

package openfuncsync_test

import (
	"encoding/json"
	"testing"

	httpv1alpha1 "github.com/kedacore/http-add-on/operator/apis/http/v1alpha1"
	httpv1beta1 "github.com/kedacore/http-add-on/operator/apis/http/v1beta1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/serving/openfuncsync"
	"github.com/openfunction/openfunction/test/golden"
)

// surroundings is the second document of a case: what a run depends on besides the Serving.
type surroundings struct {
	// Started tells that the version has started before.
	Started bool `json:"started"`
}

// TestGolden serves every Serving of testdata/*.in.yaml.
func TestGolden(t *testing.T) {
	kinds := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, httpv1alpha1.AddToScheme, httpv1beta1.AddToScheme} {
		if err := add(kinds); err != nil {
			t.Fatal(err)
		}
	}
	golden.Run(t, func(t *testing.T, documents [][]byte) []client.Object {
		s := &corev1beta2.Serving{}
		golden.Decode(t, documents[0], s)
		in := input(s)
		if len(documents) > 1 {
			around := surroundings{}
			golden.Decode(t, documents[1], &around)
			if around.Started {
				in.Started = version(t, in)
			}
		}
		objects := desired(t, in)
		if again := desired(t, in); text(t, objects) != text(t, again) {
			t.Error("equal inputs gave different bytes")
		}
		for _, object := range objects {
			kind, err := apiutil.GVKForObject(object, kinds)
			if err != nil {
				t.Fatal(err)
			}
			object.GetObjectKind().SetGroupVersionKind(kind)
		}
		return objects
	})
}

func input(s *corev1beta2.Serving) core.Input {
	return core.Input{Serving: s, ClusterDomain: "cluster.local", Settings: core.ServingSettings{
		Interceptor: types.NamespacedName{Namespace: "keda", Name: "interceptor"}}}
}

func version(t *testing.T, in core.Input) string {
	t.Helper()
	version, err := openfuncsync.Run{}.Version(in)
	if err != nil || version == "" {
		t.Fatalf("version %q: %v", version, err)
	}
	return version
}

// desired returns what the run makes, after the Serving was found unchanged.
func desired(t *testing.T, in core.Input) []client.Object {
	t.Helper()
	before := text(t, in.Serving)
	objects, err := openfuncsync.Run{}.Desired(in)
	if err != nil {
		t.Fatal(err)
	}
	if after := text(t, in.Serving); after != before {
		t.Errorf("the Serving was changed from %s to %s", before, after)
	}
	return objects
}

func text(t *testing.T, value any) string {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}
