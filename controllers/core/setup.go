// SPDX-License-Identifier: Apache-2.0

package core

import (
	"fmt"

	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
)

// Options are the operator's settings for the controllers of this group.
type Options struct {
	// Build are the settings every build uses.
	Build core.BuildSettings
	// ClusterDomain is the DNS suffix of Services; "cluster.local" when empty.
	ClusterDomain string
	// Concurrency is how many objects of one kind are worked on at once; 4 when 0.
	Concurrency int
	// Clock tells the time; the real one when nil.
	Clock clock.PassiveClock
	// Logs reads the log of a failed build; from the API server when nil.
	Logs LogReader
	// SkipNameValidation lets a process start the controllers more than once, as tests do.
	SkipNameValidation bool
}

// NewScheme returns a scheme with every type the controllers read or write.
func NewScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, corev1beta2.AddToScheme, tektonv1.AddToScheme, kservingv1.AddToScheme,
	} {
		utilruntime.Must(add(scheme))
	}
	return scheme
}

// CacheOptions limit what the manager's cache holds: of other people's kinds only what this project made, and no managed fields.
func CacheOptions() cache.Options {
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:         {Label: labelled(corev1beta2.ServingLabel)},
			&corev1.ConfigMap{}:   {Label: labelled(corev1beta2.BuilderLabel)},
			&tektonv1.TaskRun{}:   {Label: labelled(corev1beta2.BuilderLabel)},
			&kservingv1.Service{}: {Label: labelled(corev1beta2.ServingLabel)},
		},
	}
}

// NewCache makes a cache that can be made before Tekton and Knative are installed: cache.New asks the scope of every kind in its options.
func NewCache(config *rest.Config, options cache.Options) (cache.Cache, error) {
	options.Mapper = engineScopes{options.Mapper}
	return cache.New(config, options)
}

// engineScopes knows the scope of the engines' kinds while they are not installed.
type engineScopes struct{ meta.RESTMapper }

// RESTMapping answers for an engine's kind that is not served yet as the engine will define it.
func (m engineScopes) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	mapping, err := m.RESTMapper.RESTMapping(kind, versions...)
	if err == nil || !meta.IsNoMatchError(err) || len(versions) == 0 || (kind != tektonv1.Kind("TaskRun") && kind != kservingv1.Kind("Service")) {
		return mapping, err
	}
	gvk := kind.WithVersion(versions[0])
	plural, _ := meta.UnsafeGuessKindToResource(gvk)
	return &meta.RESTMapping{Resource: plural, GroupVersionKind: gvk, Scope: meta.RESTScopeNamespace}, nil
}

func labelled(key string) labels.Selector {
	requirement, err := labels.NewRequirement(key, selection.Exists, nil)
	utilruntime.Must(err) // the keys are constants
	return labels.NewSelector().Add(*requirement)
}

// SetupWithManager adds the Function, Builder and Serving controllers to the manager.
func SetupWithManager(mgr ctrl.Manager, options Options) error {
	if options.ClusterDomain == "" {
		options.ClusterDomain = "cluster.local"
	}
	if options.Concurrency == 0 {
		options.Concurrency = 4
	}
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	if options.Logs == nil {
		clientset, err := kubernetes.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
		if err != nil {
			return fmt.Errorf("making a client for pod logs: %w", err)
		}
		options.Logs = PodLogs{Clientset: clientset}
	}
	recorder := mgr.GetEventRecorder("openfunction")
	for _, setup := range []func() error{
		func() error {
			return (&FunctionReconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Clock: options.Clock, Recorder: recorder}).setup(mgr, options)
		},
		func() error {
			return (&BuilderReconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Clock: options.Clock, Recorder: recorder,
				Logs: options.Logs, Settings: options.Build}).setup(mgr, options)
		},
		func() error {
			return (&ServingReconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Clock: options.Clock, Recorder: recorder,
				ClusterDomain: options.ClusterDomain}).setup(mgr, options)
		},
	} {
		if err := setup(); err != nil {
			return err
		}
	}
	return nil
}
