// SPDX-License-Identifier: Apache-2.0

package apply_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/openfunction/openfunction/pkg/apply"
	"github.com/openfunction/openfunction/pkg/problem"
	"github.com/openfunction/openfunction/test/kit"
)

var cp *kit.ControlPlane

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx := context.Background()
	var err error
	if cp, err = kit.Start(ctx, kit.Options{CRDs: []kit.CRDs{}, WithoutGarbageCollector: true}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := cp.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	return m.Run()
}

// setFor returns a Set whose owner is a ConfigMap in a namespace of its own.
func setFor(t *testing.T) *apply.Set {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-"))}}
	create(t, ns)
	owner := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owner", Namespace: ns.Name}}
	create(t, owner)
	return &apply.Set{Client: cp.Client, Live: cp.Client, Owner: owner, FieldOwner: "test/owner"}
}

func create(t *testing.T, object client.Object) {
	t.Helper()
	if err := cp.Client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

// template is a child with lists that have keys and lists that have none.
func template(s *apply.Set) *corev1.PodTemplate {
	return &corev1.PodTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: "child", Namespace: s.Owner.GetNamespace(), Annotations: map[string]string{"note": "here"}},
		Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "function", Image: "i", Args: []string{"a", "b"},
			Env:   []corev1.EnvVar{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}},
			Ports: []corev1.ContainerPort{{ContainerPort: 53, Protocol: corev1.ProtocolTCP}, {ContainerPort: 53, Protocol: corev1.ProtocolUDP}},
		}}}},
	}
}

func applied(t *testing.T, s *apply.Set, wanted client.Object) client.Object {
	t.Helper()
	live, err := s.Apply(t.Context(), wanted)
	if err != nil {
		t.Fatal(err)
	}
	return live
}

// now is the child as the API server has it.
func now(t *testing.T, s *apply.Set) *corev1.PodTemplate {
	t.Helper()
	live := &corev1.PodTemplate{}
	if err := cp.Client.Get(t.Context(), client.ObjectKey{Namespace: s.Owner.GetNamespace(), Name: "child"}, live); err != nil {
		t.Fatal(err)
	}
	return live
}

// somebodyElse patches the child.
func somebodyElse(t *testing.T, s *apply.Set, kind types.PatchType, patch string) {
	t.Helper()
	if err := cp.Client.Patch(t.Context(), now(t, s), client.RawPatch(kind, []byte(patch))); err != nil {
		t.Fatal(err)
	}
}

func TestApplyWritesOnlyWhatChanges(t *testing.T) {
	s := setFor(t)
	first := applied(t, s, template(s))
	if !apply.Owns(s.Owner, first) {
		t.Errorf("the child has no owner: %v", first.GetOwnerReferences())
	}
	if again := applied(t, s, template(s)); again.GetResourceVersion() != first.GetResourceVersion() {
		t.Error("the same again was written")
	}
	somebodyElse(t, s, types.StrategicMergePatchType, `{"metadata":{"labels":{"theirs":"1"}},"template":{"spec":{"containers":[{"name":"function","env":[{"name":"C","value":"3"}]}]}}}`)
	before := now(t, s).ResourceVersion
	if after := applied(t, s, template(s)); after.GetResourceVersion() != before {
		t.Error("fields of somebody else were taken for ours")
	}
	somebodyElse(t, s, types.StrategicMergePatchType,
		`{"template":{"spec":{"containers":[{"name":"function","$setElementOrder/env":[{"name":"C"},{"name":"B"},{"name":"A"}]}]}}}`)
	before = now(t, s).ResourceVersion
	if after := applied(t, s, template(s)); after.GetResourceVersion() != before {
		t.Error("another order of a list with keys was taken for a change")
	}
}

