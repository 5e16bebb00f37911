// SPDX-License-Identifier: Apache-2.0

package networking

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
)

// maxAddress is how long an address may be.
const maxAddress = 1024

// Namespace is what a listener may ask of the namespace of a route.
type Namespace struct {
	// Name is the namespace's.
	Name string
	// Labels are the namespace's.
	Labels map[string]string
}

// UsesSelector tells whether a listener of the Kubernetes Gateway asks for labels of namespaces.
func UsesSelector(gateway *gatewayv1.Gateway) bool {
	return slices.ContainsFunc(gateway.Spec.Listeners, func(l gatewayv1.Listener) bool { return from(l) == gatewayv1.NamespacesFromSelector })
}

// Allows tells whether a listener of the Kubernetes Gateway takes HTTPRoutes of the namespace: Gateway API's own grant. The internal listener takes
// them from everywhere, and says nothing about who may be reached from outside.
func Allows(gateway *gatewayv1.Gateway, namespace Namespace) bool {
	return slices.ContainsFunc(gateway.Spec.Listeners, func(l gatewayv1.Listener) bool {
		return l.Name != networkingv1alpha1.InternalListener && allows(gateway, l, namespace)
	})
}

func from(l gatewayv1.Listener) gatewayv1.FromNamespaces {
	if l.AllowedRoutes == nil || l.AllowedRoutes.Namespaces == nil {
		return gatewayv1.NamespacesFromSame
	}
	return ptr.Deref(l.AllowedRoutes.Namespaces.From, gatewayv1.NamespacesFromSame)
}

// allows tells whether the listener takes HTTPRoutes of the namespace.
func allows(gateway *gatewayv1.Gateway, l gatewayv1.Listener, namespace Namespace) bool {
	if l.AllowedRoutes != nil && len(l.AllowedRoutes.Kinds) > 0 &&
		!slices.ContainsFunc(l.AllowedRoutes.Kinds, func(k gatewayv1.RouteGroupKind) bool { return string(k.Kind) == HTTPRouteKind.Kind }) {
		return false
	}
	switch from(l) {
	case gatewayv1.NamespacesFromAll:
		return true
	case gatewayv1.NamespacesFromSame:
		return namespace.Name == gateway.Namespace
	case gatewayv1.NamespacesFromSelector:
		selector, err := metav1.LabelSelectorAsSelector(l.AllowedRoutes.Namespaces.Selector)
		return err == nil && selector.Matches(labels.Set(namespace.Labels))
	default:
		return false
	}
}

// External returns the URLs at which the HTTPRoute is reached through the listeners of the Kubernetes Gateway: a URL for each host, path and
// listener that fit, https where the listener ends TLS. Names inside the cluster domain, wildcards and expressions are no addresses.
func External(r *gatewayv1.HTTPRoute, gateway *gatewayv1.Gateway, namespace Namespace, clusterDomain string) []string {
	var urls []string
	for _, host := range r.Spec.Hostnames {
		if strings.HasPrefix(string(host), "*") || strings.HasSuffix(string(host), "."+clusterDomain) {
			continue
		}
		for _, path := range paths(r) {
			if *path.Type == gatewayv1.PathMatchRegularExpression {
				continue
			}
			for _, l := range gateway.Spec.Listeners {
				origin := origin(l, string(host))
				if origin == "" || !allows(gateway, l, namespace) || !answers(l, host) || isDown(gateway, l) {
					continue
				}
				if url := origin + *path.Value; len(url) <= maxAddress && !slices.Contains(urls, url) {
					urls = append(urls, url)
				}
			}
		}
	}
	return urls
}

// origin is how a host is called at the listener; empty for a listener that carries no HTTPRoutes.
func origin(l gatewayv1.Listener, host string) string {
	scheme, usual := "http", gatewayv1.PortNumber(80)
	switch l.Protocol {
	case gatewayv1.HTTPProtocolType:
	case gatewayv1.HTTPSProtocolType:
		scheme, usual = "https", 443
		if l.TLS != nil && ptr.Deref(l.TLS.Mode, gatewayv1.TLSModeTerminate) != gatewayv1.TLSModeTerminate {
			return ""
		}
	default:
		return ""
	}
	if l.Port == usual {
		return scheme + "://" + host
	}
	return fmt.Sprintf("%s://%s:%d", scheme, host, l.Port)
}

// answers tells whether the listener answers to the host, which is no wildcard.
func answers(l gatewayv1.Listener, host gatewayv1.Hostname) bool {
	own := string(ptr.Deref(l.Hostname, ""))
	if domain, wild := strings.CutPrefix(own, "*"); wild {
		return strings.HasSuffix(string(host), domain)
	}
	return own == "" || own == string(host)
}

// isDown tells that the gateway's controller has said that it does not serve the listener.
func isDown(gateway *gatewayv1.Gateway, l gatewayv1.Listener) bool {
	for _, s := range gateway.Status.Listeners {
		if s.Name == l.Name {
			return meta.IsStatusConditionFalse(s.Conditions, string(gatewayv1.ListenerConditionProgrammed))
		}
	}
	return false
}
