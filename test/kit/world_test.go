// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const owner = `
apiVersion: v1
kind: ConfigMap
metadata: {name: owner}
data: {word: hello}
`

func TestDependentsGoWithTheirOwner(t *testing.T) {
	w := world(t)
	must(t, w.Apply(t.Context(), owner))
	o := &corev1.ConfigMap{}
	must(t, w.Get(t.Context(), "owner", o))
	must(t, w.Apply(t.Context(), `
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: child
  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: owner, uid: `+string(o.UID)+`}]
spec: {template: {spec: {containers: [{image: example.test/a}]}}}
`))
	must(t, w.Eventually(t.Context(), "the child", func() (bool, error) { return len(w.Objects("Service")) > 0, nil }))
	must(t, w.Delete(t.Context(), corev1.SchemeGroupVersion.WithKind("ConfigMap"), "owner"))
	must(t, w.Eventually(t.Context(), "an empty world", func() (bool, error) { return len(w.Snapshot()) == 0, nil }))
}

func TestSnapshotDependsOnContentOnly(t *testing.T) {
	short, long := world(t), world(t)
	must(t, long.Apply(t.Context(), strings.ReplaceAll(owner, "hello", "other")))
	must(t, long.Apply(t.Context(), owner))
	must(t, short.Apply(t.Context(), owner))
	must(t, long.Eventually(t.Context(), "equal worlds", func() (bool, error) {
		return len(short.Snapshot()) == 1 && short.Snapshot().Diff(long.Snapshot()) == "", nil
	}))
	must(t, long.Apply(t.Context(), strings.ReplaceAll(owner, "hello", "other")))
	must(t, long.Eventually(t.Context(), "different worlds", func() (bool, error) {
		return strings.Contains(short.Snapshot().Diff(long.Snapshot()), "other"), nil
	}))
}

func TestBehindNamesWhatTheOnlookerHasNotSeen(t *testing.T) {
	w := world(t)
	must(t, w.Apply(t.Context(), owner, strings.ReplaceAll(owner, "owner", "another")))
	see := func(name string) *unstructured.Unstructured {
		return w.mirror.get(schema.GroupKind{Kind: "ConfigMap"}, w.Namespace, name)
	}
	must(t, w.Eventually(t.Context(), "both to be seen", func() (bool, error) { return see("owner") != nil && see("another") != nil, nil }))
	is := see("owner")
	before, gone := is.DeepCopy(), is.DeepCopy()
	before.SetResourceVersion("1")
	gone.SetName("gone")
	gone.SetUID("gone")
	seen := w.mirror.ofKind("ConfigMap")[0].GetStore()
	for name, c := range map[string]struct {
		do, undo func() error
		want     string
	}{
		"All":          {func() error { return nil }, func() error { return nil }, ""},
		"AChangeNot":   {func() error { return seen.Update(before) }, func() error { return seen.Update(is) }, "configmaps/owner"},
		"ACreationNot": {func() error { return seen.Delete(is) }, func() error { return seen.Add(is) }, "configmaps/owner"},
		"ADeletionNot": {func() error { return seen.Add(gone) }, func() error { return seen.Delete(gone) }, "configmaps/gone"},
	} {
		t.Run(name, func(t *testing.T) {
			must(t, c.do())
			behind, err := w.Behind(t.Context())
			must(t, errors.Join(err, c.undo()))
			if behind != c.want {
				t.Errorf("it is behind with %q, want %q", behind, c.want)
			}
		})
	}
}

func TestStoredFindsEveryKind(t *testing.T) {
	w := world(t)
	must(t, w.Apply(t.Context(), owner, workload("Deployment", "a"), scaledObject("0", "good"), `
apiVersion: v1
kind: Service
metadata: {name: hello}
spec: {ports: [{port: 80}]}
`, `
apiVersion: v1
kind: ReplicationController
metadata: {name: hello}
spec: {replicas: 0, selector: {app: hello}, template: {metadata: {labels: {app: hello}}, spec: {containers: [{name: a, image: example.test/a}]}}}
`, `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: hello}
spec: {defaultBackend: {service: {name: hello, port: {number: 80}}}}
`))
	resources := slices.Collect(maps.Keys(w.mirror.versions(w.Namespace)))
	must(t, w.Eventually(t.Context(), "all keys to be found", func() (bool, error) {
		all, err := w.etcd.Get(t.Context(), "/registry/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
		must(t, err)
		wanted, found := map[string]uint64{}, map[string]uint64{}
		for _, kv := range all.Kvs {
			place, _, within := strings.Cut(string(kv.Key), "/"+w.Namespace+"/")
			if within && !unmirrored[path.Base(place)] {
				wanted[string(kv.Key)] = uint64(kv.ModRevision)
			}
		}
		stored, err := w.stored(t.Context(), w.Namespace, resources)
		must(t, err)
		for resource, names := range stored {
			for name, version := range names {
				found[prefix(resource, w.Namespace)+name] = version
			}
		}
		if !maps.Equal(wanted, found) || len(wanted) < 8 {
			return false, fmt.Errorf("found %v, want %v", found, wanted)
		}
		return true, nil
	}))
}

func TestSettledWantsAnAnswerForTheCurrentGeneration(t *testing.T) {
	object := func(generation, observed int64, conditions ...string) *unstructured.Unstructured {
		var list []any
		for _, c := range conditions {
			list = append(list, map[string]any{"type": c, "status": "True"})
		}
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "core.openfunction.io/v1beta2", "kind": "Serving",
			"metadata": map[string]any{"generation": generation},
			"status":   map[string]any{"observedGeneration": observed, "conditions": list},
		}}
	}
	for name, c := range map[string]struct {
		object  *unstructured.Unstructured
		settled bool
	}{
		"Ready":         {object(2, 2, "Ready"), true},
		"Stalled":       {object(2, 2, "Stalled"), true},
		"ReadyOfOld":    {object(2, 1, "Ready"), false},
		"Reconciling":   {object(2, 2, "Reconciling"), false},
		"NoStatus":      {object(1, 0), false},
		"NotOurs":       {&unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Pod"}}, true},
		"NotOursEither": {&unstructured.Unstructured{Object: map[string]any{"apiVersion": "notopenfunction.io/v1", "kind": "Pod"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if why := unsettled(c.object); (why == "") != c.settled {
				t.Errorf("settled is %t, want %t (%s)", why == "", c.settled, why)
			}
		})
	}
}
