// SPDX-License-Identifier: Apache-2.0

package v1beta1_test

import (
	"encoding/json"
	"maps"
	"math/rand"
	"slices"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta1 "github.com/openfunction/openfunction/apis/core/v1beta1"
	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// An edit of the v1beta1 view of an object wins over what the view carries: v1beta2 then says what it would say if nothing were carried,
// wherever v1beta1 can tell the difference. And the view shows the edit.
func TestAnEditWinsOverWhatIsCarried(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			fillers := newFillers(t)
			random := rand.New(rand.NewSource(seed(t)))
			for n := range objects / 10 {
				stored, other := kind.hub(), kind.spoke()
				fill(t, fillers[n%len(fillers)], stored)
				fill(t, fillers[n%len(fillers)], other)
				view := kind.spoke()
				convertFrom(t, view, stored)
				edited := kind.spoke()
				mix(t, random, view, other, edited)

				result, plain := kind.hub(), kind.hub()
				convertTo(t, edited, result)
				convertTo(t, without(edited).(spoke), plain)
				same(t, n, said(t, kind.spoke, kind.hub, plain), said(t, kind.spoke, kind.hub, result))

				back := kind.spoke()
				convertFrom(t, back, result)
				same(t, n, without(edited), without(back))
			}
		})
	}
}

// An edit of what has nothing to do with them leaves all the fields that only v1beta2 has.
func TestAnEditElsewhereLosesNothing(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			fillers := newFillers(t)
			for n := range objects / 10 {
				stored := kind.hub()
				fill(t, fillers[n%len(fillers)], stored)
				view, result := kind.spoke(), kind.hub()
				convertFrom(t, view, stored)
				setImage(view)
				convertTo(t, view, result)
				setImage(stored)
				same(t, n, without(stored), without(result))
			}
		})
	}
}

// said returns what a v1beta2 object says to who reads it in v1beta1, in the words of v1beta2.
func said(t *testing.T, newSpoke func() spoke, newHub func() hub, object hub) hub {
	t.Helper()
	view, result := newSpoke(), newHub()
	convertFrom(t, view, without(object).(hub))
	convertTo(t, without(view).(spoke), result)
	return without(result).(hub)
}

func setImage(object client.Object) {
	const image = "example.com/edited:v2"
	switch o := object.(type) {
	case *corev1beta1.Function:
		o.Spec.Image = image
	case *corev1beta1.Builder:
		o.Spec.Image = image
	case *corev1beta1.Serving:
		o.Spec.Image = image
	case *corev1beta2.Function:
		o.Spec.Image = image
	case *corev1beta2.Builder:
		o.Spec.Image = image
	case *corev1beta2.Serving:
		o.Spec.Image = image
	}
}

// without returns a copy of an object without what is carried.
func without(object client.Object) client.Object {
	bare := object.DeepCopyObject().(client.Object)
	annotations := bare.GetAnnotations()
	delete(annotations, corev1beta1.ConversionAnnotation)
	if len(annotations) == 0 {
		annotations = nil
	}
	bare.SetAnnotations(annotations)
	return bare
}

// mix makes an object with some of the fields of another.
func mix(t *testing.T, random *rand.Rand, object, other, into client.Object) {
	t.Helper()
	var a, b map[string]any
	for from, to := range map[client.Object]*map[string]any{object: &a, other: &b} {
		if err := json.Unmarshal([]byte(text(t, from)), to); err != nil {
			t.Fatal(err)
		}
	}
	a["spec"] = mixed(random, a["spec"].(map[string]any), b["spec"].(map[string]any), 3)
	mixedText, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(mixedText, into); err != nil {
		t.Fatal(err)
	}
}

func mixed(random *rand.Rand, a, b map[string]any, depth int) map[string]any {
	result := maps.Clone(a)
	all := maps.Clone(a)
	maps.Copy(all, b)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		inner, isObject := a[key].(map[string]any)
		otherInner, isOtherObject := b[key].(map[string]any)
		_, exists := b[key]
		switch {
		case isObject && isOtherObject && depth > 0 && random.Intn(2) == 0:
			result[key] = mixed(random, inner, otherInner, depth-1)
		case random.Intn(3) > 0:
		case exists:
			result[key] = b[key]
		default:
			delete(result, key)
		}
	}
	return result
}
