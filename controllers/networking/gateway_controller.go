// SPDX-License-Identifier: Apache-2.0

package networking

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
	"github.com/openfunction/openfunction/pkg/apply"
	"github.com/openfunction/openfunction/pkg/enqueue"
	"github.com/openfunction/openfunction/pkg/networking"
	"github.com/openfunction/openfunction/pkg/problem"
	"github.com/openfunction/openfunction/pkg/provider"
	"github.com/openfunction/openfunction/pkg/status"
)

// +kubebuilder:rbac:groups=networking.openfunction.io,resources=gateways,verbs=list;watch;patch
// +kubebuilder:rbac:groups=networking.openfunction.io,resources=gateways/status,verbs=patch
// +kubebuilder:rbac:groups=networking.openfunction.io,resources=gateways/finalizers,verbs=update
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=gateways,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=referencegrants,verbs=list;watch
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,verbs=list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create

// fieldOwner is the manager under which the Gateway controller writes.
const fieldOwner = "openfunction-core/gateway"

// GatewayReconciler puts the listeners of a Gateway onto a Kubernetes Gateway and reports what became of them.
type GatewayReconciler struct {
	client.Client
	// Live reads past the cache.
	Live client.Reader
	// Recorder records Events.
	Recorder events.EventRecorder
	// PlatformNamespace is the namespace whose Gateways may use Kubernetes Gateways of any namespace.
	PlatformNamespace string

	providers *provider.Watches
}

// gatewayVisit is the state of one call.
type gatewayVisit struct {
	// before is the Gateway as it was read.
	before  *networkingv1alpha1.Gateway
	gateway *networkingv1alpha1.Gateway
	// target is the Kubernetes Gateway as it is after this call's writes.
	target *gatewayv1.Gateway
}

func (r *GatewayReconciler) setup(mgr ctrl.Manager, options Options) error {
	c, err := ctrl.NewControllerManagedBy(mgr).
		Named("gateway").
		For(&networkingv1alpha1.Gateway{}).
		WatchesMetadata(provider.Definition(), provider.EnqueueAll(r, networking.GatewayAPI.Kinds, &networkingv1alpha1.GatewayList{})).
		WithOptions(options.controller()).
		Build(reconcile.AsReconciler(mgr.GetClient(), r))
	if err != nil {
		return fmt.Errorf("setting up the Gateway controller: %w", err)
	}
	r.providers = options.Kinds.For(c, nil, map[schema.GroupVersionKind]handler.EventHandler{
		networking.GatewayKind:        r.enqueue(concerned),
		networking.ReferenceGrantKind: r.enqueue(wantsGrant),
	})
	return nil
}

// enqueue asks for the Gateways that an object concerns.
func (r *GatewayReconciler) enqueue(concerns func(*networkingv1alpha1.Gateway, client.Object) bool) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, object client.Object) []reconcile.Request {
		return enqueue.Matching(ctx, r, &networkingv1alpha1.GatewayList{}, func(g *networkingv1alpha1.Gateway) bool { return concerns(g, object) })
	})
}

// concerned tells whether the Gateway uses the Kubernetes Gateway, or has used it.
func concerned(g *networkingv1alpha1.Gateway, object client.Object) bool {
	gateway, ok := object.(*gatewayv1.Gateway)
	return ok && (g.Target() == client.ObjectKeyFromObject(object) || networking.IsAdoptedBy(gateway, networking.Key(g)) || made(g, gateway))
}

// wantsGrant tells whether the Gateway uses a Kubernetes Gateway in the namespace of the ReferenceGrant.
func wantsGrant(g *networkingv1alpha1.Gateway, object client.Object) bool {
	return g.Namespace != object.GetNamespace() && g.Target().Namespace == object.GetNamespace()
}

