// SPDX-License-Identifier: Apache-2.0

package networking

import (
	"context"
	"fmt"
	"strings"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/apply"
	"github.com/openfunction/openfunction/pkg/networking"
	"github.com/openfunction/openfunction/pkg/problem"
	"github.com/openfunction/openfunction/pkg/provider"
	"github.com/openfunction/openfunction/pkg/status"
)

// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=httproutes,verbs=list;watch
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=referencegrants,verbs=list;watch
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=referencegrants,namespace=openfunction,verbs=create;patch;delete

// GrantReconciler keeps a ReferenceGrant beside the router for each namespace in which a Function has an HTTPRoute, and for no other.
type GrantReconciler struct {
	client.Client
	// Live reads past the cache.
	Live client.Reader
	// Router is the Service that the HTTPRoutes lead to.
	Router types.NamespacedName

	providers *provider.Watches
}

func (r *GrantReconciler) setup(mgr ctrl.Manager, options Options) error {
	c, err := ctrl.NewControllerManagedBy(mgr).
		Named("grant").
		WatchesMetadata(provider.Definition(), handler.EnqueueRequestsFromMapFunc(whenDefined)).
		WithOptions(options.controller()).
		Build(r)
	if err != nil {
		return fmt.Errorf("setting up the Grant controller: %w", err)
	}
	r.providers = options.Kinds.For(c, nil, map[schema.GroupVersionKind]handler.EventHandler{
		networking.HTTPRouteKind:      handler.EnqueueRequestsFromMapFunc(namespaceOf),
		networking.ReferenceGrantKind: handler.EnqueueRequestsFromMapFunc(r.grantedNamespace),
	})
	return nil
}

// whenDefined asks, for no namespace, when a kind of Gateway API is defined: the watches begin then, and ask for the namespaces.
func whenDefined(_ context.Context, definition client.Object) []reconcile.Request {
	if strings.HasSuffix(definition.GetName(), "."+gatewayv1.GroupName) {
		return []reconcile.Request{{}}
	}
	return nil
}

func namespaceOf(_ context.Context, object client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: object.GetNamespace()}}}
}

// grantedNamespace asks for the namespace that a ReferenceGrant of ours is for.
func (r *GrantReconciler) grantedNamespace(_ context.Context, object client.Object) []reconcile.Request {
	grant, ok := object.(*gatewayv1beta1.ReferenceGrant)
	if !ok || !r.isOurs(grant) {
		return nil
	}
	var requests []reconcile.Request
	for _, from := range grant.Spec.From {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Name: string(from.Namespace)}})
	}
	return requests
}

func (r *GrantReconciler) isOurs(grant *gatewayv1beta1.ReferenceGrant) bool {
	return grant.Namespace == r.Router.Namespace && grant.Labels[corev1beta2.ManagedLabel] != ""
}

// Reconcile makes or removes the ReferenceGrant for one namespace, which is the name of the request.
func (r *GrantReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	namespace := request.Name
	err := r.providers.Require(ctx, networking.GatewayAPI)
	if _, missing := problem.AsStalled(err); missing {
		return ctrl.Result{}, nil // a definition that comes asks again
	} else if waiting, is := problem.AsWaiting(err); is {
		return ctrl.Result{RequeueAfter: waiting.Recheck}, nil
	} else if err != nil {
		return ctrl.Result{}, err
	}
	if namespace == "" || namespace == r.Router.Namespace {
		return ctrl.Result{}, nil
	}
	needed, err := needsGrant(ctx, r.Client, namespace)
	if err != nil {
		return ctrl.Result{}, err
	}
	return status.Quiet(r.keep(ctx, namespace, needed))
}

// needsGrant tells whether a Function of the namespace has an HTTPRoute.
func needsGrant(ctx context.Context, reader client.Reader, namespace string) (bool, error) {
	routes := &gatewayv1.HTTPRouteList{}
	if err := reader.List(ctx, routes, client.InNamespace(namespace), client.HasLabels{corev1beta2.FunctionLabel}); err != nil {
		return false, fmt.Errorf("listing the HTTPRoutes of %s: %w", namespace, err)
	}
	for i := range routes.Items {
		owner := metav1.GetControllerOf(&routes.Items[i])
		if owner != nil && owner.APIVersion == corev1beta2.GroupVersion.String() && owner.Kind == "Function" {
			return true, nil
		}
	}
	return false, nil
}

// keep makes the ReferenceGrant where it is needed, mends it, and removes it where it is not. One of somebody else with its name is left alone.
func (r *GrantReconciler) keep(ctx context.Context, namespace string, needed bool) error {
	wanted := networking.RouterGrant(namespace, r.Router)
	have := &gatewayv1beta1.ReferenceGrant{}
	err := r.Get(ctx, client.ObjectKeyFromObject(wanted), have)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading ReferenceGrant %s: %w", klog.KObj(wanted), err)
	}
	exists := err == nil
	verb := "Applied"
	switch {
	case !exists && needed:
		err = r.Create(ctx, wanted, client.FieldOwner(fieldOwner))
		if apierrors.IsAlreadyExists(err) { // the cache is about to show it
			return apierrors.NewConflict(schema.GroupResource{}, wanted.Name, err)
		}
	case !exists || !r.isOurs(have) || !have.DeletionTimestamp.IsZero():
		return nil
	case !needed:
		// The manager before may have made both, and the cache have the ReferenceGrant before the HTTPRoute.
		if stillNeeded, err := needsGrant(ctx, r.Live, namespace); err != nil || stillNeeded {
			return err
		}
		verb = "Pruned"
		uid := have.UID
		err = apply.LostRace(have, r.Delete(ctx, have, client.Preconditions{UID: &uid}))
	case apiequality.Semantic.DeepEqual(have.Spec, wanted.Spec):
		return nil
	default:
		changed := have.DeepCopy()
		changed.Spec = wanted.Spec
		err = r.Patch(ctx, changed, client.MergeFromWithOptions(have, client.MergeFromWithOptimisticLock{}), client.FieldOwner(fieldOwner))
	}
	if err != nil {
		return fmt.Errorf("keeping ReferenceGrant %s: %w", klog.KObj(wanted), err)
	}
	log.FromContext(ctx).Info(verb, "kind", "ReferenceGrant", "object", klog.KObj(wanted))
	return nil
}
