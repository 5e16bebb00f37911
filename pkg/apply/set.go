// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/openfunction/openfunction/pkg/names"
	"github.com/openfunction/openfunction/pkg/problem"
)

// AppliedAnnotation holds the hash of what was last applied to a child. It shows that a field was taken out of the wanted
// object, which a comparison with the live one cannot.
const AppliedAnnotation = "openfunction.io/applied"

// collectDelay is how long to wait before looking again whether the garbage collector has removed a child.
const collectDelay = 2 * time.Second

// takenDelay is how long to wait before looking again whether somebody has given up a name: objects of others are not watched.
const takenDelay = 30 * time.Second

// Set applies and prunes the children of one owner in one call of its reconciler.
type Set struct {
	// Client reads from a cache and writes.
	Client client.Client
	// Live reads past the cache. It is asked before a child is created, so that a name in use is seen.
	Live client.Reader
	// Owner is the object the children belong to.
	Owner client.Object
	// FieldOwner is the manager the fields are applied under, e.g. "openfunction-core/serving".
	FieldOwner string

	// absent are the names that were asked for past the cache and not found: each is asked for once before it is made.
	absent map[childName]bool
	// owned says that the owner was asked for past the cache, and is there: it is asked for once before the first child is made.
	owned bool
	// believed are the children of the cache that were found to be as wanted, and so were not applied.
	believed map[childName]client.Object
}

// childName tells the children of an owner apart.
type childName struct {
	kind schema.GroupKind
	key  client.ObjectKey
}

// Apply brings one child to the wanted state and returns it as it is afterwards, its status included. It writes only when
// the child is absent, when the wanted object is another than the one last applied, or when somebody changed a field of it.
func (s *Set) Apply(ctx context.Context, wanted client.Object) (client.Object, error) {
	kind, err := apiutil.GVKForObject(wanted, s.Client.Scheme())
	if err != nil {
		return nil, fmt.Errorf("finding the kind of a child: %w", err)
	}
	desired, err := s.applied(kind, wanted)
	if err != nil {
		return nil, err
	}
	live, found, err := s.live(ctx, kind, wanted)
	if err != nil {
		return nil, err
	}
	if found {
		same, err := unchanged(desired, live)
		if err != nil {
			return nil, err
		}
		if same {
			s.believe(kind, live)
			return live, nil
		}
	}
	options := []client.ApplyOption{client.FieldOwner(s.FieldOwner)}
	if found {
		options = append(options, client.ForceOwnership)
		desired.SetUID(live.GetUID()) // where the cache has what is gone, it is not made again
	} else if err := s.CheckOwner(ctx); err != nil {
		return nil, err
	}
	delete(s.absent, nameOf(kind, wanted))
	delete(s.believed, nameOf(kind, wanted))
	if err := s.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(desired), options...); isOfAnother(err) {
		return nil, lost(wanted, err)
	} else if err != nil {
		return nil, fmt.Errorf("applying %s %s: %w", kind.Kind, klog.KObj(wanted), err)
	}
	log.FromContext(ctx).Info("Applied", "kind", kind.Kind, "object", klog.KObj(wanted))
	after := wanted.DeepCopyObject().(client.Object)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(desired.Object, after); err != nil {
		return nil, fmt.Errorf("reading back %s %s: %w", kind.Kind, klog.KObj(wanted), err)
	}
	return after, nil
}

func (s *Set) believe(kind schema.GroupVersionKind, child client.Object) {
	if s.believed == nil {
		s.believed = map[childName]client.Object{}
	}
	s.believed[nameOf(kind, child)] = child
}

// Confirm asks past the cache whether the children that Apply took to be as wanted still are; if not, the call has lost a race. A wish that is taken
// back before the cache shows what was applied for it finds there the child of before it, equal to what is wanted again and with a status that
// speaks of an earlier generation. A caller confirms before it says something new of its owner, so that nothing is asked while all is settled.
func (s *Set) Confirm(ctx context.Context) error {
	for name, child := range s.believed {
		kind, err := apiutil.GVKForObject(child, s.Client.Scheme())
		if err != nil {
			return fmt.Errorf("finding the kind of a child: %w", err)
		}
		if err := Confirm(ctx, s.Live, kind, child); err != nil {
			return err
		}
		delete(s.believed, name)
	}
	return nil
}

