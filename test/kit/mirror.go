// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// mirror holds a copy of every namespaced object of the control plane, fed by watches, so that a suite can look at
// the whole world as often as it likes without asking the API server.
type mirror struct {
	discovery discovery.DiscoveryInterface
	dynamic   dynamic.Interface

	mu        sync.Mutex
	informers map[schema.GroupVersionResource]*mirrored
	changed   map[string]time.Time // namespace -> when anything in it changed last
	watchers  []func(*unstructured.Unstructured)
	pictures  map[types.UID]picture

	stories stories
	turns   turns
}

type mirrored struct {
	kind     schema.GroupKind
	informer cache.SharedIndexInformer
	stop     chan struct{}
}

// unmirrored are the kinds that say nothing about what our controllers did.
var unmirrored = map[string]bool{
	"events": true, "leases": true, "endpoints": true, "endpointslices": true, "bindings": true,
}

func newMirror(config *rest.Config) (*mirror, error) {
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	m := &mirror{
		discovery: d,
		informers: map[schema.GroupVersionResource]*mirrored{}, changed: map[string]time.Time{},
		pictures: map[types.UID]picture{},
	}
	config = rest.CopyConfig(config)
	config.Wrap(func(base http.RoundTripper) http.RoundTripper {
		return &relists{base: base, seen: map[string]bool{}, again: m.stories.tear}
	})
	m.dynamic, err = dynamic.NewForConfig(config)
	return m, err
}

// relists sees that a kind is listed anew: what happened in between was not told. A watch that was too far behind begins anew without saying so.
type relists struct {
	base  http.RoundTripper
	again func()
	mu    sync.Mutex
	seen  map[string]bool
}

// RoundTrip only looks.
func (r *relists) RoundTrip(req *http.Request) (*http.Response, error) {
	query := req.URL.Query()
	lists := !query.Has("watch") && !query.Has("continue") || query.Get("sendInitialEvents") == "true"
	if req.Method == http.MethodGet && lists {
		r.mu.Lock()
		again := r.seen[req.URL.Path]
		r.seen[req.URL.Path] = true
		r.mu.Unlock()
		if again {
			r.again()
		}
	}
	return r.base.RoundTrip(req)
}

// discover watches the kinds that are served now, and forgets those that are not.
func (m *mirror) discover(ctx context.Context) error {
	lists, err := m.discovery.ServerPreferredNamespacedResources()
	if err != nil {
		return fmt.Errorf("reading what the API server serves: %w", err)
	}
	served := map[schema.GroupVersionResource]schema.GroupKind{}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return err
		}
		for _, r := range list.APIResources {
			if slices.Contains(r.Verbs, "watch") && slices.Contains(r.Verbs, "list") && !unmirrored[r.Name] {
				served[gv.WithResource(r.Name)] = schema.GroupKind{Group: gv.Group, Kind: r.Kind}
			}
		}
	}
	var waitFor []cache.InformerSynced
	m.mu.Lock()
	for gvr, i := range m.informers {
		if _, ok := served[gvr]; !ok {
			close(i.stop)
			delete(m.informers, gvr)
		}
	}
	for gvr, kind := range served {
		if m.informers[gvr] == nil {
			waitFor = append(waitFor, m.watch(gvr, kind))
		}
	}
	m.mu.Unlock()
	if !cache.WaitForCacheSync(ctx.Done(), waitFor...) {
		return fmt.Errorf("the watches of the test kit did not begin: %w", ctx.Err())
	}
	return nil
}

// watch starts to copy one kind; the caller holds the lock.
func (m *mirror) watch(gvr schema.GroupVersionResource, kind schema.GroupKind) cache.InformerSynced {
	informer := dynamicinformer.NewFilteredDynamicInformer(m.dynamic, gvr, "", 0,
		cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}, nil).Informer()
	registration, _ := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) { m.saw(o, true) },
		UpdateFunc: func(old, o any) {
			if isTheSame(old, o) { // only a new list shows what has not changed: the watch fell behind, and nobody is told of that
				m.stories.tear()
			}
			m.saw(o, true)
		},
		DeleteFunc: func(o any) { m.saw(o, false) },
	})
	i := &mirrored{kind: kind, informer: informer, stop: make(chan struct{})}
	m.informers[gvr] = i
	_ = informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, r *cache.Reflector, err error) {
		m.stories.tear()
		cache.DefaultWatchErrorHandler(ctx, r, err)
	})
	go informer.Run(i.stop)
	return registration.HasSynced
}

