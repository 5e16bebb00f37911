// SPDX-License-Identifier: Apache-2.0

package networking

import (
	"cmp"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/provider"
)

// Options are the operator's settings for the controllers of this group.
type Options struct {
	// PlatformNamespace is where the operator and the router run; "openfunction" when empty.
	PlatformNamespace string
	// Concurrency is how many objects of one kind are worked on at once; 4 when 0.
	Concurrency int
	// Queue makes the queue of a controller; controller-runtime's own when nil. Tests let time pass in it.
	Queue func(controller string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request]
	// Kinds are the kinds of engines that the manager watches; made here when nil.
	Kinds *provider.Kinds
	// SkipNameValidation lets a process start the controllers more than once, as tests do.
	SkipNameValidation bool
}

func (o Options) withDefaults() Options {
	o.PlatformNamespace = cmp.Or(o.PlatformNamespace, "openfunction")
	o.Concurrency = cmp.Or(o.Concurrency, 4)
	return o
}

func (o Options) controller() controller.Options {
	return controller.Options{MaxConcurrentReconciles: o.Concurrency, SkipNameValidation: &o.SkipNameValidation, NewQueue: o.Queue}
}

// SetupWithManager adds the Gateway and Grant controllers to the manager. Its scheme and cache are those of controllers/core.
func SetupWithManager(mgr ctrl.Manager, options Options) error {
	options = options.withDefaults()
	if options.Kinds == nil {
		options.Kinds = provider.NewKinds(mgr)
	}
	gateways := &GatewayReconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Recorder: mgr.GetEventRecorder("openfunction"),
		PlatformNamespace: options.PlatformNamespace}
	if err := gateways.setup(mgr, options); err != nil {
		return err
	}
	grants := &GrantReconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(),
		Router: types.NamespacedName{Namespace: options.PlatformNamespace, Name: core.RouterService}}
	return grants.setup(mgr, options)
}