// Confirm asks, past the cache, whether an object is of the spec that the cache shows; if not, the call has lost a race.
func Confirm(ctx context.Context, from client.Reader, kind schema.GroupVersionKind, seen client.Object) error {
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(kind)
	if err := from.Get(ctx, client.ObjectKeyFromObject(seen), live); apierrors.IsNotFound(err) {
		return Gone(seen)
	} else if err != nil {
		return fmt.Errorf("reading %s %s: %w", kind.Kind, klog.KObj(seen), err)
	}
	if !isSame(live, seen) {
		return lost(seen, errors.New("the cache does not show its last change yet"))
	}
	return nil
}

// isSame tells whether two states are of the same object and spec. The hash stands for the spec of a kind whose objects have no generation.
func isSame(a, b client.Object) bool {
	return a.GetUID() == b.GetUID() && a.GetGeneration() == b.GetGeneration() && a.GetAnnotations()[AppliedAnnotation] == b.GetAnnotations()[AppliedAnnotation]
}

// Read returns the child of the wanted object's name as Apply would find it, or the problem that its name is somebody else's.
func (s *Set) Read(ctx context.Context, wanted client.Object) (live client.Object, found bool, err error) {
	kind, err := apiutil.GVKForObject(wanted, s.Client.Scheme())
	if err != nil {
		return nil, false, fmt.Errorf("finding the kind of a child: %w", err)
	}
	return s.live(ctx, kind, wanted)
}

// ReadLive is Read of what the API server has, whatever the cache says.
func (s *Set) ReadLive(ctx context.Context, wanted client.Object) (live client.Object, found bool, err error) {
	kind, err := apiutil.GVKForObject(wanted, s.Client.Scheme())
	if err != nil {
		return nil, false, fmt.Errorf("finding the kind of a child: %w", err)
	}
	return s.readLive(ctx, kind, wanted)
}

// CheckOwner asks past the cache, once, whether the owner is still there; if not, the call has lost a race. The garbage collector removes the
// children of an owner that is gone, and a cache that lags behind would have them made again.
func (s *Set) CheckOwner(ctx context.Context) error {
	if s.owned {
		return nil
	}
	owner := s.Owner.DeepCopyObject().(client.Object)
	err := s.Live.Get(ctx, client.ObjectKeyFromObject(s.Owner), owner)
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("reading the owner %s: %w", klog.KObj(s.Owner), err)
	}
	if err != nil || owner.GetUID() != s.Owner.GetUID() || !owner.GetDeletionTimestamp().IsZero() {
		return lost(s.Owner, errors.New("the owner is gone"))
	}
	s.owned = true
	return nil
}

// LostRace turns the error of a write to an object that is gone into the conflict that it is: the cache still has the object.
func LostRace(object client.Object, err error) error {
	if apierrors.IsNotFound(err) {
		return lost(object, err)
	}
	return err
}

// Gone is the lost race that an object of the cache is not there any more.
func Gone(object client.Object) error {
	return lost(object, errors.New("the cache has it, and the API server does not"))
}

// isOfAnother tells that a write was refused because the object is another one of the same name. Server-side apply calls that invalid.
func isOfAnother(err error) bool {
	refused, is := errors.AsType[*apierrors.StatusError](err)
	return is && refused.ErrStatus.Details != nil && slices.ContainsFunc(refused.ErrStatus.Details.Causes, func(cause metav1.StatusCause) bool {
		return cause.Field == "metadata.uid"
	})
}

func lost(object client.Object, err error) error {
	return apierrors.NewConflict(schema.GroupResource{}, object.GetName(), err)
}

