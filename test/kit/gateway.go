// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"fmt"
	"strings"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"
)

// What the played controller of Gateway API acts on.
var (
	gateways        = gatewayv1.SchemeGroupVersion.WithKind("Gateway").GroupKind()
	httpRoutes      = gatewayv1.SchemeGroupVersion.WithKind("HTTPRoute").GroupKind()
	referenceGrants = gatewayv1beta1.SchemeGroupVersion.WithKind("ReferenceGrant").GroupKind()
)

// GatewayAddress is where every played Kubernetes Gateway is reached.
const GatewayAddress = "192.0.2.80"

// playGateway accepts every Kubernetes Gateway. A listener whose certificate has WordBroken in its name is refused; a Gateway whose class has WordSlow is
// never looked at.
func (cp *ControlPlane) playGateway(ctx context.Context, m *mirror, o *unstructured.Unstructured) error {
	gateway, err := typed[gatewayv1.Gateway](o)
	if err != nil || gateway.DeletionTimestamp != nil || says(gateway.Spec.GatewayClassName, WordSlow) {
		return err
	}
	before := gateway.Status.DeepCopy()
	gateway.Status.Addresses = []gatewayv1.GatewayStatusAddress{{Type: ptr.To(gatewayv1.IPAddressType), Value: GatewayAddress}}
	for _, kind := range []gatewayv1.GatewayConditionType{gatewayv1.GatewayConditionAccepted, gatewayv1.GatewayConditionProgrammed} {
		judge(&gateway.Status.Conditions, string(kind), metav1.ConditionTrue, string(kind), gateway.Generation)
	}
	states := gateway.Status.Listeners
	gateway.Status.Listeners = nil
	for _, listener := range gateway.Spec.Listeners {
		state := gatewayv1.ListenerStatus{Name: listener.Name, SupportedKinds: []gatewayv1.RouteGroupKind{{Kind: "HTTPRoute"}}}
		for _, old := range states {
			if old.Name == listener.Name {
				state.Conditions = old.Conditions
			}
		}
		state.AttachedRoutes = attached(m, gateway)
		verdict, reason := metav1.ConditionTrue, "Programmed"
		if says(listener.TLS, WordBroken) {
			verdict, reason = metav1.ConditionFalse, string(gatewayv1.ListenerReasonInvalidCertificateRef)
		}
		judge(&state.Conditions, string(gatewayv1.ListenerConditionProgrammed), verdict, reason, gateway.Generation)
		gateway.Status.Listeners = append(gateway.Status.Listeners, state)
	}
	if apiequality.Semantic.DeepEqual(before, &gateway.Status) {
		return nil
	}
	return cp.Client.Status().Update(ctx, gateway)
}

// attached counts the routes that name the Gateway.
func attached(m *mirror, gateway *gatewayv1.Gateway) int32 {
	var count int32
	for _, o := range m.of(httpRoutes.Kind, "") {
		if route, err := typed[gatewayv1.HTTPRoute](o); err == nil && len(route.Spec.ParentRefs) > 0 && parentOf(route) == client.ObjectKeyFromObject(gateway) {
			count++
		}
	}
	return count
}

func parentOf(route *gatewayv1.HTTPRoute) client.ObjectKey {
	ref := route.Spec.ParentRefs[0]
	return client.ObjectKey{Namespace: string(ptr.Deref(ref.Namespace, gatewayv1.Namespace(route.Namespace))), Name: string(ref.Name)}
}

// playHTTPRoute judges a route once its Gateway is there: it is accepted, but for a host in the domain "invalid", and its backend in another namespace
// needs a ReferenceGrant.
func (cp *ControlPlane) playHTTPRoute(ctx context.Context, m *mirror, o *unstructured.Unstructured) error {
	route, err := typed[gatewayv1.HTTPRoute](o)
	if err != nil || route.DeletionTimestamp != nil || len(route.Spec.ParentRefs) == 0 {
		return err
	}
	key := parentOf(route)
	gateway := m.get(gateways, key.Namespace, key.Name)
	if gateway == nil || says(gateway.Object, WordSlow) {
		return nil
	}
	before := route.Status.DeepCopy()
	var conditions []metav1.Condition
	if len(route.Status.Parents) > 0 {
		conditions = route.Status.Parents[0].Conditions
	}
	accepted, reason := metav1.ConditionTrue, string(gatewayv1.RouteReasonAccepted)
	if strings.Contains(fmt.Sprint(route.Spec.Hostnames), ".invalid") {
		accepted, reason = metav1.ConditionFalse, string(gatewayv1.RouteReasonNoMatchingListenerHostname)
	}
	judge(&conditions, string(gatewayv1.RouteConditionAccepted), accepted, reason, route.Generation)
	resolved, reason := metav1.ConditionTrue, string(gatewayv1.RouteReasonResolvedRefs)
	if !granted(m, route) {
		resolved, reason = metav1.ConditionFalse, string(gatewayv1.RouteReasonRefNotPermitted)
	}
	judge(&conditions, string(gatewayv1.RouteConditionResolvedRefs), resolved, reason, route.Generation)
	route.Status.Parents = []gatewayv1.RouteParentStatus{{
		ParentRef: route.Spec.ParentRefs[0], ControllerName: "kit.openfunction.io/gateway", Conditions: conditions,
	}}
	if apiequality.Semantic.DeepEqual(before, &route.Status) {
		return nil
	}
	return cp.Client.Status().Update(ctx, route)
}

// granted tells whether every backend in another namespace lets routes of this one lead to it.
func granted(m *mirror, route *gatewayv1.HTTPRoute) bool {
	for _, rule := range route.Spec.Rules {
		for _, backend := range rule.BackendRefs {
			namespace := string(ptr.Deref(backend.Namespace, gatewayv1.Namespace(route.Namespace)))
			if namespace != route.Namespace && !grants(m, namespace, route.Namespace) {
				return false
			}
		}
	}
	return true
}

func grants(m *mirror, namespace, from string) bool {
	for _, o := range m.of(referenceGrants.Kind, namespace) {
		grant, err := typed[gatewayv1beta1.ReferenceGrant](o)
		if err == nil && len(grant.Spec.From) > 0 && string(grant.Spec.From[0].Namespace) == from {
			return true
		}
	}
	return false
}

// judge sets a condition with a message.
func judge(conditions *[]metav1.Condition, kind string, status metav1.ConditionStatus, reason string, generation int64) {
	meta.SetStatusCondition(conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, ObservedGeneration: generation, Message: "The gateway of the kit says " + reason,
	})
}

// concernedWithGateway are what the controller of Gateway API looks at again when one of its objects changes.
func concernedWithGateway(m *mirror, o *unstructured.Unstructured) []played {
	var others []played
	all := func(kind schema.GroupKind) {
		for _, other := range m.of(kind.Kind, "") {
			if other.GroupVersionKind().GroupKind() == kind {
				others = append(others, played{kind, client.ObjectKeyFromObject(other)})
			}
		}
	}
	switch o.GroupVersionKind().GroupKind() {
	case gateways, referenceGrants:
		all(httpRoutes)
	case httpRoutes:
		all(gateways)
	}
	return others
}
