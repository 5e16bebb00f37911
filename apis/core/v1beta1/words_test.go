// SPDX-License-Identifier: Apache-2.0

package v1beta1_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/rand"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta1 "github.com/openfunction/openfunction/apis/core/v1beta1"
	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// An object that says something in other words than its types comes back in these words, and the view of it is always the same.
func TestWordsComeBack(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		for from, to := range map[string]string{
			corev1beta2.GroupVersion.String(): corev1beta1.GroupVersion.String(),
			corev1beta1.GroupVersion.String(): corev1beta2.GroupVersion.String(),
		} {
			t.Run(kind.name+" "+from, func(t *testing.T) {
				t.Parallel()
				random := rand.New(rand.NewSource(seed(t)))
				fillers := newFillers(t)
				reworded := 0
				for n := range objects / 10 {
					var object client.Object = kind.hub()
					if from == corev1beta1.GroupVersion.String() {
						object = kind.spoke()
					}
					fill(t, fillers[n%len(fillers)], object)
					written := treeOf(t, text(t, object))
					r := rewording{random: random}
					written["spec"] = r.reword(written["spec"])
					if json.Unmarshal([]byte(text(t, written)), object) != nil {
						continue // a type cannot read that
					}
					reworded++
					written["apiVersion"], written["kind"] = from, kind.name
					view := convertTree(t, written, to)
					if difference := cmp.Diff(view, convertTree(t, written, to)); difference != "" {
						t.Fatalf("object %d has two views:\n%s", n, difference)
					}
					back := convertTree(t, treeOf(t, text(t, view)), from)
					if difference := cmp.Diff(written, back); difference != "" {
						t.Fatalf("object %d came back changed (-before +after):\n%s", n, difference)
					}
				}
				if reworded < objects/50 {
					t.Errorf("types could read only %d of the objects", reworded)
				}
			})
		}
	}
}

func convertTree(t *testing.T, object map[string]any, version string) map[string]any {
	t.Helper()
	result, err := corev1beta1.Convert(object, version)
	if err != nil {
		t.Fatalf("%v\n%s", err, text(t, object))
	}
	return result
}

func treeOf(t *testing.T, text string) (tree map[string]any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

// rewording writes some parts of a tree in another way.
type rewording struct{ random *rand.Rand }

func (r rewording) reword(node any) any {
	if r.random.Intn(40) == 0 {
		return r.other(node)
	}
	switch node := node.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(node)) {
			node[key] = r.reword(node[key])
		}
		switch r.random.Intn(20) {
		case 0:
			node["newer"] = map[string]any{"than": []any{"the types", nil}}
		case 1:
			maps.DeleteFunc(node, func(_ string, value any) bool { return isZero(value) })
		}
	case []any:
		for i, child := range node {
			node[i] = r.reword(child)
		}
	}
	return node
}

// other returns a value that may mean the same, or nothing.
func (r rewording) other(node any) any {
	switch node := node.(type) {
	case string:
		if d, err := time.ParseDuration(node); err == nil {
			return strconv.FormatInt(d.Nanoseconds(), 10) + "ns"
		}
		if n, err := strconv.ParseInt(node, 10, 32); err == nil {
			return strconv.FormatInt(n, 10) + "000m"
		}
		return ""
	case bool:
		return false
	case []any:
		if r.random.Intn(2) == 0 {
			return []any{}
		}
	case map[string]any:
		if r.random.Intn(2) == 0 {
			return map[string]any{}
		}
	}
	return nil
}

func isZero(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		return len(value) == 0
	case []any:
		return len(value) == 0
	}
	return value == nil || value == "" || value == false || value == json.Number("0")
}