// Ensure creates one child when it is absent and returns it as it is. A child that exists is never changed, so that what it was made
// from may change meanwhile.
func (s *Set) Ensure(ctx context.Context, wanted client.Object) (client.Object, error) {
	kind, err := apiutil.GVKForObject(wanted, s.Client.Scheme())
	if err != nil {
		return nil, fmt.Errorf("finding the kind of a child: %w", err)
	}
	if live, found, err := s.live(ctx, kind, wanted); err != nil || found {
		return live, err
	}
	return s.Apply(ctx, wanted)
}

// Delete removes a child of the owner. One that is going already, or is somebody else's, is left alone; one that is gone is a lost race.
func (s *Set) Delete(ctx context.Context, child client.Object) error {
	if !Owns(s.Owner, child) || !child.GetDeletionTimestamp().IsZero() {
		return nil
	}
	kind, err := apiutil.GVKForObject(child, s.Client.Scheme())
	if err != nil {
		return fmt.Errorf("finding the kind of a child: %w", err)
	}
	uid := child.GetUID()
	err = s.Client.Delete(ctx, child, client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationBackground))
	if err != nil {
		return fmt.Errorf("deleting %s %s: %w", kind.Kind, klog.KObj(child), LostRace(child, err))
	}
	log.FromContext(ctx).Info("Pruned", "kind", kind.Kind, "object", klog.KObj(child))
	return nil
}

// applied returns the wanted object as it is sent: with owner and hash, and without what only the server writes.
func (s *Set) applied(kind schema.GroupVersionKind, wanted client.Object) (*unstructured.Unstructured, error) {
	owned := wanted.DeepCopyObject().(client.Object)
	if err := controllerutil.SetControllerReference(s.Owner, owned, s.Client.Scheme()); err != nil {
		return nil, fmt.Errorf("setting the owner of %s %s: %w", kind.Kind, klog.KObj(wanted), err)
	}
	tree, err := tree(owned)
	if err != nil {
		return nil, err
	}
	delete(tree, "status")
	desired := &unstructured.Unstructured{Object: tree}
	desired.SetGroupVersionKind(kind)
	hash, err := names.HashTree(tree)
	if err != nil {
		return nil, err
	}
	annotations := desired.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[AppliedAnnotation] = hash
	desired.SetAnnotations(annotations)
	return desired, nil
}

// live reads the child from the cache, and past it when the cache knows none. A child of somebody else is a problem.
func (s *Set) live(ctx context.Context, kind schema.GroupVersionKind, wanted client.Object) (client.Object, bool, error) {
	if live, found, err := s.read(ctx, s.Client, kind, wanted); err != nil || found {
		return live, found, err
	}
	if s.absent[nameOf(kind, wanted)] {
		return nil, false, nil
	}
	return s.readLive(ctx, kind, wanted)
}

// readLive reads the child past the cache.
func (s *Set) readLive(ctx context.Context, kind schema.GroupVersionKind, wanted client.Object) (client.Object, bool, error) {
	live, found, err := s.read(ctx, s.Live, kind, wanted)
	if err == nil && !found {
		if s.absent == nil {
			s.absent = map[childName]bool{}
		}
		s.absent[nameOf(kind, wanted)] = true
	}
	return live, found, err
}

func (s *Set) read(ctx context.Context, from client.Reader, kind schema.GroupVersionKind, wanted client.Object) (client.Object, bool, error) {
	live := wanted.DeepCopyObject().(client.Object)
	err := from.Get(ctx, client.ObjectKeyFromObject(wanted), live)
	if err == nil {
		return live, true, s.checkOwner(kind, live)
	}
	if !apierrors.IsNotFound(err) {
		return nil, false, fmt.Errorf("reading %s %s: %w", kind.Kind, klog.KObj(wanted), err)
	}
	return nil, false, nil
}

func nameOf(kind schema.GroupVersionKind, child client.Object) childName {
	return childName{kind.GroupKind(), client.ObjectKeyFromObject(child)}
}

