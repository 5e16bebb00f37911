// SPDX-License-Identifier: Apache-2.0

package openfuncsync

import (
	"slices"
	"strings"

	httpv1alpha1 "github.com/kedacore/http-add-on/operator/apis/http/v1alpha1"
	httpv1beta1 "github.com/kedacore/http-add-on/operator/apis/http/v1beta1"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/problem"
)

// everyPath is the prefix of every path.
const everyPath = "/"

// routing is what the interceptor knows a function by: every path at the names inside the cluster, and at the user's host names the paths that
// begin with one of the prefixes; none means every path.
type routing struct {
	outside, inside []string
	prefixes        []string
}

func routingOf(in core.Input) (routing, error) {
	route := corev1beta2.Route{}
	if set := in.Serving.Spec.HTTP().Route; set != nil {
		route = *set
	}
	short := in.Serving.Name + "." + in.Serving.Namespace
	r := routing{inside: []string{short, short + ".svc", core.FrontHost(in)}, prefixes: prefixes(route.Rules)}
	for _, hostname := range route.Hostnames {
		host := string(hostname)
		switch {
		case slices.Contains(r.inside, host) || slices.Contains(r.outside, host):
		case isOfService(host, in.ClusterDomain):
			return routing{}, problem.Stalled(corev1beta2.InvalidSpecReason,
				"spec.serving.triggers.http.route.hostnames has %q, which is the name of another Service; remove it", host)
		default:
			r.outside = append(r.outside, host)
		}
	}
	return r, nil
}

// isOfService tells whether the cluster's DNS gives the name to a Service. The interceptor serves all namespaces, and one must not take the
// requests of another.
func isOfService(host, clusterDomain string) bool {
	return strings.HasSuffix(host, ".svc") || strings.HasSuffix(host, ".svc."+clusterDomain)
}

// prefixes returns those of the rules' paths. The interceptor knows prefixes only: for an expression every path is let through, and the route
// outside decides.
func prefixes(rules []gatewayv1.HTTPRouteRule) []string {
	var prefixes []string
	add := func(prefix string) {
		if !slices.Contains(prefixes, prefix) {
			prefixes = append(prefixes, prefix)
		}
	}
	for _, rule := range rules {
		for _, match := range rule.Matches {
			if match.Path == nil || ptr.Deref(match.Path.Type, gatewayv1.PathMatchPathPrefix) == gatewayv1.PathMatchRegularExpression {
				add(everyPath)
				continue
			}
			if value := ptr.Deref(match.Path.Value, ""); value != "" {
				add(value)
			} else {
				add(everyPath)
			}
		}
		if len(rule.Matches) == 0 {
			add(everyPath)
		}
	}
	return prefixes
}

// hosts are the user's host names and the names inside the cluster.
func (r routing) hosts() []string { return slices.Concat(r.outside, r.inside) }

// isPartial tells that not every path of the user's host names is the function's.
func (r routing) isPartial() bool {
	return len(r.prefixes) > 0 && !slices.Contains(r.prefixes, everyPath)
}

// interceptorRoute returns a route of the scaler's name, which the interceptor follows in place of the scaler's own hosts and paths. Those are
// one product, and every name inside the cluster would have the user's paths only. Requests are counted for the scaler as before.
func interceptorRoute(in core.Input, scaler *httpv1alpha1.HTTPScaledObject, r routing) *httpv1beta1.InterceptorRoute {
	target := scaler.Spec.ScaleTargetRef
	route := &httpv1beta1.InterceptorRoute{
		ObjectMeta: object(in).Meta(in),
		Spec: httpv1beta1.InterceptorRouteSpec{
			Target: httpv1beta1.TargetRef{Service: target.Service, Port: target.Port},
			Rules:  []httpv1beta1.RoutingRule{{Hosts: r.inside}},
			ScalingMetric: httpv1beta1.ScalingMetricSpec{Concurrency: &httpv1beta1.ConcurrencyTargetSpec{
				TargetValue: int32(scaler.Spec.ScalingMetric.Concurrency.TargetValue)}}, //nolint:gosec // it was an int32
		},
	}
	if scaler.Spec.Timeouts != nil {
		route.Spec.Timeouts.ResponseHeader = &scaler.Spec.Timeouts.ResponseHeader
	}
	if len(r.outside) > 0 {
		rule := httpv1beta1.RoutingRule{Hosts: r.outside}
		for _, prefix := range r.prefixes {
			rule.Paths = append(rule.Paths, httpv1beta1.PathMatch{Value: prefix})
		}
		route.Spec.Rules = append(route.Spec.Rules, rule)
	}
	return route
}
