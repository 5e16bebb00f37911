// SPDX-License-Identifier: Apache-2.0

package core

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	daprv1alpha1 "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	resiliencyv1alpha1 "github.com/dapr/dapr/pkg/apis/resiliency/v1alpha1"
	httpv1alpha1 "github.com/kedacore/http-add-on/operator/apis/http/v1alpha1"
	httpv1beta1 "github.com/kedacore/http-add-on/operator/apis/http/v1beta1"
	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/dapr"
	"github.com/openfunction/openfunction/pkg/networking"
	"github.com/openfunction/openfunction/pkg/provider"
)

// Options are the operator's settings for the controllers of this group.
type Options struct {
	// Build are the settings every build uses.
	Build core.BuildSettings
	// Serving are the settings every Serving uses.
	Serving core.ServingSettings
	// TrustDomain is Dapr's trust domain; "cluster.local" when empty.
	TrustDomain string
	// ClusterDomain is the DNS suffix of Services; "cluster.local" when empty.
	ClusterDomain string
	// Concurrency is how many objects of one kind are worked on at once, of Functions half as many; 4 when 0.
	Concurrency int
	// Clock tells the time; the real one when nil.
	Clock clock.PassiveClock
	// Queue makes the queue of a controller; controller-runtime's own when nil. Tests let time pass in it.
	Queue func(controller string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request]
	// Logs reads the log of a failed build; from the API server when nil.
	Logs LogReader
	// Kinds are the kinds of engines that the manager watches; made here when nil.
	Kinds *provider.Kinds
	// SkipNameValidation lets a process start the controllers more than once, as tests do.
	SkipNameValidation bool
}

// DefaultInterceptor is where KEDA's HTTP add-on puts its interceptor unless told otherwise.
var DefaultInterceptor = types.NamespacedName{Namespace: "keda", Name: "keda-add-ons-http-interceptor-proxy"}

const (
	// defaultSettle is longer than what KEDA's interceptor and Knative's ingress take to hear of a new function.
	defaultSettle = 5 * time.Second
	// defaultDrain is as long as a pod that ends is given by default.
	defaultDrain = 30 * time.Second
)

// withDefaults fills in what is empty.
func (o Options) withDefaults() Options {
	o.ClusterDomain = cmp.Or(o.ClusterDomain, "cluster.local")
	o.TrustDomain = cmp.Or(o.TrustDomain, "cluster.local")
	o.Serving.PlatformNamespace = cmp.Or(o.Serving.PlatformNamespace, "openfunction")
	o.Serving.DaprNamespace = cmp.Or(o.Serving.DaprNamespace, "dapr-system")
	o.Serving.Interceptor = cmp.Or(o.Serving.Interceptor, DefaultInterceptor)
	o.Serving.Settle = cmp.Or(o.Serving.Settle, defaultSettle)
	o.Serving.Drain = cmp.Or(o.Serving.Drain, defaultDrain)
	o.Concurrency = cmp.Or(o.Concurrency, 4)
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return o
}

// NewScheme returns a scheme with every type the controllers read or write.
func NewScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, corev1beta2.AddToScheme, tektonv1.AddToScheme, kservingv1.AddToScheme,
		gatewayv1.Install, gatewayv1beta1.Install, networkingv1alpha1.AddToScheme,
		kedav1alpha1.AddToScheme, httpv1alpha1.AddToScheme, httpv1beta1.AddToScheme, daprv1alpha1.AddToScheme, resiliencyv1alpha1.AddToScheme,
	} {
		utilruntime.Must(add(scheme))
	}
	return scheme
}

