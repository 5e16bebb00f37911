// SPDX-License-Identifier: Apache-2.0

package networking

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
	"github.com/openfunction/openfunction/pkg/names"
)

// RouterGrant lets the HTTPRoutes of a namespace lead to the router.
func RouterGrant(namespace string, router types.NamespacedName) *gatewayv1beta1.ReferenceGrant {
	return &gatewayv1beta1.ReferenceGrant{
		ObjectMeta: metav1.ObjectMeta{Name: GrantName(namespace), Namespace: router.Namespace, Labels: map[string]string{corev1beta2.ManagedLabel: "true"}},
		Spec: gatewayv1beta1.ReferenceGrantSpec{
			From: []gatewayv1beta1.ReferenceGrantFrom{{
				Group: gatewayv1.GroupName, Kind: gatewayv1.Kind(HTTPRouteKind.Kind), Namespace: gatewayv1.Namespace(namespace),
			}},
			To: []gatewayv1beta1.ReferenceGrantTo{{Group: "", Kind: "Service", Name: ptr.To(gatewayv1.ObjectName(router.Name))}},
		},
	}
}

// GrantName is the name of RouterGrant.
func GrantName(namespace string) string { return names.Child(namespace, "routes") }

// Granted tells whether one of the ReferenceGrants, which are of the namespace of the Kubernetes Gateway, lets a Gateway of ours put listeners onto
// it.
func Granted(grants []gatewayv1beta1.ReferenceGrant, g *networkingv1alpha1.Gateway) bool {
	target := g.Target()
	from := gatewayv1beta1.ReferenceGrantFrom{
		Group: gatewayv1.Group(networkingv1alpha1.GroupVersion.Group), Kind: "Gateway", Namespace: gatewayv1.Namespace(g.Namespace),
	}
	return slices.ContainsFunc(grants, func(grant gatewayv1beta1.ReferenceGrant) bool {
		return grant.Namespace == target.Namespace && slices.Contains(grant.Spec.From, from) &&
			slices.ContainsFunc(grant.Spec.To, func(to gatewayv1beta1.ReferenceGrantTo) bool {
				return to.Group == gatewayv1.GroupName && to.Kind == gatewayv1.Kind(GatewayKind.Kind) &&
					(to.Name == nil || *to.Name == "" || string(*to.Name) == target.Name)
			})
	})
}
