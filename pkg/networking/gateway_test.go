// SPDX-License-Identifier: Apache-2.0

package networking_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
	"github.com/openfunction/openfunction/pkg/networking"
)

// kubernetesGateway is one of three listeners: HTTP for all, HTTPS for some on another port, and TLS that is passed through.
func kubernetesGateway() *gatewayv1.Gateway {
	listener := func(name, host string, port gatewayv1.PortNumber, protocol gatewayv1.ProtocolType, from gatewayv1.FromNamespaces) gatewayv1.Listener {
		return gatewayv1.Listener{Name: gatewayv1.SectionName(name), Hostname: ptr.To(gatewayv1.Hostname(host)), Port: port, Protocol: protocol,
			AllowedRoutes: &gatewayv1.AllowedRoutes{Namespaces: &gatewayv1.RouteNamespaces{From: &from}}}
	}
	gateway := &gatewayv1.Gateway{Spec: gatewayv1.GatewaySpec{Listeners: []gatewayv1.Listener{
		listener("http", "", 80, gatewayv1.HTTPProtocolType, gatewayv1.NamespacesFromAll),
		listener("https", "*.example.com", 8443, gatewayv1.HTTPSProtocolType, gatewayv1.NamespacesFromSelector),
		listener("tls", "", 443, gatewayv1.TLSProtocolType, gatewayv1.NamespacesFromAll),
		listener("mine", "", 8080, gatewayv1.HTTPProtocolType, gatewayv1.NamespacesFromSame),
	}}}
	gateway.Namespace, gateway.Name = "infra", "gateway"
	gateway.Spec.Listeners[1].AllowedRoutes.Namespaces.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"tls": "yes"}}
	return gateway
}

