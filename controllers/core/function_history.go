// SPDX-License-Identifier: Apache-2.0

package core

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/apply"
	"github.com/openfunction/openfunction/pkg/names"
	"github.com/openfunction/openfunction/pkg/problem"
)

// +kubebuilder:rbac:groups=apps,resources=controllerrevisions,verbs=get;list;watch;create;patch;delete

// defaultHistoryLimit is how many replaced versions are kept where the spec does not say.
const defaultHistoryLimit = 10

// version is one version of a function: what a Serving of it runs, under a name that is made from it.
type version struct {
	name string
	spec corev1beta2.ServingSpec
}

// versionOf names a version by its content. How it takes over, and what share another one has meanwhile, is no part of it.
func versionOf(f *corev1beta2.Function, spec corev1beta2.ServingSpec) (*version, error) {
	spec = *spec.DeepCopy()
	spec.Rollout, spec.Split = nil, nil
	name, err := names.Hashed(f.Name, spec)
	if err != nil {
		return nil, err
	}
	return &version{name: name, spec: spec}, nil
}

// newest is the version that the Function's source and settings make.
func newest(f *corev1beta2.Function, image string) (*version, error) {
	return versionOf(f, corev1beta2.ServingSpec{
		ServingImpl: *f.Spec.Serving, Version: f.Spec.Version, Image: image, ImageCredentials: f.Spec.ImageCredentials,
	})
}

// versionServed is the version that a Serving of the Function serves. Its name is what we called it, which stays true when somebody has edited
// the Serving or a release of ours has given a field a default.
func versionServed(f *corev1beta2.Function, s *corev1beta2.Serving) (*version, error) {
	served, err := versionOf(f, s.Spec)
	if err != nil {
		return nil, err
	}
	served.name = cmp.Or(s.Annotations[corev1beta2.RevisionAnnotation], served.name)
	return served, nil
}

// history are the records of a function's versions, the newest first.
type history []*appsv1.ControllerRevision

func historyOf(f *corev1beta2.Function, list *appsv1.ControllerRevisionList) history {
	records := history(apply.Owned(f, list.Items))
	slices.SortFunc(records, func(a, b *appsv1.ControllerRevision) int {
		return cmp.Or(cmp.Compare(b.Revision, a.Revision), cmp.Compare(a.Name, b.Name))
	})
	return records
}

// next is the number of the next version to be recorded.
func (h history) next() int64 {
	if len(h) == 0 {
		return 1
	}
	return h[0].Revision + 1
}

// number is that of a version: its record's, or the next.
func (h history) number(name string) int64 {
	for _, record := range h {
		if record.Name == name {
			return record.Revision
		}
	}
	return h.next()
}

func (h history) has(name string) bool {
	return slices.ContainsFunc(h, func(record *appsv1.ControllerRevision) bool { return record.Name == name })
}

// numbered is the record of a number, nil when there is none.
func (h history) numbered(number int64) *appsv1.ControllerRevision {
	for _, record := range h {
		if record.Revision == number {
			return record
		}
	}
	return nil
}

// surplus are the records beyond the limit, of which those in use are never one.
func (h history) surplus(limit int, current string, inUse ...string) history {
	var gone history
	kept := 0
	for _, record := range h {
		switch {
		case record.Name == current:
		case slices.Contains(inUse, record.Name) || kept < limit:
			kept++
		default:
			gone = append(gone, record)
		}
	}
	return gone
}

func revisions(f *corev1beta2.Function) client.MatchingLabels {
	return client.MatchingLabels{corev1beta2.FunctionLabel: names.Label(f.Name)}
}

func (r *FunctionReconciler) readHistory(ctx context.Context, v *functionVisit) error {
	list := &appsv1.ControllerRevisionList{}
	if err := r.List(ctx, list, client.InNamespace(v.function.Namespace), revisions(v.function)); err != nil {
		return fmt.Errorf("listing the revisions of the Function: %w", err)
	}
	v.history = historyOf(v.function, list)
	return nil
}

// record keeps a version. What counts is what the API server has: a number that a lagging cache does not know is not given twice.
func (r *FunctionReconciler) record(ctx context.Context, v *functionVisit, served *version) error {
	f := v.function
	list := &appsv1.ControllerRevisionList{}
	if err := r.Live.List(ctx, list, client.InNamespace(f.Namespace), revisions(f)); err != nil {
		return fmt.Errorf("listing the revisions of the Function: %w", err)
	}
	v.history = historyOf(f, list)
	data, err := names.Canonical(recorded{Spec: served.spec})
	if err != nil {
		return err
	}
	if v.history.has(served.name) {
		return nil
	}
	made, err := v.children.Ensure(ctx, &appsv1.ControllerRevision{
		ObjectMeta: metav1.ObjectMeta{Name: served.name, Namespace: f.Namespace, Labels: map[string]string{
			corev1beta2.FunctionLabel: names.Label(f.Name), corev1beta2.ManagedLabel: "true"}},
		Data:     runtime.RawExtension{Raw: data},
		Revision: v.history.next(),
	})
	if err != nil {
		return err
	}
	v.history = slices.Insert(v.history, 0, made.(*appsv1.ControllerRevision))
	return nil
}

