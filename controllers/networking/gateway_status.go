// SPDX-License-Identifier: Apache-2.0

package networking

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
	"github.com/openfunction/openfunction/pkg/problem"
	"github.com/openfunction/openfunction/pkg/status"
)

// show writes what the Kubernetes Gateway says of itself and of our listeners into the status.
func (r *GatewayReconciler) show(_ context.Context, v *gatewayVisit) error {
	g, target := v.gateway, v.target
	g.Status.Addresses = target.Status.Addresses
	g.Status.Listeners = ours(g, target)
	mirror(g, target, gatewayv1.GatewayConditionAccepted, networkingv1alpha1.ScheduledCondition)
	mirror(g, target, gatewayv1.GatewayConditionProgrammed, networkingv1alpha1.ProgrammedCondition)
	showListeners(g, target)
	status.Summarize(g, readyMessage(g), networkingv1alpha1.ScheduledCondition, networkingv1alpha1.ProgrammedCondition,
		networkingv1alpha1.ListenersReadyCondition)
	return nil
}

// ours are the states of the Gateway's own listeners.
func ours(g *networkingv1alpha1.Gateway, target *gatewayv1.Gateway) []gatewayv1.ListenerStatus {
	var states []gatewayv1.ListenerStatus
	for _, listener := range g.Listeners() {
		for _, state := range target.Status.Listeners {
			if state.Name == listener.Name {
				states = append(states, state)
			}
		}
	}
	return states
}

// mirror shows a condition of the Kubernetes Gateway as one of ours.
func mirror(g *networkingv1alpha1.Gateway, target *gatewayv1.Gateway, theirs gatewayv1.GatewayConditionType, our string) {
	c := meta.FindStatusCondition(target.Status.Conditions, string(theirs))
	if c == nil || c.Status == metav1.ConditionUnknown || c.ObservedGeneration < target.Generation {
		status.Mark(g, our, metav1.ConditionUnknown, networkingv1alpha1.PendingReason, fmt.Sprintf(
			"No controller has answered for the Kubernetes Gateway %s; if that stays so, look at its GatewayClass %s", g.Target(), target.Spec.GatewayClassName))
		return
	}
	message := c.Message
	if strings.TrimSpace(message) == "" {
		message = fmt.Sprintf("The Kubernetes Gateway says %s %s", c.Type, c.Status)
	}
	status.Mark(g, our, c.Status, c.Reason, message)
}

// showListeners says whether each listener is served, and of the first that is not, why. What was said against one before it changed is waited for to
// be said again, or taken back.
func showListeners(g *networkingv1alpha1.Gateway, target *gatewayv1.Gateway) {
	answered := len(g.Status.Listeners) >= len(g.Listeners())
	for _, state := range g.Status.Listeners {
		for _, kind := range []gatewayv1.ListenerConditionType{
			gatewayv1.ListenerConditionAccepted, gatewayv1.ListenerConditionResolvedRefs, gatewayv1.ListenerConditionProgrammed,
		} {
			c := meta.FindStatusCondition(state.Conditions, string(kind))
			switch {
			case c == nil || c.Status == metav1.ConditionTrue:
			case c.Status == metav1.ConditionFalse && c.ObservedGeneration >= target.Generation:
				status.Mark(g, networkingv1alpha1.ListenersReadyCondition, metav1.ConditionFalse, networkingv1alpha1.ListenerNotReadyReason,
					fmt.Sprintf("Listener %s: %s: %s", state.Name, c.Reason, c.Message))
				return
			default:
				answered = false
			}
		}
	}
	if !answered {
		status.Mark(g, networkingv1alpha1.ListenersReadyCondition, metav1.ConditionUnknown, networkingv1alpha1.PendingReason,
			"The controller of the Kubernetes Gateway has not answered for every listener")
		return
	}
	status.Mark(g, networkingv1alpha1.ListenersReadyCondition, metav1.ConditionTrue, networkingv1alpha1.ListenersReadyReason, "Every listener is served")
}

func isReady(g *networkingv1alpha1.Gateway) bool {
	return meta.IsStatusConditionTrue(g.Status.Conditions, networkingv1alpha1.ReadyCondition)
}

func readyMessage(g *networkingv1alpha1.Gateway) string {
	return fmt.Sprintf("The Kubernetes Gateway %s serves *.%s", g.Target(), g.Spec.Domain)
}

// showProblem gives what keeps the listeners from the Kubernetes Gateway its place among the parts: what they said of an earlier spec is not true of
// this one.
func showProblem(g *networkingv1alpha1.Gateway, err error) {
	if stalled, is := problem.AsStalled(err); is {
		status.Mark(g, networkingv1alpha1.ScheduledCondition, metav1.ConditionFalse, stalled.Reason, stalled.Message)
	} else if waiting, is := problem.AsWaiting(err); is {
		status.Mark(g, networkingv1alpha1.ScheduledCondition, metav1.ConditionUnknown, waiting.Reason, waiting.Message)
	} else {
		return
	}
	g.Status.Addresses, g.Status.Listeners = nil, nil
	status.Clear(g, networkingv1alpha1.ProgrammedCondition)
	status.Clear(g, networkingv1alpha1.ListenersReadyCondition)
}

// markOverridden says which listeners do not answer to their own host name.
func markOverridden(g *networkingv1alpha1.Gateway) {
	names := g.OverriddenHostnames()
	if len(names) == 0 {
		status.Clear(g, networkingv1alpha1.UnsupportedCondition)
		return
	}
	status.Mark(g, networkingv1alpha1.UnsupportedCondition, metav1.ConditionTrue, networkingv1alpha1.HostnameOverriddenReason, fmt.Sprintf(
		"These listeners answer to *.%s, and ofn-http-internal to *.%s, whatever their hostname says: %s", g.Spec.Domain, g.ClusterDomain(), strings.Join(names, ", ")))
}
