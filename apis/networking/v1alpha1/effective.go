// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

const (
	// InternalListener is the name of the listener for the names of Services.
	InternalListener gatewayv1.SectionName = "ofn-http-internal"
	// DefaultName is the name of the Gateway of functions that name none.
	DefaultName = "openfunction"
	// DefaultNamespace is the namespace of that Gateway.
	DefaultNamespace = "openfunction"
	// DefaultClusterDomain is the DNS suffix of Services where spec.clusterDomain is empty.
	DefaultClusterDomain = "cluster.local"
	// DefaultHostTemplate is used where spec.hostTemplate is empty.
	DefaultHostTemplate = "{{.Name}}.{{.Namespace}}.{{.Domain}}"
	// DefaultPathTemplate is used where spec.pathTemplate is empty.
	DefaultPathTemplate = "{{.Namespace}}/{{.Name}}"
	// DefaultHTTPRouteLabelKey is used where spec.httpRouteLabelKey is empty.
	DefaultHTTPRouteLabelKey = "app.kubernetes.io/managed-by"
)

// Target is the Kubernetes Gateway that has the listeners.
func (g *Gateway) Target() types.NamespacedName {
	if def := g.Spec.GatewayDef; def != nil {
		return types.NamespacedName{Namespace: def.Namespace, Name: cmp.Or(def.Name, g.Name)}
	}
	ref := ptr.Deref(g.Spec.GatewayRef, GatewayRef{})
	return types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}
}

// ClusterDomain is the DNS suffix of Services in effect.
func (g *Gateway) ClusterDomain() string { return cmp.Or(g.Spec.ClusterDomain, DefaultClusterDomain) }

// HTTPRouteLabelKey is the label of HTTPRoutes in effect.
func (g *Gateway) HTTPRouteLabelKey() string {
	return cmp.Or(g.Spec.HTTPRouteLabelKey, DefaultHTTPRouteLabelKey)
}

// Listeners are the listeners in effect: each answers to the subdomains of the domain, and the internal one to those of the cluster domain.
func (g *Gateway) Listeners() []gatewayv1.Listener {
	listeners := make([]gatewayv1.Listener, 0, len(g.Spec.GatewaySpec.Listeners)+1)
	for _, listener := range g.Spec.GatewaySpec.Listeners {
		listener = *listener.DeepCopy()
		if listener.Name == InternalListener {
			listener = g.internal(listener.AllowedRoutes)
		} else {
			listener.Hostname = ptr.To(gatewayv1.Hostname("*." + g.Spec.Domain))
		}
		listeners = append(listeners, listener)
	}
	if !slices.ContainsFunc(listeners, func(l gatewayv1.Listener) bool { return l.Name == InternalListener }) {
		listeners = append(listeners, g.internal(nil))
	}
	return listeners
}

// internal is the listener for the names of Services.
func (g *Gateway) internal(routes *gatewayv1.AllowedRoutes) gatewayv1.Listener {
	allowed := &gatewayv1.AllowedRoutes{}
	if routes != nil {
		allowed = routes.DeepCopy()
	}
	allowed.Namespaces = &gatewayv1.RouteNamespaces{From: ptr.To(gatewayv1.NamespacesFromAll)}
	return gatewayv1.Listener{
		Name: InternalListener, Hostname: ptr.To(gatewayv1.Hostname("*." + g.ClusterDomain())), Port: 80, Protocol: gatewayv1.HTTPProtocolType,
		AllowedRoutes: allowed,
	}
}

// OverriddenHostnames are the names of the listeners whose own hostname is not the one in effect.
func (g *Gateway) OverriddenHostnames() []string {
	var names []string
	inEffect := g.Listeners()
	for i, listener := range g.Spec.GatewaySpec.Listeners {
		if listener.Hostname != nil && *listener.Hostname != "" && *listener.Hostname != *inEffect[i].Hostname {
			names = append(names, string(listener.Name))
		}
	}
	return names
}
