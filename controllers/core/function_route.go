// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
	"github.com/openfunction/openfunction/pkg/apply"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/networking"
	"github.com/openfunction/openfunction/pkg/problem"
	"github.com/openfunction/openfunction/pkg/status"
)

// +kubebuilder:rbac:groups=networking.openfunction.io,resources=gateways,verbs=list;watch
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=gateways,verbs=get;list;watch
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=httproutes,verbs=get;list;watch;create;patch;delete

// route keeps the HTTPRoute of the function where there is a Gateway for it, and tells where the function answers.
func (r *FunctionReconciler) route(ctx context.Context, v *functionVisit) error {
	f := v.function
	f.Status.Addresses, f.Status.Route = nil, nil
	if f.Spec.Serving == nil || f.Spec.Serving.HTTP() == nil {
		status.Clear(f, corev1beta2.RoutedCondition)
		return r.deleteRoute(ctx, v)
	}
	if v.serving != nil {
		f.Status.Addresses = v.serving.Status.Addresses
	}
	wish := ptr.Deref(f.Spec.Serving.HTTP().Route, corev1beta2.Route{})
	if err := checkHosts(wish.Hostnames, f.Namespace, r.ClusterDomain); err != nil {
		verdict, err := v.judged(metav1.Condition{}, err) // a route of earlier names stays
		v.showRouted(verdict, false)
		return err
	}
	gateway, err := r.gateway(ctx, f, wish)
	verdict := metav1.Condition{Status: metav1.ConditionTrue}
	switch _, missing := problem.AsStalled(err); {
	case missing || err == nil && gateway == nil:
		if err := r.deleteRoute(ctx, v); err != nil {
			return err
		}
	case err == nil && v.serving != nil:
		verdict, err = r.routeThrough(ctx, v, gateway, wish)
	}
	if verdict, err = v.judged(verdict, err); err != nil {
		return err
	}
	v.showRouted(verdict, gateway == nil && len(wish.Hostnames)+len(wish.Rules) > 0)
	return nil
}

// judged makes a problem of the route a condition: it does not keep the function from being served inside the cluster.
func (v *functionVisit) judged(verdict metav1.Condition, err error) (metav1.Condition, error) {
	if stalled, is := problem.AsStalled(err); is {
		v.again(stalled.Recheck)
		return metav1.Condition{Status: metav1.ConditionFalse, Reason: stalled.Reason, Message: stalled.Message}, nil
	}
	if waiting, is := problem.AsWaiting(err); is {
		v.again(waiting.Recheck)
		return metav1.Condition{Status: metav1.ConditionUnknown, Reason: waiting.Reason, Message: waiting.Message}, nil
	}
	return verdict, err
}

// showRouted says, once, how the function is reached, or what keeps it from that. Hosts and rules that wait for a Gateway are told.
func (v *functionVisit) showRouted(verdict metav1.Condition, unrouted bool) {
	f := v.function
	switch addresses := f.Status.Addresses; {
	case verdict.Status != metav1.ConditionTrue:
	case len(addresses) == 0:
		verdict = metav1.Condition{Status: metav1.ConditionUnknown, Reason: corev1beta2.NoAddressReason, Message: "The engine has not given an address yet"}
	case unrouted:
		verdict.Reason, verdict.Message = corev1beta2.NoGatewayReason, fmt.Sprintf(
			"Reachable at %s; hostnames and rules wait for a Gateway %s that takes routes of this namespace", addresses[0].Value, defaultGateway)
	case f.Status.Route == nil:
		verdict.Reason, verdict.Message = corev1beta2.AddressedReason, "Reachable at "+addresses[0].Value
	default:
		verdict.Reason, verdict.Message = corev1beta2.AddressedReason, "Reachable at "+addresses[len(addresses)-1].Value
	}
	status.Mark(f, corev1beta2.RoutedCondition, verdict.Status, verdict.Reason, verdict.Message)
}

// defaultGateway is the Gateway of functions that name none.
var defaultGateway = types.NamespacedName{Namespace: networkingv1alpha1.DefaultNamespace, Name: networkingv1alpha1.DefaultName}

