// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"maps"
	"slices"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlevent "sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
	"github.com/openfunction/openfunction/pkg/enqueue"
)

// functionsAt asks for the Functions whose route goes through a Gateway of ours.
func (r *FunctionReconciler) functionsAt(ctx context.Context, gateway client.Object) []reconcile.Request {
	return r.functionsAtAny(ctx, []types.NamespacedName{client.ObjectKeyFromObject(gateway)})
}

// functionsBehind asks for the Functions whose route goes through a Kubernetes Gateway.
func (r *FunctionReconciler) functionsBehind(ctx context.Context, target client.Object) []reconcile.Request {
	uses := func(g *networkingv1alpha1.Gateway) bool { return g.Target() == client.ObjectKeyFromObject(target) }
	var gateways []types.NamespacedName
	for _, g := range enqueue.Matching(ctx, r, &networkingv1alpha1.GatewayList{}, uses) {
		gateways = append(gateways, g.NamespacedName)
	}
	return r.functionsAtAny(ctx, gateways)
}

func (r *FunctionReconciler) functionsAtAny(ctx context.Context, gateways []types.NamespacedName) []reconcile.Request {
	if len(gateways) == 0 {
		return nil
	}
	return enqueue.Matching(ctx, r, &corev1beta2.FunctionList{}, func(f *corev1beta2.Function) bool {
		if f.Spec.Serving == nil || f.Spec.Serving.HTTP() == nil {
			return false
		}
		key, _ := gatewayOf(ptr.Deref(f.Spec.Serving.HTTP().Route, corev1beta2.Route{}))
		return slices.Contains(gateways, key)
	})
}

// isRelabelled tells whether a selector of a listener may choose otherwise.
func isRelabelled(before, after map[string]string) bool { return !maps.Equal(before, after) }

// listenerChanges passes on what changes the addresses of functions. A Kubernetes Gateway also counts the routes attached to it, which is no news to
// those already there.
type listenerChanges struct{ handler.EventHandler }

// Update passes on a change of the spec, or of what the gateway's controller says of a listener.
func (h listenerChanges) Update(ctx context.Context, e ctrlevent.UpdateEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	before, wasGateway := e.ObjectOld.(*gatewayv1.Gateway)
	after, isGateway := e.ObjectNew.(*gatewayv1.Gateway)
	if wasGateway && isGateway && before.Generation == after.Generation && apiequality.Semantic.DeepEqual(uncounted(before), uncounted(after)) {
		return
	}
	h.EventHandler.Update(ctx, e, queue)
}

// uncounted are the states of the listeners without the number of routes.
func uncounted(gateway *gatewayv1.Gateway) []gatewayv1.ListenerStatus {
	states := slices.Clone(gateway.Status.Listeners)
	for i := range states {
		states[i].AttachedRoutes = 0
	}
	return states
}
