// SPDX-License-Identifier: Apache-2.0

package networking

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// maxPaths and maxConditions are how many of each a route's status shows.
const (
	maxPaths      = 16
	maxConditions = 8
)

// RouteStatus is what a Function shows of its HTTPRoute.
func RouteStatus(r *gatewayv1.HTTPRoute) *corev1beta2.RouteStatus {
	conditions := parentConditions(r)
	return &corev1beta2.RouteStatus{
		Hosts: slices.Clone(r.Spec.Hostnames), Paths: paths(r), Conditions: slices.Clone(conditions[:min(len(conditions), maxConditions)]),
	}
}

// paths are the path matches of the rules, each once.
func paths(r *gatewayv1.HTTPRoute) []gatewayv1.HTTPPathMatch {
	var paths []gatewayv1.HTTPPathMatch
	add := func(path *gatewayv1.HTTPPathMatch) {
		full := gatewayv1.HTTPPathMatch{Type: ptr.To(gatewayv1.PathMatchPathPrefix), Value: ptr.To("/")}
		if path != nil {
			full.Type, full.Value = ptr.To(ptr.Deref(path.Type, *full.Type)), ptr.To(ptr.Deref(path.Value, *full.Value))
		}
		same := func(p gatewayv1.HTTPPathMatch) bool { return *p.Type == *full.Type && *p.Value == *full.Value }
		if len(paths) < maxPaths && !slices.ContainsFunc(paths, same) {
			paths = append(paths, full)
		}
	}
	for _, rule := range r.Spec.Rules {
		if len(rule.Matches) == 0 {
			add(nil)
		}
		for _, match := range rule.Matches {
			add(match.Path)
		}
	}
	return paths
}

// parentConditions are what the controller of the route's gateway says.
func parentConditions(r *gatewayv1.HTTPRoute) []metav1.Condition {
	if len(r.Spec.ParentRefs) == 0 {
		return nil
	}
	ours := r.Spec.ParentRefs[0]
	for _, parent := range r.Status.Parents {
		namespace := ptr.Deref(parent.ParentRef.Namespace, gatewayv1.Namespace(r.Namespace))
		if parent.ParentRef.Name == ours.Name && namespace == *ours.Namespace {
			return parent.Conditions
		}
	}
	return nil
}

// Verdict is what the gateway says of the current HTTPRoute, as one condition without a type: True when it carries requests, False when it will not until
// somebody acts.
func Verdict(r *gatewayv1.HTTPRoute) metav1.Condition {
	conditions := parentConditions(r)
	pending := metav1.Condition{Status: metav1.ConditionUnknown, Reason: corev1beta2.PendingReason,
		Message: "The gateway has not taken up the route yet; if that stays so, look at its Gateway and GatewayClass"}
	for _, kind := range []gatewayv1.RouteConditionType{gatewayv1.RouteConditionAccepted, gatewayv1.RouteConditionResolvedRefs} {
		c := meta.FindStatusCondition(conditions, string(kind))
		switch {
		case c == nil && kind == gatewayv1.RouteConditionResolvedRefs:
		case c == nil || c.ObservedGeneration < r.Generation || c.Status == metav1.ConditionUnknown:
			return pending
		case c.Status == metav1.ConditionFalse && c.Reason == string(gatewayv1.RouteReasonRefNotPermitted):
			pending.Message = "The gateway lacks a ReferenceGrant; that for the router is on its way, one for a backendRef in a filter is to be made there: " + c.Message
			return pending
		case c.Status == metav1.ConditionFalse:
			return metav1.Condition{Status: c.Status, Reason: c.Reason, Message: "The gateway refuses the route: " + c.Message}
		}
	}
	return metav1.Condition{Status: metav1.ConditionTrue}
}
