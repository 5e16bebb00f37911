// SPDX-License-Identifier: Apache-2.0

package networking

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
	"github.com/openfunction/openfunction/pkg/core/route"
	"github.com/openfunction/openfunction/pkg/names"
)

// routerPort is the port of the router's Service.
const routerPort gatewayv1.PortNumber = 80

// maxHostnames is how many host names an HTTPRoute may have.
const maxHostnames = 16

// RouteInput is everything the HTTPRoute of a function depends on.
type RouteInput struct {
	// Function is the name of the Function.
	Function types.NamespacedName
	// Route is what its HTTP trigger says about the route.
	Route corev1beta2.Route
	// Gateway carries the route.
	Gateway *networkingv1alpha1.Gateway
	// Router is the Service of the router.
	Router types.NamespacedName
}

// HTTPRoute makes the HTTPRoute of a function. All its requests go to the router, which is told by a header whose they are. An error is
// about the templates of the Gateway.
func HTTPRoute(in RouteInput) (*gatewayv1.HTTPRoute, error) {
	hosts, err := hostnames(in)
	if err != nil {
		return nil, err
	}
	rules, err := rules(in)
	if err != nil {
		return nil, err
	}
	parent := in.Gateway.Target()
	return &gatewayv1.HTTPRoute{
		ObjectMeta: metav1.ObjectMeta{Name: in.Function.Name, Namespace: in.Function.Namespace, Labels: map[string]string{
			in.Gateway.HTTPRouteLabelKey(): names.Label(in.Gateway.Namespace + "." + in.Gateway.Name),
			corev1beta2.FunctionLabel:      names.Label(in.Function.Name),
			corev1beta2.ManagedLabel:       "true",
		}},
		Spec: gatewayv1.HTTPRouteSpec{
			CommonRouteSpec: gatewayv1.CommonRouteSpec{ParentRefs: []gatewayv1.ParentReference{{
				Group: ptr.To(gatewayv1.Group(gatewayv1.GroupName)), Kind: ptr.To(gatewayv1.Kind(GatewayKind.Kind)),
				Namespace: ptr.To(gatewayv1.Namespace(parent.Namespace)), Name: gatewayv1.ObjectName(parent.Name),
			}}},
			Hostnames: hosts,
			Rules:     rules,
		},
	}, nil
}

// hostnames are the user's, or one by the template, and the name inside the cluster while there is room.
func hostnames(in RouteInput) ([]gatewayv1.Hostname, error) {
	hosts := slices.Clone(in.Route.Hostnames)
	if len(hosts) == 0 {
		host, err := Host(in.Gateway, in.Function)
		if err != nil {
			return nil, err
		}
		hosts = []gatewayv1.Hostname{gatewayv1.Hostname(host)}
	}
	internal := gatewayv1.Hostname(in.Function.Name + "." + in.Function.Namespace + ".svc." + in.Gateway.ClusterDomain())
	if len(hosts) < maxHostnames && !slices.Contains(hosts, internal) {
		hosts = append(hosts, internal)
	}
	return hosts, nil
}

// rules are the user's with backends and the header filled in, or one: for every path where the host is the function's own, and for the path
// by the template where the user named hosts that others may share.
func rules(in RouteInput) ([]gatewayv1.HTTPRouteRule, error) {
	rules := in.Route.DeepCopy().Rules
	if len(rules) == 0 {
		path := "/"
		if len(in.Route.Hostnames) > 0 {
			var err error
			if path, err = Path(in.Gateway, in.Function); err != nil {
				return nil, err
			}
		}
		rules = []gatewayv1.HTTPRouteRule{{Matches: []gatewayv1.HTTPRouteMatch{{
			Path: &gatewayv1.HTTPPathMatch{Type: ptr.To(gatewayv1.PathMatchPathPrefix), Value: &path},
		}}}}
	}
	for i := range rules {
		rules[i].BackendRefs = nil
		if redirects(rules[i]) {
			continue // the gateway answers by itself
		}
		rules[i].Filters = stamped(rules[i].Filters, route.Function(in.Function.Namespace, in.Function.Name))
		rules[i].BackendRefs = []gatewayv1.HTTPBackendRef{{BackendRef: gatewayv1.BackendRef{
			BackendObjectReference: gatewayv1.BackendObjectReference{
				Group: ptr.To(gatewayv1.Group("")), Kind: ptr.To(gatewayv1.Kind("Service")),
				Name: gatewayv1.ObjectName(in.Router.Name), Namespace: ptr.To(gatewayv1.Namespace(in.Router.Namespace)), Port: ptr.To(routerPort),
			},
			Weight: ptr.To[int32](1),
		}}}
	}
	return rules, nil
}

func redirects(rule gatewayv1.HTTPRouteRule) bool {
	return slices.ContainsFunc(rule.Filters, func(f gatewayv1.HTTPRouteFilter) bool { return f.Type == gatewayv1.HTTPRouteFilterRequestRedirect })
}

// stamped are the filters and the header for the router. A rule has one RequestHeaderModifier, so the header joins the user's where there is one,
// and nothing of the user's may speak of it.
func stamped(filters []gatewayv1.HTTPRouteFilter, function string) []gatewayv1.HTTPRouteFilter {
	stamp := gatewayv1.HTTPHeader{Name: route.Header, Value: function}
	is := func(name string) bool { return strings.EqualFold(name, route.Header) }
	for i, filter := range filters {
		headers := filter.RequestHeaderModifier
		if filter.Type != gatewayv1.HTTPRouteFilterRequestHeaderModifier || headers == nil {
			continue
		}
		ofRouter := func(h gatewayv1.HTTPHeader) bool { return is(string(h.Name)) }
		headers.Add = slices.DeleteFunc(headers.Add, ofRouter)
		headers.Remove = slices.DeleteFunc(headers.Remove, is)
		headers.Set = append(slices.DeleteFunc(headers.Set, ofRouter), stamp)
		filters[i].RequestHeaderModifier = headers
		return filters
	}
	return append(filters, gatewayv1.HTTPRouteFilter{
		Type:                  gatewayv1.HTTPRouteFilterRequestHeaderModifier,
		RequestHeaderModifier: &gatewayv1.HTTPHeaderFilter{Set: []gatewayv1.HTTPHeader{stamp}},
	})
}
