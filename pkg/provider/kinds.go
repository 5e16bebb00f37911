// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/enqueue"
	"github.com/openfunction/openfunction/pkg/problem"
)

// crd is the kind of a CustomResourceDefinition, of which only the metadata is read.
var crd = apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition")

// definitionDelay is how long the API server takes to serve a new definition.
const definitionDelay = 2 * time.Second

// Kinds knows which kinds of engines are watched by which controllers of one manager.
type Kinds struct {
	cache  cache.Cache
	mapper meta.RESTMapper
	client client.Client

	mu      sync.Mutex
	watched map[schema.GroupVersionKind]*watch
}

// watch is what is known of one kind.
type watch struct {
	// definition is the one that the informer of the cache was started under; empty while there is none.
	definition types.UID
	// watchers have asked for the kind, and started are those of them that hear of the informer.
	watchers, started []*Watches
}

// NewKinds returns the Kinds of a manager's controllers.
func NewKinds(mgr ctrl.Manager) *Kinds {
	return &Kinds{cache: mgr.GetCache(), mapper: mgr.GetRESTMapper(), client: mgr.GetClient(), watched: map[schema.GroupVersionKind]*watch{}}
}

// Definition is the object to watch CustomResourceDefinitions by.
func Definition() *metav1.PartialObjectMetadata {
	definition := &metav1.PartialObjectMetadata{}
	definition.SetGroupVersionKind(crd)
	return definition
}

// Resource is the resource of a kind, by whose name its definition is known.
func Resource(kind schema.GroupVersionKind) schema.GroupVersionResource {
	plural, singular := meta.UnsafeGuessKindToResource(kind)
	if strings.HasSuffix(singular.Resource, "ay") { // taken for "gatewaies"
		plural.Resource = singular.Resource + "s"
	}
	return plural
}

// ensure starts a watch on the kind for one controller when its definition exists, and drops everybody's when the definition is gone or is another
// one. The definition is read under the lock, so that nobody ends a watch for what he saw a while ago.
func (k *Kinds) ensure(ctx context.Context, kind schema.GroupVersionKind, asker *Watches) (installed bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	w := k.of(kind)
	if !slices.Contains(w.watchers, asker) {
		w.watchers = append(w.watchers, asker)
	}
	definition, err := k.definition(ctx, kind)
	if err != nil {
		return false, err
	}
	child, err := k.child(kind)
	if err != nil {
		return false, err
	}
	if w.definition != "" && w.definition != definition {
		w.definition, w.started = "", nil
		if err := k.cache.RemoveInformer(ctx, child); err != nil {
			return false, fmt.Errorf("ending the watch on %s: %w", kind.Kind, err)
		}
	}
	if definition == "" {
		return false, nil
	}
	if _, err := k.mapper.RESTMapping(kind.GroupKind(), kind.Version); meta.IsNoMatchError(err) {
		return false, problem.WaitingUntil(definitionDelay, corev1beta2.ProviderNotInstalledReason, "The definition of %s is being established", kind.Kind)
	} else if err != nil {
		return false, fmt.Errorf("looking up %s: %w", kind.Kind, err)
	}
	w.definition = definition
	for _, watcher := range w.watchers {
		if slices.Contains(w.started, watcher) {
			continue
		}
		if err := watcher.start(k, kind, child); err != nil {
			return false, err
		}
		w.started = append(w.started, watcher)
	}
	return true, nil
}

func (k *Kinds) of(kind schema.GroupVersionKind) *watch {
	w, known := k.watched[kind]
	if !known {
		w = &watch{}
		k.watched[kind] = w
	}
	return w
}

// definition is the UID of the kind's definition; empty where there is none.
func (k *Kinds) definition(ctx context.Context, kind schema.GroupVersionKind) (types.UID, error) {
	definition := Definition()
	err := k.client.Get(ctx, types.NamespacedName{Name: Resource(kind).GroupResource().String()}, definition)
	if apierrors.IsNotFound(err) {
		return "", nil
	} else if err != nil {
		return "", fmt.Errorf("reading the definition of %s: %w", kind.Kind, err)
	}
	if !definition.DeletionTimestamp.IsZero() {
		return "", nil
	}
	return definition.UID, nil
}

func (k *Kinds) child(kind schema.GroupVersionKind) (client.Object, error) {
	object, err := k.client.Scheme().New(kind)
	if err != nil {
		return nil, fmt.Errorf("making a %s: %w", kind.Kind, err)
	}
	return object.(client.Object), nil
}

// EnqueueAll returns a handler that asks for every object of a list when the definition of one of these kinds comes or goes.
func EnqueueAll(c client.Reader, kinds []schema.GroupVersionKind, list client.ObjectList) handler.EventHandler {
	wanted := map[string]bool{}
	for _, kind := range kinds {
		wanted[Resource(kind).GroupResource().String()] = true
	}
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, definition client.Object) []reconcile.Request {
		if !wanted[definition.GetName()] {
			return nil
		}
		return enqueue.Every(ctx, c, list)
	})
}