// recorded is the data of a record.
type recorded struct {
	Spec corev1beta2.ServingSpec `json:"spec"`
}

// recalled is the version that a record keeps.
func recalled(record *appsv1.ControllerRevision) (*version, error) {
	var data recorded
	if err := json.Unmarshal(record.Data.Raw, &data); err != nil {
		return nil, problem.Stalled(corev1beta2.InvalidSpecReason, "ControllerRevision %s does not hold a version of the Function (%s); delete it", record.Name, err)
	}
	return &version{name: record.Name, spec: data.Spec}, nil
}

// rolledBack is the version that spec.rollbackTo names. The one that serves now may be it and not be recorded yet.
func (r *FunctionReconciler) rolledBack(ctx context.Context, v *functionVisit) (*version, error) {
	number := *v.function.Spec.RollbackTo
	record := v.history.numbered(number)
	if record == nil && v.serving != nil {
		served, err := versionServed(v.function, v.serving)
		if err != nil {
			return nil, err
		}
		if v.history.number(served.name) == number {
			if err := r.record(ctx, v, served); err != nil {
				return nil, err
			}
			record = v.history.numbered(number)
		}
	}
	if record == nil {
		return nil, problem.Stalled(corev1beta2.RevisionNotFoundReason, "spec.rollbackTo is %d, which is no revision that is kept; %s, or remove rollbackTo",
			number, v.choices())
	}
	return recalled(record)
}

// choices tells which revisions there are.
func (v *functionVisit) choices() string {
	var numbers []string
	for _, revision := range v.revisions() {
		numbers = append(numbers, fmt.Sprint(revision.Revision))
	}
	if len(numbers) == 0 {
		return "there is none yet"
	}
	return "set one of " + strings.Join(numbers, ", ")
}

// pruneHistory deletes the records that the limit does not allow.
func (r *FunctionReconciler) pruneHistory(ctx context.Context, v *functionVisit) error {
	limit := int(ptr.Deref(v.function.Spec.RevisionHistoryLimit, defaultHistoryLimit))
	inUse := []string{v.candidate()}
	if v.target != nil {
		inUse = append(inUse, v.target.name)
	}
	gone := v.history.surplus(limit, v.current(), inUse...)
	for _, record := range gone {
		if err := v.children.Delete(ctx, record); err != nil {
			return err
		}
	}
	v.history = slices.DeleteFunc(v.history, func(record *appsv1.ControllerRevision) bool { return slices.Contains(gone, record) })
	return nil
}

// current is the name of the version that the function's Serving serves; "" when there is none.
func (v *functionVisit) current() string { return nameOf(v.function, v.serving) }

// candidate is the name of the version that is tried; "" when there is none.
func (v *functionVisit) candidate() string { return nameOf(v.function, v.canary) }

func nameOf(f *corev1beta2.Function, s *corev1beta2.Serving) string {
	if s == nil {
		return ""
	}
	if name := s.Annotations[corev1beta2.RevisionAnnotation]; name != "" {
		return name
	}
	served, err := versionOf(f, s.Spec)
	if err != nil {
		return "" // a spec has a JSON encoding
	}
	return served.name
}

// showHistory tells which versions there are.
func (v *functionVisit) showHistory() {
	v.function.Status.Revisions = v.revisions()
	v.function.Status.CurrentRevision = 0
	if current := v.current(); current != "" {
		v.function.Status.CurrentRevision = v.history.number(current)
	}
}

func (v *functionVisit) revisions() []corev1beta2.FunctionRevision {
	var shown []corev1beta2.FunctionRevision
	if v.serving != nil && !v.history.has(v.current()) {
		shown = append(shown, revision(v.history.next(), v.current(), &v.serving.Spec))
	}
	for _, record := range v.history {
		entry := corev1beta2.FunctionRevision{}
		if kept, err := recalled(record); err == nil {
			entry = revision(record.Revision, record.Name, &kept.spec)
			entry.RecordedTime = ptr.To(record.CreationTimestamp)
			shown = append(shown, entry)
		}
	}
	return shown
}

func revision(number int64, name string, spec *corev1beta2.ServingSpec) corev1beta2.FunctionRevision {
	return corev1beta2.FunctionRevision{Revision: number, Name: name, Image: spec.Image, Version: spec.EffectiveVersion()}
}
