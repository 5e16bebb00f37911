// SPDX-License-Identifier: Apache-2.0

package core

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
)

// +kubebuilder:rbac:groups=discovery.k8s.io,resources=endpointslices,verbs=get;list;watch;create;update
// +kubebuilder:rbac:groups="",resources=endpoints/restricted,verbs=create

// InterceptorReconciler keeps the EndpointSlice of the Service core.InterceptorService at the pods of the interceptor of KEDA's HTTP add-on.
// That Service listens on port 80, where the interceptor's own does not, so that the name of a function can stand for it.
type InterceptorReconciler struct {
	client.Client
	// Interceptor is the add-on's Service.
	Interceptor types.NamespacedName
	// Namespace is where the EndpointSlice is kept.
	Namespace string
}

func (r *InterceptorReconciler) setup(mgr ctrl.Manager, options Options) error {
	only := func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: r.Namespace, Name: core.InterceptorService}}}
	}
	err := ctrl.NewControllerManagedBy(mgr).
		Named("interceptor").
		Watches(&discoveryv1.EndpointSlice{}, handler.EnqueueRequestsFromMapFunc(only)).
		WithOptions(controllerOptions(options)).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the interceptor controller: %w", err)
	}
	return nil
}

// Reconcile copies the interceptor's endpoints, whichever of its slices they are in.
func (r *InterceptorReconciler) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	var theirs discoveryv1.EndpointSliceList
	if err := r.List(ctx, &theirs, client.InNamespace(r.Interceptor.Namespace), client.MatchingLabels{discoveryv1.LabelServiceName: r.Interceptor.Name}); err != nil {
		return ctrl.Result{}, fmt.Errorf("listing the interceptor's endpoints: %w", err)
	}
	wanted := r.mirror(theirs.Items)
	have := &discoveryv1.EndpointSlice{}
	err := r.Get(ctx, client.ObjectKeyFromObject(wanted), have)
	switch {
	case apierrors.IsNotFound(err):
		if len(wanted.Endpoints) == 0 {
			return ctrl.Result{}, nil // the add-on is not installed
		}
		err = r.Create(ctx, wanted)
		if apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) {
			return ctrl.Result{}, nil // the cache will show it, or the namespace is not there
		}
	case err == nil && !apiequality.Semantic.DeepEqual(wanted.Endpoints, have.Endpoints) || !apiequality.Semantic.DeepEqual(wanted.Ports, have.Ports):
		changed := have.DeepCopy()
		changed.Endpoints, changed.Ports = wanted.Endpoints, wanted.Ports
		err = r.Update(ctx, changed)
	case err == nil:
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("writing the endpoints of %s: %w", core.InterceptorService, err)
	}
	log.FromContext(ctx).Info("Applied", "kind", "EndpointSlice", "object", klog.KObj(wanted), "endpoints", len(wanted.Endpoints))
	return ctrl.Result{}, nil
}

// plainPort is the name of the interceptor's port for plain HTTP; it may have another one for TLS.
const plainPort = "proxy"

// mirror returns the slice with every ready endpoint of theirs.
func (r *InterceptorReconciler) mirror(theirs []discoveryv1.EndpointSlice) *discoveryv1.EndpointSlice {
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: core.InterceptorService, Namespace: r.Namespace, Labels: map[string]string{
			discoveryv1.LabelServiceName: core.InterceptorService,
			discoveryv1.LabelManagedBy:   "openfunction",
			corev1beta2.ManagedLabel:     "true",
		}},
		AddressType: discoveryv1.AddressTypeIPv4,
	}
	for _, their := range theirs {
		if their.AddressType != slice.AddressType {
			continue
		}
		for _, port := range their.Ports {
			if len(their.Ports) > 1 && ptr.Deref(port.Name, "") != plainPort {
				continue
			}
			slice.Ports = []discoveryv1.EndpointPort{{Name: ptr.To("http"), Port: port.Port, Protocol: ptr.To(corev1.ProtocolTCP)}}
		}
		for _, endpoint := range their.Endpoints {
			if !ptr.Deref(endpoint.Conditions.Ready, true) {
				continue
			}
			slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
				Addresses: endpoint.Addresses, NodeName: endpoint.NodeName, Zone: endpoint.Zone,
				Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true), Serving: ptr.To(true), Terminating: ptr.To(false)},
			})
		}
	}
	slices.SortFunc(slice.Endpoints, func(a, b discoveryv1.Endpoint) int { return cmp.Compare(a.Addresses[0], b.Addresses[0]) })
	return slice
}