// Reconcile makes one Gateway's listeners those of its Kubernetes Gateway.
func (r *GatewayReconciler) Reconcile(ctx context.Context, g *networkingv1alpha1.Gateway) (res ctrl.Result, err error) {
	if !g.DeletionTimestamp.IsZero() {
		return status.Quiet(r.finalize(ctx, g))
	}
	before, g := g, g.DeepCopy()
	if err := r.hold(ctx, g); err != nil {
		return status.Quiet(err)
	}
	report := status.Begin(g)
	defer func() {
		if res, err = report.Finish(ctx, r.Client, res, err); err == nil {
			report.Announce(r.Recorder, networkingv1alpha1.ReadyCondition, "Listen")
		}
	}()
	v := &gatewayVisit{before: before, gateway: g}
	for _, phase := range []func(context.Context, *gatewayVisit) error{r.check, r.checkGrant, r.listen, r.show, r.confirm, r.letGo} {
		if err := phase(ctx, v); err != nil {
			showProblem(g, err)
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{}, nil
}

// hold puts the finalizer on the Gateway before anything is put on a Kubernetes Gateway.
func (r *GatewayReconciler) hold(ctx context.Context, g *networkingv1alpha1.Gateway) error {
	before := g.DeepCopy()
	if !controllerutil.AddFinalizer(g, networkingv1alpha1.Finalizer) {
		return nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Patch(ctx, g, patch, client.FieldOwner(fieldOwner)); err != nil {
		return fmt.Errorf("adding the finalizer: %w", apply.LostRace(g, err))
	}
	return nil
}

// check looks at what admission could not judge, and at what has to be installed.
func (r *GatewayReconciler) check(ctx context.Context, v *gatewayVisit) error {
	g := v.gateway
	markOverridden(g)
	if broken := validation.IsDNS1123Subdomain(g.Target().Name); len(broken) > 0 {
		return problem.Stalled(corev1beta2.InvalidSpecReason, "A Kubernetes Gateway cannot be called %q: %s", g.Target().Name, broken[0])
	}
	if err := r.providers.Require(ctx, networking.GatewayAPI); err != nil {
		return err
	}
	if err := networking.CheckTemplates(g); err != nil {
		return problem.Stalled(networkingv1alpha1.InvalidTemplateReason, "%s", err)
	}
	return nil
}

// checkGrant keeps a Gateway from Kubernetes Gateways of other namespaces that have not let it in. Whoever may write into the platform's own
// namespace may do all that the controllers may.
func (r *GatewayReconciler) checkGrant(ctx context.Context, v *gatewayVisit) error {
	g, target := v.gateway, v.gateway.Target()
	if target.Namespace == g.Namespace || g.Namespace == r.PlatformNamespace {
		return nil
	}
	grants, err := r.grants(ctx, target.Namespace)
	if err != nil {
		return err
	}
	if networking.Granted(grants, g) {
		return nil
	}
	if err := r.releaseAll(ctx, r.Client, g, types.NamespacedName{}); err != nil {
		return err
	}
	return problem.Stalled(networkingv1alpha1.NotGrantedReason, "The Kubernetes Gateway %s is in another namespace and no ReferenceGrant there lets Gateways of namespace %s use it; "+
		"have one made, or use a Kubernetes Gateway of this namespace", target, g.Namespace)
}

// finalize takes the listeners away from every Kubernetes Gateway, deletes the one that was made, and lets the Gateway go. It reads past the cache:
// what that does not show yet would stay for ever.
func (r *GatewayReconciler) finalize(ctx context.Context, g *networkingv1alpha1.Gateway) error {
	if !controllerutil.ContainsFinalizer(g, networkingv1alpha1.Finalizer) {
		return nil
	}
	installed, err := r.providers.Installed(ctx, []schema.GroupVersionKind{networking.GatewayKind})
	if err != nil {
		return err
	}
	if len(installed) > 0 {
		if err := r.releaseAll(ctx, r.Live, g, types.NamespacedName{}); err != nil {
			return err
		}
	}
	before := g.DeepCopy()
	g = g.DeepCopy()
	controllerutil.RemoveFinalizer(g, networkingv1alpha1.Finalizer)
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Patch(ctx, g, patch, client.FieldOwner(fieldOwner)); err != nil {
		return fmt.Errorf("removing the finalizer: %w", apply.LostRace(g, err))
	}
	return nil
}

// made tells whether the Kubernetes Gateway was made for the Gateway. In the same namespace that is still so when somebody has taken its labels off.
func made(g *networkingv1alpha1.Gateway, gateway metav1.Object) bool {
	return g.UID != "" && (gateway.GetLabels()[networkingv1alpha1.GatewayUIDLabel] == string(g.UID) || metav1.IsControlledBy(gateway, g))
}
