// SPDX-License-Identifier: Apache-2.0

package conversion

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlhandler "sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	corev1beta1 "github.com/openfunction/openfunction/apis/core/v1beta1"
	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// Path is where the API server sends objects to be converted.
const Path = "/convert"

// CRDs are the definitions that are converted.
var CRDs = []string{"builders.core.openfunction.io", "functions.core.openfunction.io", "servings.core.openfunction.io"}

// Options are the settings of the webhook.
type Options struct {
	// Secret is where the certificate is kept. It has to exist, and may be empty.
	Secret client.ObjectKey
	// Hosts are the names that the API server calls the webhook by.
	Hosts []string
	// Host and Port are what it listens at; every address and 9443 by default.
	Host string
	Port int
	// Lifetimes of certificates; DefaultLifetimes by default.
	Lifetimes Lifetimes
	// Clock tells the time; the real one by default.
	Clock clock.PassiveClock
	// Ending is closed when the webhook is about to end. From then on it has those who ask make their next connection elsewhere. Nil is never.
	Ending <-chan struct{}
}

// NewScheme knows the versions that are converted, and what the certificate is kept in.
func NewScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, apiextensionsv1.AddToScheme, corev1beta1.AddToScheme, corev1beta2.AddToScheme,
	} {
		utilruntime.Must(add(scheme))
	}
	return scheme
}

// CacheOptions keep the one Secret in the cache and no other.
func CacheOptions(o Options) cache.Options {
	return cache.Options{ByObject: map[client.Object]cache.ByObject{
		&corev1.Secret{}: {
			Namespaces: map[string]cache.Config{o.Secret.Namespace: {}},
			Field:      fields.OneTermEqualSelector("metadata.name", o.Secret.Name),
		},
	}}
}

// Server is the webhook server of a manager, with the certificate it serves. It is made before the manager that keeps the certificate.
type Server struct {
	webhook.Server
	served *served
}

// NewServer makes the server of the webhook, for the manager's options.
func NewServer(o Options) *Server {
	s := &Server{served: &served{}}
	s.Server = webhook.NewServer(webhook.Options{Host: o.Host, Port: o.Port, TLSOpts: []func(*tls.Config){func(c *tls.Config) {
		c.MinVersion = tls.VersionTLS12
		c.GetCertificate = s.served.get
	}}})
	return s
}

// SetupWithManager adds the webhook and what keeps its certificate to a manager that was made with the server.
func SetupWithManager(mgr ctrl.Manager, server *Server, o Options) error {
	if o.Lifetimes == (Lifetimes{}) {
		o.Lifetimes = DefaultLifetimes
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	r := &certificateReconciler{
		client:    mgr.GetClient(),
		live:      mgr.GetAPIReader(),
		clock:     o.Clock,
		authority: newAuthority(o.Hosts, o.Lifetimes),
		crds:      CRDs,
		served:    server.served,
	}
	secret := []reconcile.Request{{NamespacedName: o.Secret}}
	err := ctrl.NewControllerManagedBy(mgr).Named("certificate").For(&corev1.Secret{}).
		WatchesMetadata(&apiextensionsv1.CustomResourceDefinition{}, ctrlhandler.EnqueueRequestsFromMapFunc(func(_ context.Context, crd client.Object) []reconcile.Request {
			if slices.Contains(CRDs, crd.GetName()) {
				return secret
			}
			return nil
		}), builder.OnlyMetadata).Complete(r)
	if err != nil {
		return fmt.Errorf("adding the controller of the certificate: %w", err)
	}
	mgr.GetWebhookServer().Register(Path, handler{ending: o.Ending})
	if err := mgr.AddReadyzCheck("certificate", server.served.check); err != nil {
		return fmt.Errorf("adding the readiness check: %w", err)
	}
	return nil
}
