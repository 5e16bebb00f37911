// SPDX-License-Identifier: Apache-2.0

package networking_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
	"github.com/openfunction/openfunction/pkg/networking"
	"github.com/openfunction/openfunction/test/golden"
)

// TestGolden makes the HTTPRoute of every Function of testdata/*.in.yaml, whose Gateway is the second document.
func TestGolden(t *testing.T) {
	golden.Run(t, func(t *testing.T, documents [][]byte) []client.Object {
		f, g := &corev1beta2.Function{}, &networkingv1alpha1.Gateway{}
		golden.Decode(t, documents[0], f)
		golden.Decode(t, documents[1], g)
		route, err := networking.HTTPRoute(networking.RouteInput{
			Function: client.ObjectKeyFromObject(f), Route: ptr.Deref(f.Spec.Serving.HTTP().Route, corev1beta2.Route{}), Gateway: g,
			Router: types.NamespacedName{Namespace: "openfunction", Name: "router"},
		})
		if err != nil {
			t.Fatal(err)
		}
		route.SetGroupVersionKind(networking.HTTPRouteKind)
		return []client.Object{route, networking.RouterGrant(f.Namespace, types.NamespacedName{Namespace: "openfunction", Name: "router"})}
	})
}