// CheckChild returns the problem that an object, read by other means than Read, is not ours.
func (s *Set) CheckChild(live client.Object) error {
	kind, err := apiutil.GVKForObject(live, s.Client.Scheme())
	if err != nil {
		return fmt.Errorf("finding the kind of a child: %w", err)
	}
	return s.checkOwner(kind, live)
}

// checkOwner tells a child of ours from one of an earlier owner of the same name, which the garbage collector is about to
// remove, and from an object of somebody else.
func (s *Set) checkOwner(kind schema.GroupVersionKind, live client.Object) error {
	if Owns(s.Owner, live) {
		return nil
	}
	owner, err := apiutil.GVKForObject(s.Owner, s.Client.Scheme())
	if err != nil {
		return fmt.Errorf("finding the kind of the owner: %w", err)
	}
	if ref := metav1.GetControllerOf(live); ref != nil && ref.Kind == owner.Kind && ref.Name == s.Owner.GetName() {
		return problem.WaitingUntil(collectDelay, NameTaken, "%s %q of an earlier %s of this name is being removed", kind.Kind, live.GetName(), owner.Kind)
	}
	return problem.StalledUntil(takenDelay, NameTaken, "%s %q exists and belongs to somebody else; delete or rename it, or rename this %s",
		kind.Kind, live.GetName(), owner.Kind)
}

// unchanged tells whether applying desired to live would change nothing.
func unchanged(desired *unstructured.Unstructured, live client.Object) (bool, error) {
	if live.GetAnnotations()[AppliedAnnotation] != desired.GetAnnotations()[AppliedAnnotation] {
		return false, nil
	}
	have, err := tree(live)
	if err != nil {
		return false, err
	}
	want := desired.DeepCopy().Object
	delete(want, "apiVersion")
	delete(want, "kind")
	return contains(have, want), nil
}

// Contains tells whether the one value has every field of the other with the same content, as JSON.
func Contains(have, want any) (bool, error) {
	haveTree, err := tree(have)
	if err != nil {
		return false, err
	}
	wantTree, err := tree(want)
	return err == nil && contains(haveTree, wantTree), err
}

// tree returns an object as JSON values without nulls.
func tree(object any) (map[string]any, error) {
	tree, err := names.Tree(object)
	if err != nil {
		return nil, err
	}
	fields, is := tree.(map[string]any)
	if !is {
		return nil, fmt.Errorf("a %T is not an object", object)
	}
	return fields, nil
}

// listKeys are the fields by which the entries of Kubernetes lists are told apart, in the order they are tried.
var listKeys = []string{"name", "uid", "containerPort", "mountPath", "key"}

// contains tells whether want is part of have: every field of want has the same value in have. Entries of a list that have a
// key are matched by it, whatever their order; other lists must be equal.
func contains(have, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		have, ok := have.(map[string]any)
		if !ok {
			return len(want) == 0
		}
		for field, value := range want {
			if !contains(have[field], value) {
				return false
			}
		}
		return true
	case []any:
		have, _ := have.([]any)
		if isKeyed(want) {
			return containsKeyed(have, want)
		}
		if len(have) != len(want) {
			return false
		}
		for i := range want {
			if !contains(have[i], want[i]) {
				return false
			}
		}
		return true
	default:
		return have == want
	}
}

func isKeyed(list []any) bool {
	return len(list) > 0 && slices.ContainsFunc(listKeys, func(key string) bool { return everyHas(list, key) })
}

func everyHas(list []any, key string) bool {
	for _, entry := range list {
		fields, ok := entry.(map[string]any)
		if !ok || fields[key] == nil {
			return false
		}
	}
	return true
}

// containsKeyed finds each wanted entry among those of have. Its key is one of its fields, so it meets the entry of the same key; where
// several share one, as ports of two protocols do, the other fields decide.
func containsKeyed(have, want []any) bool {
	for _, entry := range want {
		if !slices.ContainsFunc(have, func(candidate any) bool { return contains(candidate, entry) }) {
			return false
		}
	}
	return true
}