func TestExternal(t *testing.T) {
	regular := gatewayv1.PathMatchRegularExpression
	route := &gatewayv1.HTTPRoute{Spec: gatewayv1.HTTPRouteSpec{
		Hostnames: []gatewayv1.Hostname{"a.example.com", "*.example.com", "b.example.org", "fn.team.svc.cluster.local"},
		Rules: []gatewayv1.HTTPRouteRule{{Matches: []gatewayv1.HTTPRouteMatch{
			{Path: &gatewayv1.HTTPPathMatch{Value: ptr.To("/x")}}, {Path: &gatewayv1.HTTPPathMatch{Type: &regular, Value: ptr.To("/.*")}},
		}}, {}},
	}}
	for name, c := range map[string]struct {
		namespace networking.Namespace
		want      []string
	}{
		"WithoutLabels": {networking.Namespace{Name: "team"}, []string{
			"http://a.example.com/x", "http://a.example.com/", "http://b.example.org/x", "http://b.example.org/"}},
		"Selected": {networking.Namespace{Name: "team", Labels: map[string]string{"tls": "yes"}}, []string{
			"http://a.example.com/x", "https://a.example.com:8443/x", "http://a.example.com/", "https://a.example.com:8443/",
			"http://b.example.org/x", "http://b.example.org/"}},
		"Same": {networking.Namespace{Name: "infra"}, []string{
			"http://a.example.com/x", "http://a.example.com:8080/x", "http://a.example.com/", "http://a.example.com:8080/",
			"http://b.example.org/x", "http://b.example.org:8080/x", "http://b.example.org/", "http://b.example.org:8080/"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, networking.External(route, kubernetesGateway(), c.namespace, "cluster.local")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestExternalWithoutABrokenListener(t *testing.T) {
	gateway := kubernetesGateway()
	gateway.Status.Listeners = []gatewayv1.ListenerStatus{{Name: "http", Conditions: []metav1.Condition{{Type: "Programmed", Status: metav1.ConditionFalse}}}}
	route := &gatewayv1.HTTPRoute{Spec: gatewayv1.HTTPRouteSpec{Hostnames: []gatewayv1.Hostname{"a.example.com"}, Rules: []gatewayv1.HTTPRouteRule{{}}}}
	if got := networking.External(route, gateway, networking.Namespace{Name: "team"}, "cluster.local"); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestVerdict(t *testing.T) {
	const now = 3
	said := func(accepted, resolved metav1.ConditionStatus, reason string, generation int64) []metav1.Condition {
		return []metav1.Condition{
			{Type: "Accepted", Status: accepted, Reason: "NoMatchingParent", Message: "no listener", ObservedGeneration: generation},
			{Type: "ResolvedRefs", Status: resolved, Reason: reason, Message: "of a filter", ObservedGeneration: generation},
		}
	}
	const yes, no, unknown = metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown
	for name, c := range map[string]struct {
		conditions []metav1.Condition
		want       metav1.Condition
	}{
		"Carried":    {said(yes, yes, "ResolvedRefs", now), metav1.Condition{Status: yes}},
		"WithoutRef": {said(yes, yes, "ResolvedRefs", now)[:1], metav1.Condition{Status: yes}},
		"Refused":    {said(no, yes, "ResolvedRefs", now), metav1.Condition{Status: no, Reason: "NoMatchingParent", Message: "The gateway refuses the route: no listener"}},
		"RefusedRef": {said(yes, no, "BackendNotFound", now), metav1.Condition{Status: no, Reason: "BackendNotFound", Message: "The gateway refuses the route: of a filter"}},
		"NotGranted": {said(yes, no, "RefNotPermitted", now), metav1.Condition{Status: unknown, Reason: "Pending",
			Message: "The gateway lacks a ReferenceGrant; that for the router is on its way, one for a backendRef in a filter is to be made there: of a filter"}},
		"Earlier": {said(no, yes, "ResolvedRefs", now-1), pendingVerdict},
		"Unsure":  {said(unknown, yes, "ResolvedRefs", now), pendingVerdict},
		"Unheard": {nil, pendingVerdict},
	} {
		t.Run(name, func(t *testing.T) {
			ref := gatewayv1.ParentReference{Namespace: ptr.To(gatewayv1.Namespace("infra")), Name: "gateway"}
			route := &gatewayv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Generation: now}}
			route.Spec.ParentRefs = []gatewayv1.ParentReference{ref}
			route.Status.Parents = []gatewayv1.RouteParentStatus{
				{ParentRef: gatewayv1.ParentReference{Name: "gateway"}, Conditions: said(no, no, "Other", now)}, {ParentRef: ref, Conditions: c.conditions}}
			if diff := cmp.Diff(c.want, networking.Verdict(route)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

var pendingVerdict = metav1.Condition{Status: metav1.ConditionUnknown, Reason: "Pending",
	Message: "The gateway has not taken up the route yet; if that stays so, look at its Gateway and GatewayClass"}

func TestAllows(t *testing.T) {
	internal := kubernetesGateway()
	internal.Spec.Listeners = internal.Spec.Listeners[:1]
	internal.Spec.Listeners[0].Name = networkingv1alpha1.InternalListener
	if networking.Allows(internal, networking.Namespace{Name: "team"}) {
		t.Error("the internal listener is no grant")
	}
	other := kubernetesGateway()
	other.Spec.Listeners[0].AllowedRoutes.Kinds = []gatewayv1.RouteGroupKind{{Kind: "GRPCRoute"}}
	other.Spec.Listeners = other.Spec.Listeners[:1]
	if networking.Allows(other, networking.Namespace{Name: "team"}) {
		t.Error("a listener for other kinds takes no HTTPRoute")
	}
}

// TestAdoptKeepsWhatItDoesNotKnow gives a listener of somebody else a field that no version of Gateway API here has.
func TestAdoptKeepsWhatItDoesNotKnow(t *testing.T) {
	theirs := map[string]any{"name": "web", "port": int64(80), "protocol": "HTTP", "fromTomorrow": map[string]any{"deep": true}}
	gateway := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": "gateway"}, "spec": map[string]any{"listeners": []any{theirs}},
	}}
	before := gateway.DeepCopy()
	first, second := gatewayWith("a"), gatewayWith("b")
	second.Name = "second"
	for _, g := range []*networkingv1alpha1.Gateway{first, second} {
		if changed, err := networking.Adopt(gateway, g); err != nil || !changed {
			t.Fatal(changed, err)
		}
		if changed, err := networking.Adopt(gateway, g); err != nil || changed {
			t.Fatal("a second time", changed, err)
		}
	}
	if listeners, _, _ := unstructured.NestedSlice(gateway.Object, "spec", "listeners"); len(listeners) != 4 {
		t.Errorf("listeners %v", listeners)
	}
	for _, g := range []*networkingv1alpha1.Gateway{first, second} {
		if changed, err := networking.Release(gateway, networking.Key(g)); err != nil || !changed {
			t.Fatal(changed, err)
		}
	}
	if diff := cmp.Diff(before.Object["spec"], gateway.Object["spec"]); diff != "" {
		t.Error(diff)
	}
	if gateway.GetAnnotations()[networkingv1alpha1.InjectedListenersAnnotation] != "" {
		t.Error("the record stays")
	}
}

// TestAdoptAfterTheRecordIsGone takes the record of what was brought off a Kubernetes Gateway.
func TestAdoptAfterTheRecordIsGone(t *testing.T) {
	for _, made := range []bool{true, false} {
		g := gatewayWith("a")
		if made {
			g.Spec.GatewayDef, g.Spec.GatewayRef = &networkingv1alpha1.GatewayDef{GatewayClassName: "c"}, nil
		}
		gateway := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": "gateway"}}}
		if _, err := networking.Adopt(gateway, g); err != nil {
			t.Fatal(err)
		}
		brought := gateway.GetAnnotations()
		gateway.SetAnnotations(nil)
		if changed, err := networking.Adopt(gateway, g); err != nil || changed != made {
			t.Errorf("made %t: changed %t, %v; one that was made for us is known to be ours, and one that was there is not", made, changed, err)
		}
		if made && !cmp.Equal(brought, gateway.GetAnnotations()) {
			t.Errorf("the record is %v, want %v", gateway.GetAnnotations(), brought)
		}
	}
}

func gatewayWith(listener gatewayv1.SectionName) *networkingv1alpha1.Gateway {
	g := gateway("", "")
	port := gatewayv1.PortNumber(8000)
	g.Spec.GatewaySpec.Listeners = []gatewayv1.Listener{{Name: listener, Protocol: gatewayv1.HTTPProtocolType, Port: port}}
	return g
}