// CacheOptions limit what the manager's cache holds: of other people's kinds only what this project made, and no managed fields. Dapr's
// Components are all held, because a Serving may refer to one of somebody else, and the operator's own namespace has its ConfigMap.
func CacheOptions(options Options) cache.Options {
	options = options.withDefaults()
	platform := options.Serving.PlatformNamespace
	ours := cache.ByObject{Label: labelled(corev1beta2.ManagedLabel)}
	everywhere := cache.ByObject{Namespaces: map[string]cache.Config{cache.AllNamespaces: {}}}
	served := cache.ByObject{Label: labelled(corev1beta2.ServingLabel)}
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:                    ours,
			&corev1.Service{}:                ours,
			&appsv1.Deployment{}:             ours,
			&appsv1.StatefulSet{}:            ours,
			&appsv1.DaemonSet{}:              ours,
			&appsv1.ControllerRevision{}:     {Label: labelled(corev1beta2.FunctionLabel)},
			&batchv1.Job{}:                   ours,
			&tektonv1.TaskRun{}:              {Label: labelled(corev1beta2.BuilderLabel)},
			&kservingv1.Service{}:            served,
			&kedav1alpha1.ScaledObject{}:     served,
			&kedav1alpha1.ScaledJob{}:        served,
			&httpv1alpha1.HTTPScaledObject{}: served,
			&httpv1beta1.InterceptorRoute{}:  served,
			&resiliencyv1alpha1.Resiliency{}: served,
			&gatewayv1.HTTPRoute{}:           ours,
			// A Function may name a Gateway of any namespace, and that a Kubernetes Gateway of any.
			&networkingv1alpha1.Gateway{}:    everywhere,
			&gatewayv1.Gateway{}:             everywhere,
			&gatewayv1beta1.ReferenceGrant{}: everywhere,
			&corev1.ConfigMap{}: {Namespaces: map[string]cache.Config{
				cache.AllNamespaces: {LabelSelector: labelled(corev1beta2.BuilderLabel)},
				platform:            {LabelSelector: labels.Everything()},
			}},
		},
	}
}

// NewCache makes a cache that can be made before Tekton and Knative are installed: cache.New asks the scope of every kind in its options.
func NewCache(config *rest.Config, options cache.Options) (cache.Cache, error) {
	options.Mapper = engineScopes{options.Mapper}
	return cache.New(config, options)
}

// engineKinds are the engines' kinds that the cache is told about; all are namespaced.
var engineKinds = []schema.GroupKind{
	networking.HTTPRouteKind.GroupKind(), networking.GatewayKind.GroupKind(), networking.ReferenceGrantKind.GroupKind(),
	tektonv1.Kind("TaskRun"), kservingv1.Kind("Service"), dapr.ResiliencyKind.GroupKind(),
	httpv1alpha1.SchemeGroupVersion.WithKind("HTTPScaledObject").GroupKind(), httpv1beta1.SchemeGroupVersion.WithKind("InterceptorRoute").GroupKind(),
	kedav1alpha1.SchemeGroupVersion.WithKind("ScaledObject").GroupKind(), kedav1alpha1.SchemeGroupVersion.WithKind("ScaledJob").GroupKind(),
}

// engineScopes knows the scope of the engines' kinds while they are not installed.
type engineScopes struct{ meta.RESTMapper }

// RESTMapping answers for an engine's kind that is not served yet as the engine will define it.
func (m engineScopes) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	mapping, err := m.RESTMapper.RESTMapping(kind, versions...)
	if err == nil || !meta.IsNoMatchError(err) || len(versions) == 0 || !slices.Contains(engineKinds, kind) {
		return mapping, err
	}
	gvk := kind.WithVersion(versions[0])
	return &meta.RESTMapping{Resource: provider.Resource(gvk), GroupVersionKind: gvk, Scope: meta.RESTScopeNamespace}, nil
}

func labelled(key string) labels.Selector {
	requirement, err := labels.NewRequirement(key, selection.Exists, nil)
	utilruntime.Must(err) // the keys are constants
	return labels.NewSelector().Add(*requirement)
}

// SetupWithManager adds the Function, Builder and Serving controllers to the manager.
func SetupWithManager(mgr ctrl.Manager, options Options) error {
	options = options.withDefaults()
	if options.Logs == nil {
		clientset, err := kubernetes.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
		if err != nil {
			return fmt.Errorf("making a client for pod logs: %w", err)
		}
		options.Logs = PodLogs{Clientset: clientset}
	}
	if options.Kinds == nil {
		options.Kinds = provider.NewKinds(mgr)
	}
	recorder := mgr.GetEventRecorder("openfunction")
	for _, setup := range []func() error{
		func() error {
			return (&FunctionReconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Clock: options.Clock, Recorder: recorder,
				PlatformNamespace: options.Serving.PlatformNamespace, ClusterDomain: options.ClusterDomain, Drain: options.Serving.Drain}).setup(mgr, options)
		},
		func() error {
			return (&BuilderReconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Clock: options.Clock, Recorder: recorder,
				Logs: options.Logs, Settings: options.Build}).setup(mgr, options)
		},
		func() error {
			return (&ServingReconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Clock: options.Clock, Recorder: recorder,
				ClusterDomain: options.ClusterDomain, TrustDomain: options.TrustDomain, Settings: options.Serving}).setup(mgr, options)
		},
	} {
		if err := setup(); err != nil {
			return err
		}
	}
	return nil
}