// gatewayOf is the Gateway that a route asks for.
func gatewayOf(wish corev1beta2.Route) (key types.NamespacedName, asked bool) {
	if ref := wish.GatewayRef; ref != nil {
		return types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}, true
	}
	return defaultGateway, false
}

// gateway finds the Gateway for the function. Where it asked for one by name, what is missing is a problem; else it does without.
func (r *FunctionReconciler) gateway(ctx context.Context, f *corev1beta2.Function, wish corev1beta2.Route) (*networkingv1alpha1.Gateway, error) {
	key, asked := gatewayOf(wish)
	gateway, err := r.usableGateway(ctx, f, key)
	if _, is := problem.AsStalled(err); is && !asked {
		return nil, nil
	}
	return gateway, err
}

// usableGateway returns the Gateway, when it is there, Gateway API is too, and it takes routes of the function's namespace.
func (r *FunctionReconciler) usableGateway(ctx context.Context, f *corev1beta2.Function, key types.NamespacedName) (*networkingv1alpha1.Gateway, error) {
	gateway := &networkingv1alpha1.Gateway{}
	err := r.Get(ctx, key, gateway)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading Gateway %s: %w", key, err)
	}
	if err != nil || !gateway.DeletionTimestamp.IsZero() {
		return nil, problem.Stalled(corev1beta2.GatewayNotFoundReason,
			"The Gateway %s of networking.openfunction.io does not exist; make it, or name another in triggers.http.route.gatewayRef", key)
	}
	if err := r.providers.Require(ctx, networking.GatewayAPI); err != nil {
		return nil, err
	}
	allowed, err := r.allows(ctx, gateway, f.Namespace)
	if err != nil {
		return nil, err
	}
	if !allowed {
		return nil, problem.Stalled(corev1beta2.NotAllowedByListenersReason,
			"No listener of Gateway %s takes routes of namespace %s; widen allowedRoutes of one, or name another Gateway", key, f.Namespace)
	}
	return gateway, nil
}

// allows tells whether the listeners let the namespace in: those of the Kubernetes Gateway, or while it is not there those it is to have.
func (r *FunctionReconciler) allows(ctx context.Context, gateway *networkingv1alpha1.Gateway, namespace string) (bool, error) {
	target, err := r.kubernetesGateway(ctx, gateway)
	if err != nil {
		return false, err
	}
	if target == nil {
		target = &gatewayv1.Gateway{Spec: gatewayv1.GatewaySpec{Listeners: gateway.Spec.GatewaySpec.Listeners}}
		target.Namespace = gateway.Target().Namespace
	}
	asker, err := r.namespace(ctx, target, namespace)
	return err == nil && networking.Allows(target, asker), err
}

// kubernetesGateway reads the Kubernetes Gateway behind a Gateway; nil while there is none.
func (r *FunctionReconciler) kubernetesGateway(ctx context.Context, gateway *networkingv1alpha1.Gateway) (*gatewayv1.Gateway, error) {
	target := &gatewayv1.Gateway{}
	err := r.Get(ctx, gateway.Target(), target)
	if apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("reading the Kubernetes Gateway %s: %w", gateway.Target(), err)
	}
	return target, nil
}

// namespace is the namespace as listeners look at it. Its labels are read only where one asks for them.
func (r *FunctionReconciler) namespace(ctx context.Context, target *gatewayv1.Gateway, name string) (networking.Namespace, error) {
	asker := networking.Namespace{Name: name}
	if !networking.UsesSelector(target) {
		return asker, nil
	}
	object := namespaceMetadata()
	if err := r.Get(ctx, types.NamespacedName{Name: name}, object); err != nil {
		return asker, fmt.Errorf("reading namespace %s: %w", name, err)
	}
	asker.Labels = object.Labels
	return asker, nil
}

