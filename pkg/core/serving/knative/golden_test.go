// SPDX-License-Identifier: Apache-2.0

package knative_test

import (
	"encoding/json"
	"testing"

	"knative.dev/pkg/apis"
	"knative.dev/serving/pkg/apis/config"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/serving/knative"
	"github.com/openfunction/openfunction/test/golden"
)

// TestGolden serves every Serving of testdata/*.in.yaml, and asks Knative's own validation, as its webhook would, whether it takes
// the Service.
func TestGolden(t *testing.T) {
	golden.Run(t, func(t *testing.T, documents [][]byte) []client.Object {
		s := &corev1beta2.Serving{}
		golden.Decode(t, documents[0], s)
		service := desired(t, s)
		if again := desired(t, s); text(t, service) != text(t, again) {
			t.Error("equal inputs gave different bytes")
		}
		service.SetGroupVersionKind(kservingv1.SchemeGroupVersion.WithKind("Service"))
		return []client.Object{service}
	})
}

// desired returns the Service, after Knative has agreed to it and the Serving was found unchanged.
func desired(t *testing.T, s *corev1beta2.Serving) *kservingv1.Service {
	t.Helper()
	before := text(t, s)
	objects, err := knative.Run{}.Desired(core.Input{Serving: s, ClusterDomain: "cluster.local"})
	if err != nil {
		t.Fatal(err)
	}
	if after := text(t, s); after != before {
		t.Errorf("the Serving was changed from %s to %s", before, after)
	}
	service := objects[0].(*kservingv1.Service)
	accepted(t, service)
	return service
}

// accepted defaults and validates a copy of the Service as Knative's webhook does, in a cluster as README.md asks for. Warnings
// are for people who apply Services by hand.
func accepted(t *testing.T, service *kservingv1.Service) {
	t.Helper()
	configs := config.FromContextOrDefaults(t.Context())
	configs.Features.PodSpecFieldRef = config.Enabled
	ctx := apis.WithinCreate(config.ToContext(t.Context(), configs))
	service = service.DeepCopy()
	service.SetDefaults(ctx)
	if err := service.Validate(ctx).Filter(apis.ErrorLevel); err != nil {
		t.Errorf("Knative refuses the Service: %v", err)
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
