// SPDX-License-Identifier: Apache-2.0

package networking

import (
	"k8s.io/apimachinery/pkg/runtime/schema"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/openfunction/openfunction/pkg/core"
)

// The kinds of Gateway API that are used.
var (
	GatewayKind        = gatewayv1.SchemeGroupVersion.WithKind("Gateway")
	HTTPRouteKind      = gatewayv1.SchemeGroupVersion.WithKind("HTTPRoute")
	ReferenceGrantKind = gatewayv1beta1.SchemeGroupVersion.WithKind("ReferenceGrant")
)

// GatewayAPI is what has to be installed before a function can have a route.
var GatewayAPI = core.Provider{
	Title:   "Gateway API",
	Kinds:   []schema.GroupVersionKind{GatewayKind, HTTPRouteKind, ReferenceGrantKind},
	Install: "kubectl apply --server-side -f https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.4.1/standard-install.yaml",
}
