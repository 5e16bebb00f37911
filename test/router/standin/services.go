// SPDX-License-Identifier: Apache-2.0

// Package standin plays the API server for a router: it lists and watches the metadata of Services, and has no others. What is measured
// with it is the router's work and not that of a control plane beside it.
package standin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openfunction/openfunction/pkg/core/route"
)

// Services are all there are. The zero value has none and is ready for use.
type Services struct {
	mu      sync.Mutex
	version int
	routes  map[types.NamespacedName]service
	changed chan struct{} // closed at the next change
}

type service struct {
	route   string
	version int
	gone    bool
}

// Set gives a Service a route.
func (s *Services) Set(namespace, name string, r route.Route) {
	s.put(types.NamespacedName{Namespace: namespace, Name: name}, service{route: r.String()})
}

// Delete deletes a Service.
func (s *Services) Delete(namespace, name string) {
	s.put(types.NamespacedName{Namespace: namespace, Name: name}, service{gone: true})
}

func (s *Services) put(name types.NamespacedName, to service) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.routes == nil {
		s.routes = map[types.NamespacedName]service{}
	}
	s.version++
	to.version = s.version
	s.routes[name] = to
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// since returns what changed after a version, the version it is as of, and a channel that is closed at the next change.
func (s *Services) since(version int) (map[types.NamespacedName]service, int, chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	out := map[types.NamespacedName]service{}
	for name, service := range s.routes {
		if service.version > version {
			out[name] = service
		}
	}
	return out, s.version, s.changed
}

// ServeHTTP answers the two questions a router has.
func (s *Services) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if r.URL.Path != "/api/v1/services" || q.Get("labelSelector") != route.Label+"=true" {
		http.Error(w, "a stand-in knows the front Services only", http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if q.Get("watch") == "" {
		all, version, _ := s.since(0)
		list := metav1.PartialObjectMetadataList{TypeMeta: typeOf("PartialObjectMetadataList")}
		list.ResourceVersion = strconv.Itoa(version)
		for name, service := range all {
			if !service.gone {
				list.Items = append(list.Items, object(name, service))
			}
		}
		_ = json.NewEncoder(w).Encode(list)
		return
	}
	from, _ := strconv.Atoi(q.Get("resourceVersion"))
	s.watch(w, r, from, q.Get("sendInitialEvents") == "true")
}

// watch sends what changes until the caller goes.
func (s *Services) watch(w http.ResponseWriter, r *http.Request, version int, initial bool) {
	send := func(kind string, object metav1.PartialObjectMetadata) {
		_ = json.NewEncoder(w).Encode(map[string]any{"type": kind, "object": object})
	}
	if initial {
		version = 0
	}
	for {
		news, now, changed := s.since(version)
		for name, service := range news {
			switch {
			case !service.gone:
				send("MODIFIED", object(name, service))
			case !initial:
				send("DELETED", object(name, service))
			}
		}
		if initial {
			end := metav1.PartialObjectMetadata{TypeMeta: typeOf("PartialObjectMetadata")}
			end.ResourceVersion, end.Annotations = strconv.Itoa(now), map[string]string{metav1.InitialEventsAnnotationKey: "true"}
			send("BOOKMARK", end)
			initial = false
		}
		_ = http.NewResponseController(w).Flush()
		version = now
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func typeOf(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: metav1.SchemeGroupVersion.String(), Kind: kind}
}

func object(name types.NamespacedName, s service) metav1.PartialObjectMetadata {
	return metav1.PartialObjectMetadata{TypeMeta: typeOf("PartialObjectMetadata"), ObjectMeta: metav1.ObjectMeta{
		Namespace: name.Namespace, Name: name.Name, ResourceVersion: strconv.Itoa(s.version), UID: types.UID(name.String()),
		Labels: map[string]string{route.Label: "true"}, Annotations: map[string]string{route.Annotation: s.route},
	}}
}

// Kubeconfig writes a kubeconfig for a server at a URL.
func Kubeconfig(dir, url string) (string, error) {
	path := filepath.Join(dir, "kubeconfig")
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: it, clusters: [{name: it, cluster: {server: %q}}], contexts: [{name: it, context: {cluster: it, user: it}}],
users: [{name: it, user: {}}]}`, url)
	return path, os.WriteFile(path, []byte(text), 0o600)
}
