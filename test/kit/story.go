// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// chapter is one state of an object, or its end.
type chapter struct {
	at     uint64 // the version of the whole API server, which orders the states of all objects
	gone   bool
	object *unstructured.Unstructured
}

// story is what happened in a namespace, in any order; told sorts it.
type story []chapter

// stories are those of the newest namespaces; each is large, and a suite makes thousands of them.
type stories struct {
	mu    sync.Mutex
	of    map[string]story
	order []string
	// torn tells that something may be missing from all stories so far: a watch of the onlooker began anew.
	torn map[string]bool
}

// toldAtOnce is how many stories are kept. A suite looks at a world's within so many new ones.
const toldAtOnce = 64

// begin keeps the story of a namespace from now on.
func (s *stories) begin(namespace string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of, s.torn = map[string]story{}, map[string]bool{}
	}
	s.of[namespace] = nil
	s.order = append(s.order, namespace)
	if len(s.order) > toldAtOnce {
		delete(s.of, s.order[0])
		delete(s.torn, s.order[0])
		s.order = s.order[1:]
	}
}

// add keeps a state of an object that a law speaks of. What Kubernetes makes of workloads is left out, but for pods.
func (s *stories) add(o *unstructured.Unstructured, gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if chapters, told := s.of[o.GetNamespace()]; told && (!ofWorkload(o) || o.GetKind() == pods.Kind) && o.GetKind() != "Secret" {
		s.of[o.GetNamespace()] = append(chapters, chapter{version(o), gone, o})
	}
}

// tear marks every story as one that may lack something.
func (s *stories) tear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for namespace := range s.of {
		s.torn[namespace] = true
	}
}

// told is the story of a namespace in the order of events; false when it was not kept or may lack something.
func (s *stories) told(namespace string) (story, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	chapters, told := s.of[namespace]
	chapters = slices.Clone(chapters)
	slices.SortStableFunc(chapters, func(a, b chapter) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	return chapters, told && !s.torn[namespace]
}

// until are the chapters before the i-th.
func (s story) until(i int) story { return s[:i] }

// last is the newest state of the object that f accepts, and whether it still exists.
func (s story) last(f func(*unstructured.Unstructured) bool) (o *unstructured.Unstructured, exists bool) {
	for _, c := range slices.Backward(s) {
		if f(c.object) {
			return c.object, !c.gone
		}
	}
	return nil, false
}

// ever tells whether the object of this identity was once so.
func (s story) ever(id types.UID, so func(*unstructured.Unstructured) bool) bool {
	return slices.ContainsFunc(s, func(c chapter) bool { return c.object.GetUID() == id && so(c.object) })
}

// hasUID accepts the object of an identity.
func hasUID(id types.UID) func(*unstructured.Unstructured) bool {
	return func(o *unstructured.Unstructured) bool { return o.GetUID() == id }
}

// owned are the newest states of those objects that the owner controls and that still exist.
func (s story) owned(owner types.UID) []*unstructured.Unstructured {
	seen := map[types.UID]bool{}
	var found []*unstructured.Unstructured
	for _, c := range slices.Backward(s) {
		if seen[c.object.GetUID()] {
			continue
		}
		seen[c.object.GetUID()] = true
		if ref := metav1.GetControllerOf(c.object); !c.gone && ref != nil && ref.UID == owner {
			found = append(found, c.object)
		}
	}
	return found
}
