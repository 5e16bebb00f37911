// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/problem"
)

// Watches are the watches of one controller on the kinds of engines. A controller therefore starts without any engine, and goes on by itself when
// one is installed.
type Watches struct {
	kinds      *Kinds
	controller controller.Controller
	owner      client.Object
	also       map[schema.GroupVersionKind]handler.EventHandler
}

// For returns the watches of a controller, which is asked for the owner of each object that changes; owner may be nil. What else is to happen when
// an object of a kind changes stands in also.
func (k *Kinds) For(c controller.Controller, owner client.Object, also map[schema.GroupVersionKind]handler.EventHandler) *Watches {
	return &Watches{kinds: k, controller: c, owner: owner, also: also}
}

// Require returns a Stalled problem unless every kind of the provider is installed, and watches those that are.
func (w *Watches) Require(ctx context.Context, provider core.Provider) error {
	for _, kind := range provider.Kinds {
		installed, err := w.kinds.ensure(ctx, kind, w)
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

// Installed returns those of the kinds that are served in this cluster, and watches them.
func (w *Watches) Installed(ctx context.Context, kinds []schema.GroupVersionKind) ([]schema.GroupVersionKind, error) {
	var found []schema.GroupVersionKind
	for _, kind := range kinds {
		is, err := w.kinds.ensure(ctx, kind, w)
		if _, establishing := problem.AsWaiting(err); err != nil && !establishing {
			return nil, err
		}
		if is {
			found = append(found, kind)
		}
	}
	return found, nil
}

// start lets the controller hear of a kind that the cache holds.
func (w *Watches) start(k *Kinds, kind schema.GroupVersionKind, child client.Object) error {
	var handlers []handler.EventHandler
	if w.owner != nil {
		handlers = append(handlers, handler.EnqueueRequestForOwner(k.client.Scheme(), k.mapper, w.owner, handler.OnlyControllerOwner()))
	}
	if more, ok := w.also[kind]; ok {
		handlers = append(handlers, more)
	}
	for _, h := range handlers {
		if err := w.controller.Watch(source.Kind(k.cache, child, h)); err != nil {
			return fmt.Errorf("watching %s: %w", kind.Kind, err)
		}
	}
	return nil
}