func TestApplyRepairsDrift(t *testing.T) {
	s := setFor(t)
	applied(t, s, template(s))
	for _, drift := range []string{
		`[{"op":"replace","path":"/template/spec/containers/0/image","value":"theirs"}]`,
		`[{"op":"remove","path":"/template/spec/containers/0/env/0"}]`,
		`[{"op":"replace","path":"/template/spec/containers/0/args","value":["b","a"]}]`,
		`[{"op":"remove","path":"/template/spec/containers/0/ports/1"}]`,
		`[{"op":"remove","path":"/metadata/annotations/note"}]`,
	} {
		somebodyElse(t, s, types.JSONPatchType, drift)
		applied(t, s, template(s))
		live, want := now(t, s), template(s).Template.Spec.Containers[0]
		have := live.Template.Spec.Containers[0]
		if have.Image != want.Image || len(have.Env) != 2 || len(have.Ports) != 2 || have.Args[0] != "a" || live.Annotations["note"] != "here" {
			t.Errorf("after %s the child is %+v", drift, have)
		}
	}
}

func TestApplyRemovesWhatIsNoLongerWanted(t *testing.T) {
	s := setFor(t)
	applied(t, s, template(s))
	wanted := template(s)
	wanted.Annotations = nil
	wanted.Template.Spec.Containers[0].Env = wanted.Template.Spec.Containers[0].Env[1:]
	applied(t, s, wanted)
	live := now(t, s)
	if _, stays := live.Annotations["note"]; stays || len(live.Template.Spec.Containers[0].Env) != 1 {
		t.Errorf("the child still has %v and %v", live.Annotations, live.Template.Spec.Containers[0].Env)
	}
}

func TestApplyTakesNothing(t *testing.T) {
	for name, change := range map[string]func(s *apply.Set, child *corev1.PodTemplate){
		"nobodys": func(*apply.Set, *corev1.PodTemplate) {},
		"somebodys": func(_ *apply.Set, child *corev1.PodTemplate) {
			yes := true
			child.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "other", UID: "other", Controller: &yes}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := setFor(t)
			theirs := template(s)
			change(s, theirs)
			create(t, theirs)
			for verb, do := range map[string]func() error{
				"Apply":  func() error { _, err := s.Apply(t.Context(), template(s)); return err },
				"Ensure": func() error { _, err := s.Ensure(t.Context(), template(s)); return err },
			} {
				stalled, ok := problem.AsStalled(do())
				if !ok || stalled.Reason != apply.NameTaken {
					t.Errorf("%s: no NameTaken", verb)
				}
			}
			if err := s.Delete(t.Context(), theirs); err != nil {
				t.Fatal(err)
			}
			if now(t, s).ResourceVersion != theirs.ResourceVersion {
				t.Error("it was touched")
			}
		})
	}
}

func TestApplyWaitsForTheCollectorOfAnEarlierOwner(t *testing.T) {
	s := setFor(t)
	applied(t, s, template(s))
	if err := cp.Client.Delete(t.Context(), s.Owner); err != nil {
		t.Fatal(err)
	}
	owner := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owner", Namespace: s.Owner.GetNamespace()}}
	create(t, owner)
	s.Owner = owner
	_, err := s.Apply(t.Context(), template(s))
	if waiting, ok := problem.AsWaiting(err); !ok || waiting.Recheck == 0 {
		t.Errorf("got %v, want to wait", err)
	}
}

