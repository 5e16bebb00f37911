// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// edits are what other people do to our objects.
var edits = []string{
	"deletes",     // the object
	"changes",     // a field of its spec
	"unlabels",    // takes our labels off
	"unannotates", // takes our annotations off
	"wipes",       // empties its status
	"adds",        // a label and an annotation of their own, which stay
}

// edit is the fault that somebody else does something to an object of ours once the world has settled.
type edit struct {
	what   string
	object string
}

func (e edit) String() string { return e.what + " " + e.object }

func parseEdit(text string) (fault, error) {
	what, object, _ := strings.Cut(text, " ")
	if !slices.Contains(edits, what) {
		return nil, fmt.Errorf("%q is none of %v", what, edits)
	}
	return edit{what, object}, nil
}

// everyEdit is every edit of every object that our controllers made, but for those of a build and for the record of a version, which are made once
// and then left alone.
func everyEdit(o *outcome) []fault {
	var faults []fault
	all := o.world.All()
	for _, object := range all {
		isMadeOnce := object.GetKind() == "Builder" || ownerKind(object) == "Builder" || object.GetKind() == "ControllerRevision"
		for _, what := range edits {
			switch {
			case o.scenario.isPath() && (what == "deletes" || what == "wipes" || object.GetKind() == "Serving" && what != "adds"):
				continue // while a source does not build, the Serving holds what the spec no longer says
			case what == "wipes" && !isOurs(object), what != "wipes" && !isMade(object, all), what != "wipes" && what != "adds" && isMadeOnce:
				continue
			case object.GetKind() == "Secret" && what != "adds":
				continue // Secrets are not watched, so that nobody need be allowed to list them: it is seen with the next change
			}
			faults = append(faults, edit{what, nameOf(object)})
		}
	}
	return faults
}

func ownerKind(o *unstructured.Unstructured) string {
	for _, ref := range o.GetOwnerReferences() {
		return ref.Kind
	}
	return ""
}

func (e edit) disturb() disturbance {
	return disturbance{recounts: e.what == "deletes", blind: true, after: func(r *run) error {
		o := r.find(e.object)
		if o == nil {
			return nil
		}
		if e.what == "adds" {
			return r.adds(o)
		}
		return r.edit(e.what, o)
	}}
}

func (r *run) edit(what string, o *unstructured.Unstructured) error {
	switch what {
	case "deletes":
		return r.remove(o)
	case "changes":
		path := leaf(o.Object["spec"])
		if path == nil {
			return nil
		}
		return r.patch(o, "", nest(append([]string{"spec"}, path...), "changed-by-somebody"))
	case "unlabels":
		return r.patch(o, "", nest([]string{"metadata", "labels"}, nils(o.GetLabels())))
	case "unannotates":
		return r.patch(o, "", nest([]string{"metadata", "annotations"}, nils(o.GetAnnotations())))
	default:
		return r.patch(o, "status", nest([]string{"status"}, nils(o.Object["status"])))
	}
}

// adds adds what is not ours, sees that it stays through a change of the user's, and takes it away again.
func (r *run) adds(o *unstructured.Unstructured) error {
	const key = "example.test/theirs"
	mark := func(value any) error {
		return r.patch(o, "", map[string]any{"metadata": map[string]any{
			"labels": map[string]any{key: value}, "annotations": map[string]any{key: value}}})
	}
	if err := mark("yes"); err != nil {
		return err
	}
	if err := r.reach("a look at what somebody added", func() error { return nil }); err != nil { // where a version waits, the world does not settle
		return err
	}
	is := r.find(nameOf(o))
	if is == nil || is.GetLabels()[key] != "yes" || is.GetAnnotations()[key] != "yes" {
		return diverges("foreign", "what somebody added to %s is gone", nameOf(o))
	}
	return mark(nil)
}

// patch changes an object. What the API server does not allow has not happened.
func (r *run) patch(o *unstructured.Unstructured, sub string, change map[string]any) error {
	text, err := json.Marshal(change)
	if err != nil {
		return err
	}
	patch, after := client.RawPatch(types.MergePatchType, text), o.DeepCopy()
	if sub != "" {
		err = r.world.Client.SubResource(sub).Patch(r, after, patch, client.FieldOwner("somebody"))
	} else {
		err = r.world.Client.Patch(r, after, patch, client.FieldOwner("somebody"))
	}
	if apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.world.Sees(r, after)
}

// nest puts a value at a path.
func nest(path []string, value any) map[string]any {
	for i := len(path) - 1; i > 0; i-- {
		value = map[string]any{path[i]: value}
	}
	return map[string]any{path[0]: value}
}

// nils is the merge patch that removes every key.
func nils(tree any) any {
	out := map[string]any{}
	switch tree := tree.(type) {
	case map[string]any:
		for key := range tree {
			out[key] = nil
		}
	case map[string]string:
		for key := range tree {
			out[key] = nil
		}
	}
	return out
}

// leaf is the path of the first text in a tree that a merge patch can change; lists cannot be patched that way.
func leaf(tree any) []string {
	fields, _ := tree.(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		switch value := fields[key].(type) {
		case string:
			return []string{key}
		case map[string]any:
			if rest := leaf(value); rest != nil {
				return append([]string{key}, rest...)
			}
		}
	}
	return nil
}
