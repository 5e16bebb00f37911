// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
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

// restricted makes a namespace refuse pods that do not keep to Pod Security "restricted": all that our controllers cause do.
var restricted = map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}

// NewWorld makes a namespace of a name not used before.
func (cp *ControlPlane) NewWorld(ctx context.Context) (*World, error) {
	m, err := cp.watch(ctx)
	if err != nil {
		return nil, err
	}
	w := &World{ControlPlane: cp, Namespace: fmt.Sprintf("world-%03d", cp.worlds.Add(1)), mirror: m}
	m.stories.begin(w.Namespace)
	if err := cp.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.Namespace, Labels: restricted}}); err != nil {
		return nil, err
	}
	if !cp.collects() {
		return w, nil
	}
	return w, poll(ctx, patience, "the service account of pods", func() (bool, error) {
		return m.get(schema.GroupKind{Kind: "ServiceAccount"}, w.Namespace, "default") != nil, nil
	})
}

// collects tells whether kube-controller-manager runs.
func (cp *ControlPlane) collects() bool {
	cp.mu.Lock()
	defer cp.mu.Unlock()
	return cp.collector != nil
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
			if ours(o) {
				if err := w.Sees(ctx, o); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Sees waits until the onlooker has seen the state of an object that the API server has answered with.
func (w *World) Sees(ctx context.Context, o *unstructured.Unstructured) error {
	return poll(ctx, patience, "the onlooker to see "+id(o), func() (bool, error) {
		seen := w.mirror.get(o.GroupVersionKind().GroupKind(), w.Namespace, o.GetName())
		return seen != nil && version(seen) >= version(o), nil
	})
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

// All are all objects of the namespace as the onlooker sees them now: every kind but Kubernetes Events and EndpointSlices.
func (w *World) All() []*unstructured.Unstructured {
	var all []*unstructured.Unstructured
	for _, o := range w.mirror.objects(w.Namespace) {
		all = append(all, o.DeepCopy())
	}
	return all
}

// Eventually asks until f says yes, and fails with what it waited for and how the world looks.
func (w *World) Eventually(ctx context.Context, what string, f func() (bool, error)) error {
	if err := poll(ctx, patience, what, f); err != nil {
		return fmt.Errorf("%w\nthe world:\n%s\nthe log:\n%s", err, w.Snapshot(), LoggedAbout(w.Namespace))
	}
	return nil
}

const (
	// patience is how long anything may take on a busy machine of two cores.
	patience = 2 * time.Minute
	// quiet is how long nothing must have changed before a world may be called settled.
	quiet = 250 * time.Millisecond
)

// Quiet is for how long the onlooker has seen nothing change, and no engine that is played has had anything to look at.
func (w *World) Quiet() time.Duration {
	return min(time.Since(w.mirror.quietSince(w.Namespace)), w.mirror.turns.quiet(w.Namespace))
}

// Unsettled says which object keeps the world from being settled, and why; nil when none does.
func (w *World) Unsettled() error {
	objects := w.mirror.objects(w.Namespace)
	alive := byUID(objects)
	for _, o := range objects {
		if o.GetDeletionTimestamp() != nil {
			return fmt.Errorf("%s is being deleted", id(o))
		}
		if why := unsettled(o); why != "" {
			return fmt.Errorf("%s: %s", id(o), why)
		}
		if why := collectable(o, alive); why != "" && w.collects() {
			return fmt.Errorf("%s: %s", id(o), why)
		}
		if w.collects() && unseen(o) {
			return fmt.Errorf("%s: Kubernetes has not seen its newest generation", id(o))
		}
		if w.drains(o) {
			return fmt.Errorf("%s still has the objects of an earlier run", id(o))
		}
	}
	return nil
}

// Settled waits until every object of ours has a final answer for its current generation, Ready or Stalled, nothing
// is being deleted, and nothing changes any more.
func (w *World) Settled(ctx context.Context) error {
	begin := time.Now()
	if err := w.CatchUp(ctx); err != nil {
		return err
	}
	return w.Eventually(ctx, "the world to settle", func() (bool, error) {
		since := w.mirror.quietSince(w.Namespace)
		if since.Before(begin) {
			since = begin
		}
		if time.Since(since) < quiet {
			return false, nil
		}
		err := w.Unsettled()
		return err == nil, err
	})
}

// Becomes waits until the world is as wanted and nothing changes any more.
func (w *World) Becomes(ctx context.Context, want Snapshot) error {
	var is Snapshot
	err := poll(ctx, patience, "the world to become as wanted", func() (bool, error) {
		is = w.Snapshot()
		return maps.Equal(want, is) && time.Since(w.mirror.quietSince(w.Namespace)) >= quiet, nil
	})
	if err != nil {
		diff := want.Diff(is)
		return fmt.Errorf("%w, - wanted, + is:\n%s\nthe log:\n%s", err, diff, LoggedAbout(w.Namespace))
	}
	return nil
}

// CatchUp waits until the onlooker is behind with nothing, as Behind tells.
func (w *World) CatchUp(ctx context.Context) error {
	return poll(ctx, patience, "the onlooker to catch up", func() (bool, error) {
		behind, err := w.Behind(ctx)
		if err == nil && behind != "" {
			return false, fmt.Errorf("it has not seen %s as it is", behind)
		}
		return err == nil, err
	})
}

// Behind names an object that the onlooker has not seen as etcd has it now; empty when there is none. On a busy machine a watch can tell of a write later
// than a world has to be quiet to be called settled.
func (w *World) Behind(ctx context.Context) (string, error) {
	seen := w.mirror.versions(w.Namespace)
	stored, err := w.stored(ctx, w.Namespace, slices.Collect(maps.Keys(seen)))
	if err != nil {
		return "", err
	}
	for resource, names := range stored {
		for name, is := range names {
			if seen[resource][name] < is {
				return resource.String() + "/" + name, nil
			}
		}
		for name := range seen[resource] {
			if names[name] == 0 {
				return resource.String() + "/" + name, nil
			}
		}
	}
	return "", nil
}

// version orders the states of an object. One that cannot be read is before all others.
func version(o *unstructured.Unstructured) uint64 {
	v, _ := strconv.ParseUint(o.GetResourceVersion(), 10, 64)
	return v
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

// unseen tells that the controller of a workload has not looked at its spec yet.
func unseen(o *unstructured.Unstructured) bool {
	switch o.GroupVersionKind().GroupKind() {
	case deployments, statefulSets:
		observed, _, _ := unstructured.NestedInt64(o.Object, "status", "observedGeneration")
		return observed != o.GetGeneration()
	}
	return false
}

// drains tells that an object is a Serving that is Ready and has objects of more than one run: those of the earlier one are about to go.
func (w *World) drains(s *unstructured.Unstructured) bool {
	if s.GetKind() != "Serving" || condition(s, "Ready") != "True" {
		return false
	}
	runs := map[string]bool{}
	for _, o := range w.mirror.objects(w.Namespace) {
		if run := o.GetLabels()[corev1beta2.RunLabel]; run != "" && metav1.IsControlledBy(o, s) {
			runs[run] = true
		}
	}
	return len(runs) > 1
}

func ours(o *unstructured.Unstructured) bool { return ofOurGroups(o.GroupVersionKind().Group) }

func ofOurGroups(group string) bool {
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

// Conditions are those of the objects of ours, a line each.
func (w *World) Conditions() string {
	var b strings.Builder
	for _, o := range w.mirror.objects(w.Namespace) {
		if !ours(o) {
			continue
		}
		all := conditions(o)
		for _, kind := range slices.Sorted(maps.Keys(all)) {
			line := fmt.Sprintf("#   %s %s: %v %v: %v\n", id(o), kind, all[kind]["status"], all[kind]["reason"], all[kind]["message"])
			b.WriteString(strings.ReplaceAll(withoutChance(o, line), w.Namespace, "NAMESPACE"))
		}
	}
	return b.String()
}

// Status is the status of a condition of an object, or "".
func Status(o *unstructured.Unstructured, kind string) string { return condition(o, kind) }

// Field is what stands at a path of an object, or nil.
func Field(o *unstructured.Unstructured, path ...string) any {
	value, _, _ := unstructured.NestedFieldNoCopy(o.Object, path...)
	return value
}

// CountReady is how many objects of one of our kinds are Ready for their current generation, as the onlooker sees them.
func (cp *ControlPlane) CountReady(ctx context.Context, namespace, kind string) (int, error) {
	m, err := cp.watch(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, o := range m.of(kind, namespace) {
		if ours(o) && unsettled(o) == "" && condition(o, "Ready") == "True" {
			n++
		}
	}
	return n, nil
}

// Reason is the reason of a condition of an object of ours, or "".
func Reason(o *unstructured.Unstructured, kind string) string {
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok && c["type"] == kind {
			reason, _ := c["reason"].(string)
			return reason
		}
	}
	return ""
}
