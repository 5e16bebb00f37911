// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// User is the field manager of what a World applies, as kubectl would.
const User = "kubectl"

// groupOfOurs ends the API groups of our own kinds.
const groupOfOurs = "openfunction.io"

// World is one namespace of a control plane and what a user and an onlooker do there.
type World struct {
	*ControlPlane
	Namespace string
	mirror    *mirror
}

// NewWorld makes a namespace of a name not used before.
func (cp *ControlPlane) NewWorld(ctx context.Context) (*World, error) {
	m, err := cp.watch(ctx)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("world-%03d", cp.worlds.Add(1))
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	return &World{ControlPlane: cp, Namespace: name, mirror: m}, cp.Client.Create(ctx, ns)
}

// watch starts the mirror on first use.
func (cp *ControlPlane) watch(ctx context.Context) (*mirror, error) {
	cp.mu.Lock()
	defer cp.mu.Unlock()
	if cp.mirror != nil {
		return cp.mirror, nil
	}
	m, err := newMirror(cp.Config)
	if err != nil {
		return nil, err
	}
	if err := m.discover(ctx); err != nil {
		return nil, err
	}
	cp.mirror = m
	return m, nil
}

// Apply does what kubectl apply --server-side does with manifests that name no namespace.
func (w *World) Apply(ctx context.Context, manifests ...string) error {
	for _, manifest := range manifests {
		for document := range strings.SplitSeq(manifest, "\n---\n") {
			o := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(document), &o.Object); err != nil {
				return fmt.Errorf("reading a manifest: %w", err)
			}
			if len(o.Object) == 0 {
				continue
			}
			o.SetNamespace(w.Namespace)
			err := w.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner(User), client.ForceOwnership)
			if err != nil {
				return fmt.Errorf("applying %s: %w", id(o), err)
			}
		}
	}
	return nil
}

// Get reads an object from the API server into a typed or unstructured object; only the name is used of its key.
func (w *World) Get(ctx context.Context, name string, into client.Object) error {
	return w.Client.Get(ctx, client.ObjectKey{Namespace: w.Namespace, Name: name}, into)
}

// Delete deletes an object as kubectl does: its dependents go in the background.
func (w *World) Delete(ctx context.Context, gvk schema.GroupVersionKind, name string) error {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(gvk)
	o.SetNamespace(w.Namespace)
	o.SetName(name)
	return w.Client.Delete(ctx, o, client.PropagationPolicy(metav1.DeletePropagationBackground))
}

// Objects are those of a kind, for example "TaskRun", as the onlooker sees them now.
func (w *World) Objects(kind string) []*unstructured.Unstructured {
	var found []*unstructured.Unstructured
	for _, o := range w.mirror.objects(w.Namespace) {
		if o.GetKind() == kind {
			found = append(found, o.DeepCopy())
		}
	}
	return found
}

// Eventually asks until f says yes, and fails with what it waited for and how the world looks.
func (w *World) Eventually(ctx context.Context, what string, f func() (bool, error)) error {
	if err := poll(ctx, patience, what, f); err != nil {
		return fmt.Errorf("%w\nthe world:\n%s", err, w.Snapshot())
	}
	return nil
}

const (
	// patience is how long anything may take on a busy machine of two cores.
	patience = 30 * time.Second
	// quiet is how long nothing must have changed before a world may be called settled.
	quiet = 250 * time.Millisecond
)

// Settled waits until every object of ours has a final answer for its current generation, Ready or Stalled, nothing
// is being deleted, and nothing changes any more.
func (w *World) Settled(ctx context.Context) error {
	return w.Eventually(ctx, "the world to settle", func() (bool, error) {
		for _, o := range w.mirror.objects(w.Namespace) {
			if o.GetDeletionTimestamp() != nil {
				return false, fmt.Errorf("%s is being deleted", id(o))
			}
			if why := unsettled(o); why != "" {
				return false, fmt.Errorf("%s: %s", id(o), why)
			}
		}
		if since := time.Since(w.mirror.quietSince(w.Namespace)); since < quiet {
			return false, fmt.Errorf("something changed %s ago", since.Round(time.Millisecond))
		}
		return true, nil
	})
}

// unsettled says why an object of ours has no final answer yet; empty means it has, or is not ours.
func unsettled(o *unstructured.Unstructured) string {
	if !ours(o) {
		return ""
	}
	observed, _, _ := unstructured.NestedInt64(o.Object, "status", "observedGeneration")
	if observed != o.GetGeneration() {
		return fmt.Sprintf("generation %d, but observed is %d", o.GetGeneration(), observed)
	}
	if condition(o, "Ready") == "True" || condition(o, "Stalled") == "True" {
		return ""
	}
	return "neither Ready nor Stalled"
}

func ours(o *unstructured.Unstructured) bool {
	group := o.GroupVersionKind().Group
	return group == groupOfOurs || strings.HasSuffix(group, "."+groupOfOurs)
}

// condition is the status of a condition, or "".
func condition(o *unstructured.Unstructured, kind string) string {
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok && c["type"] == kind {
			status, _ := c["status"].(string)
			return status
		}
	}
	return ""
}