// isTheSame tells that both are the same state of an object.
func isTheSame(a, b any) bool {
	before, ok := a.(*unstructured.Unstructured)
	after, alsoOK := b.(*unstructured.Unstructured)
	return ok && alsoOK && before.GetResourceVersion() == after.GetResourceVersion()
}

func (m *mirror) saw(o any, exists bool) {
	if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = gone.Obj
		m.stories.tear()
	}
	object, ok := o.(*unstructured.Unstructured)
	if !ok {
		return
	}
	m.stories.add(object, !exists)
	m.mu.Lock()
	m.changed[object.GetNamespace()] = time.Now()
	watchers := m.watchers
	if !exists {
		delete(m.pictures, object.GetUID())
	}
	m.mu.Unlock()
	for _, watcher := range watchers {
		watcher(object)
	}
}

// onChange calls f with each object that exists now, and that changes or goes later; f must not block or change it.
func (m *mirror) onChange(f func(*unstructured.Unstructured)) {
	m.mu.Lock()
	m.watchers = append(slices.Clone(m.watchers), f)
	m.mu.Unlock()
	for _, object := range m.objects("") {
		f(object)
	}
}

// objects are all objects of a namespace, or of all, in a stable order. They are shared: copy before changing.
func (m *mirror) objects(namespace string) []*unstructured.Unstructured {
	objects := m.of("", namespace)
	slices.SortFunc(objects, func(a, b *unstructured.Unstructured) int { return strings.Compare(id(a), id(b)) })
	return objects
}

// of are the objects of a kind, or of all, in a namespace, or in all, in any order. They are shared: copy before changing.
func (m *mirror) of(kind, namespace string) []*unstructured.Unstructured {
	var objects []*unstructured.Unstructured
	for _, informer := range m.ofKind(kind) {
		var found []any
		if namespace == "" {
			found = informer.GetStore().List()
		} else {
			found, _ = informer.GetIndexer().ByIndex(cache.NamespaceIndex, namespace)
		}
		for _, o := range found {
			objects = append(objects, o.(*unstructured.Unstructured))
		}
	}
	return objects
}

// get is the copy of one object, or nil.
func (m *mirror) get(kind schema.GroupKind, namespace, name string) *unstructured.Unstructured {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, i := range m.informers {
		if i.kind == kind {
			if o, found, _ := i.informer.GetStore().GetByKey(namespace + "/" + name); found {
				return o.(*unstructured.Unstructured)
			}
		}
	}
	return nil
}

// ofKind are the informers of a kind, or of all. Two groups may have the same kind, as core and Knative have Service.
func (m *mirror) ofKind(kind string) []cache.SharedIndexInformer {
	m.mu.Lock()
	defer m.mu.Unlock()
	var informers []cache.SharedIndexInformer
	for _, i := range m.informers {
		if kind == "" || i.kind.Kind == kind {
			informers = append(informers, i.informer)
		}
	}
	return informers
}

// versions are those of a namespace's objects as they were seen, with all resources that are watched.
func (m *mirror) versions(namespace string) versions {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := versions{}
	for gvr, i := range m.informers {
		names := map[string]uint64{}
		found, _ := i.informer.GetIndexer().ByIndex(cache.NamespaceIndex, namespace)
		for _, o := range found {
			object := o.(*unstructured.Unstructured)
			names[object.GetName()] = version(object)
		}
		all[gvr.GroupResource()] = names
	}
	return all
}

// quietSince is when anything in the namespace changed last.
func (m *mirror) quietSince(namespace string) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed[namespace]
}

func (m *mirror) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for gvr, i := range m.informers {
		close(i.stop)
		delete(m.informers, gvr)
	}
}

// id names an object within its namespace, as a person would: "Serving.core.openfunction.io/hello".
func id(o *unstructured.Unstructured) string {
	gvk := o.GroupVersionKind()
	return strings.TrimSuffix(gvk.Kind+"."+gvk.Group, ".") + "/" + o.GetName()
}