// showing is a client whose cache stays at a state of the child.
func showing(t *testing.T, child client.Object) client.Client {
	t.Helper()
	stale := child.DeepCopyObject().(*corev1.PodTemplate)
	plain, err := client.NewWithWatch(cp.Config, client.Options{Scheme: cp.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	return interceptor.NewClient(plain, interceptor.Funcs{
		Get: func(_ context.Context, _ client.WithWatch, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
			stale.DeepCopyInto(into.(*corev1.PodTemplate))
			return nil
		}})
}

func TestConfirmDoubtsTheCache(t *testing.T) {
	changed := func(s *apply.Set) *corev1.PodTemplate {
		wanted := template(s)
		wanted.Template.Spec.Containers[0].Image = "another"
		return wanted
	}
	for name, test := range map[string]struct {
		meanwhile func(t *testing.T, s *apply.Set)
		conflicts bool
	}{
		"nothing": {func(*testing.T, *apply.Set) {}, false},
		"a note": {func(t *testing.T, s *apply.Set) {
			somebodyElse(t, s, types.MergePatchType, `{"metadata":{"labels":{"theirs":"1"}}}`)
		}, false},
		"changed":    {func(t *testing.T, s *apply.Set) { applied(t, s, changed(s)) }, true},
		"taken back": {func(t *testing.T, s *apply.Set) { applied(t, s, changed(s)); applied(t, s, template(s)) }, true},
		"by somebody": {func(t *testing.T, s *apply.Set) {
			somebodyElse(t, s, types.MergePatchType, `{"metadata":{"annotations":{"openfunction.io/applied":"theirs"}}}`)
		}, true},
		"gone":       {func(t *testing.T, s *apply.Set) { remove(t, now(t, s)) }, true},
		"made again": {func(t *testing.T, s *apply.Set) { remove(t, now(t, s)); applied(t, s, template(s)) }, true},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			s := setFor(t)
			visit := &apply.Set{Client: showing(t, applied(t, s, template(s))), Live: cp.Client, Owner: s.Owner, FieldOwner: s.FieldOwner}
			test.meanwhile(t, s)
			applied(t, visit, template(s))
			if err := visit.Confirm(t.Context()); apierrors.IsConflict(err) != test.conflicts || (err != nil && !test.conflicts) {
				t.Errorf("got %v; a lost race is wanted: %v", err, test.conflicts)
			}
		})
	}
}

// TestConfirmAsksOnce has a Set of which a child was applied, and one found to be as wanted.
func TestConfirmAsksOnce(t *testing.T) {
	s := setFor(t)
	plain, err := client.NewWithWatch(cp.Config, client.Options{Scheme: cp.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	s.Live = interceptor.NewClient(plain, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
			asked = append(asked, key.Name)
			return c.Get(ctx, key, into, options...)
		}})
	confirm := func(want ...string) {
		t.Helper()
		asked = nil
		if err := s.Confirm(t.Context()); err != nil || !slices.Equal(asked, want) {
			t.Errorf("asked for %q, want %q; %v", asked, want, err)
		}
	}
	applied(t, s, template(s))
	confirm()
	applied(t, s, template(s))
	confirm("child")
	confirm()
}

func remove(t *testing.T, object client.Object) {
	t.Helper()
	if err := cp.Client.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

// TestApplyLosesToADeletion has a cache that still shows a child that is gone, or another one that has come meanwhile.
func TestApplyLosesToADeletion(t *testing.T) {
	for name, comes := range map[string]bool{"gone": false, "another": true} {
		t.Run(name, func(t *testing.T) {
			s := setFor(t)
			first := applied(t, s, template(s))
			s.Client = showing(t, first)
			remove(t, first)
			if comes {
				create(t, template(s))
			}
			wanted := template(s)
			wanted.Annotations["note"] = "changed"
			if _, err := s.Apply(t.Context(), wanted); !apierrors.IsConflict(err) {
				t.Errorf("got %v, want a lost race", err)
			}
			err := cp.Client.Get(t.Context(), client.ObjectKeyFromObject(first), &corev1.PodTemplate{})
			if comes != (err == nil) {
				t.Errorf("afterwards it is %v", err)
			}
			if comes && now(t, s).Annotations["note"] != "here" {
				t.Error("the other one was changed")
			}
		})
	}
}

func TestEnsureNeverChanges(t *testing.T) {
	s := setFor(t)
	first := applied(t, s, template(s))
	wanted := template(s)
	wanted.Template.Spec.Containers[0].Image = "another"
	live, err := s.Ensure(t.Context(), wanted)
	if err != nil || live.GetResourceVersion() != first.GetResourceVersion() {
		t.Errorf("Ensure = %v, %v", live, err)
	}
}

func TestDeleteRemovesOursOnce(t *testing.T) {
	s := setFor(t)
	child := applied(t, s, template(s))
	if err := s.Delete(t.Context(), child); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), child); !apierrors.IsConflict(err) {
		t.Errorf("the second time it is %v, want a lost race", err)
	}
	if err := cp.Client.Get(t.Context(), client.ObjectKeyFromObject(child), &corev1.PodTemplate{}); !apierrors.IsNotFound(err) {
		t.Errorf("it is still there: %v", err)
	}
}
