// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"fmt"
	"sync"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/problem"
)

// crd is the kind of a CustomResourceDefinition, of which only the metadata is read.
var crd = apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition")

// providers watches the children of one controller's owners, kind by kind, as the engines that define them come and go.
// A controller therefore starts without any engine, and goes on by itself when one is installed.
type providers struct {
	cache      cache.Cache
	mapper     meta.RESTMapper
	client     client.Client
	controller controller.Controller
	owner      client.Object
	// also is what else, by kind, is to happen when an object of it changes, besides asking for its owner.
	also map[schema.GroupVersionKind]handler.EventHandler

	mu      sync.Mutex
	watched map[schema.GroupVersionKind]types.UID
}

func newProviders(mgr ctrl.Manager, c controller.Controller, owner client.Object) *providers {
	return &providers{cache: mgr.GetCache(), mapper: mgr.GetRESTMapper(), client: mgr.GetClient(), controller: c, owner: owner,
		watched: map[schema.GroupVersionKind]types.UID{}}
}

// crdMetadata is the object to watch CustomResourceDefinitions by.
func crdMetadata() *metav1.PartialObjectMetadata {
	definition := &metav1.PartialObjectMetadata{}
	definition.SetGroupVersionKind(crd)
	return definition
}

// require returns a Stalled problem unless every kind of the provider is installed, and watches those that are.
func (p *providers) require(ctx context.Context, provider core.Provider) error {
	for _, kind := range provider.Kinds {
		installed, err := p.watch(ctx, kind)
		if err != nil {
			return err
		}
		if !installed {
			return problem.Stalled(corev1beta2.ProviderNotInstalledReason, "%s is not installed in this cluster (no kind %s); install it: %s",
				provider.Title, kind.GroupKind(), provider.Install)
		}
	}
	return nil
}

// watch starts a watch on the kind when its definition exists, and drops it when the definition is gone or is another one.
func (p *providers) watch(ctx context.Context, kind schema.GroupVersionKind) (installed bool, err error) {
	plural, _ := meta.UnsafeGuessKindToResource(kind)
	definition := crdMetadata()
	err = p.client.Get(ctx, types.NamespacedName{Name: plural.GroupResource().String()}, definition)
	if err != nil && !apierrors.IsNotFound(err) {
		return false, fmt.Errorf("reading the definition of %s: %w", kind.Kind, err)
	}
	exists := err == nil && definition.DeletionTimestamp.IsZero()

	p.mu.Lock()
	defer p.mu.Unlock()
	child, err := p.child(kind)
	if err != nil {
		return false, err
	}
	if watched, ok := p.watched[kind]; ok && (!exists || watched != definition.UID) {
		delete(p.watched, kind)
		if err := p.cache.RemoveInformer(ctx, child); err != nil {
			return false, fmt.Errorf("ending the watch on %s: %w", kind.Kind, err)
		}
	}
	if !exists {
		return false, nil
	}
	if _, ok := p.watched[kind]; ok {
		return true, nil
	}
	if _, err := p.mapper.RESTMapping(kind.GroupKind(), kind.Version); err != nil {
		if meta.IsNoMatchError(err) {
			return false, problem.WaitingUntil(definitionDelay, corev1beta2.ProviderNotInstalledReason, "The definition of %s is being established", kind.Kind)
		}
		return false, fmt.Errorf("looking up %s: %w", kind.Kind, err)
	}
	owned := handler.EnqueueRequestForOwner(p.client.Scheme(), p.mapper, p.owner, handler.OnlyControllerOwner())
	if err := p.controller.Watch(source.Kind(p.cache, child, owned)); err != nil {
		return false, fmt.Errorf("watching %s: %w", kind.Kind, err)
	}
	if more, ok := p.also[kind]; ok {
		if err := p.controller.Watch(source.Kind(p.cache, child, more)); err != nil {
			return false, fmt.Errorf("watching %s: %w", kind.Kind, err)
		}
	}
	p.watched[kind] = definition.UID
	return true, nil
}

// installed returns those of the kinds that are served in this cluster, and watches them.
func (p *providers) installed(ctx context.Context, kinds []schema.GroupVersionKind) ([]schema.GroupVersionKind, error) {
	var found []schema.GroupVersionKind
	for _, kind := range kinds {
		is, err := p.watch(ctx, kind)
		if _, establishing := problem.AsWaiting(err); err != nil && !establishing {
			return nil, err
		}
		if is {
			found = append(found, kind)
		}
	}
	return found, nil
}

func (p *providers) child(kind schema.GroupVersionKind) (client.Object, error) {
	object, err := p.client.Scheme().New(kind)
	if err != nil {
		return nil, fmt.Errorf("making a %s: %w", kind.Kind, err)
	}
	return object.(client.Object), nil
}

// definitionDelay is how long the API server takes to serve a new definition.
const definitionDelay = 2 * time.Second

// enqueueAll returns a handler that asks for every object of a list when a provider's definition comes or goes.
func enqueueAll(c client.Reader, provider core.Provider, list client.ObjectList) handler.EventHandler {
	wanted := map[string]bool{}
	for _, kind := range provider.Kinds {
		plural, _ := meta.UnsafeGuessKindToResource(kind)
		wanted[plural.GroupResource().String()] = true
	}
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, definition client.Object) []reconcile.Request {
		if !wanted[definition.GetName()] {
			return nil
		}
		all := list.DeepCopyObject().(client.ObjectList)
		if err := c.List(ctx, all); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "Listing what waits for a provider", "provider", provider.Title)
			return nil
		}
		var requests []reconcile.Request
		_ = meta.EachListItem(all, func(object runtime.Object) error {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(object.(client.Object))})
			return nil
		})
		return requests
	})
}