// routeThrough applies the HTTPRoute, and returns what the gateway says of it.
func (r *FunctionReconciler) routeThrough(
	ctx context.Context, v *functionVisit, gateway *networkingv1alpha1.Gateway, wish corev1beta2.Route,
) (metav1.Condition, error) {
	f := v.function
	wanted, err := networking.HTTPRoute(networking.RouteInput{
		Function: client.ObjectKeyFromObject(f), Route: wish, Gateway: gateway,
		Router: types.NamespacedName{Namespace: r.PlatformNamespace, Name: core.RouterService},
	})
	if err != nil {
		return metav1.Condition{}, problem.Stalled(corev1beta2.InvalidTemplateReason, "Gateway %s: %s", client.ObjectKeyFromObject(gateway), err)
	}
	applied, err := v.children.Apply(ctx, wanted)
	if err != nil {
		return metav1.Condition{}, apply.Refused(r.undeclared(ctx, wanted, err))
	}
	return r.showRoute(ctx, v, gateway, applied.(*gatewayv1.HTTPRoute))
}

// undeclared finds out whether an HTTPRoute could not be applied because the installed Gateway API does not know a field of it. To an apply the API
// server then answers 500, as if that would pass; asked to create it without doing so, it names the field.
func (r *FunctionReconciler) undeclared(ctx context.Context, wanted *gatewayv1.HTTPRoute, err error) error {
	var answer apierrors.APIStatus
	if !errors.As(err, &answer) || answer.Status().Code != http.StatusInternalServerError {
		return err
	}
	refusal := r.Create(ctx, wanted.DeepCopy(), client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
	if apierrors.IsBadRequest(refusal) {
		return refusal
	}
	return err
}

// showRoute shows the HTTPRoute and, once the gateway carries it, the addresses it gives the function.
func (r *FunctionReconciler) showRoute(
	ctx context.Context, v *functionVisit, gateway *networkingv1alpha1.Gateway, live *gatewayv1.HTTPRoute,
) (metav1.Condition, error) {
	f := v.function
	f.Status.Route = networking.RouteStatus(live)
	f.Status.Addresses = internal(f.Status.Addresses)
	verdict := networking.Verdict(live)
	if verdict.Status == metav1.ConditionUnknown && isYoung(live, r.Clock.Now()) {
		v.hold = true
		v.again(youth)
	}
	if verdict.Status != metav1.ConditionTrue || len(f.Status.Addresses) == 0 {
		return verdict, nil
	}
	target, err := r.kubernetesGateway(ctx, gateway)
	if err != nil || target == nil {
		return verdict, err
	}
	asker, err := r.namespace(ctx, target, f.Namespace)
	if err != nil {
		return verdict, err
	}
	for _, url := range networking.External(live, target, asker, gateway.ClusterDomain()) {
		if len(f.Status.Addresses) < maxAddresses {
			f.Status.Addresses = append(f.Status.Addresses, corev1beta2.FunctionAddress{Type: ptr.To(corev1beta2.ExternalAddressType), Value: url})
		}
	}
	return verdict, nil
}

// maxAddresses is how many addresses a status shows.
const maxAddresses = 64

// internal are the addresses inside the cluster: where there is a route, it alone gives those outside.
func internal(addresses []corev1beta2.FunctionAddress) []corev1beta2.FunctionAddress {
	var inside []corev1beta2.FunctionAddress
	for _, address := range addresses {
		if ptr.Deref(address.Type, "") == corev1beta2.InternalAddressType {
			inside = append(inside, address)
		}
	}
	return inside
}

// deleteRoute deletes the HTTPRoute of the function, if it has one.
func (r *FunctionReconciler) deleteRoute(ctx context.Context, v *functionVisit) error {
	installed, err := r.providers.Installed(ctx, []schema.GroupVersionKind{networking.HTTPRouteKind})
	if err != nil || len(installed) == 0 {
		return err
	}
	live := &gatewayv1.HTTPRoute{}
	err = r.Get(ctx, client.ObjectKeyFromObject(v.function), live)
	if apierrors.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("reading the HTTPRoute: %w", err)
	}
	return v.children.Delete(ctx, live)
}
