// SPDX-License-Identifier: Apache-2.0

package v1beta1_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta1 "github.com/openfunction/openfunction/apis/core/v1beta1"
)

// Each file holds a manifest as people wrote it in v1beta1, and what it means in v1beta2.
func TestManifestsMeanWhatTheyMeant(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no manifests", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			documents := documentsOf(t, file)
			kind := kindOf(t, documents[0])
			written, want, got, back := kind.spoke(), kind.hub(), kind.hub(), kind.spoke()
			strict(t, documents[0], written)
			strict(t, documents[1], want)

			convertTo(t, written, got)
			got.GetObjectKind().SetGroupVersionKind(want.GetObjectKind().GroupVersionKind())
			if text, carries := got.GetAnnotations()[corev1beta1.ConversionAnnotation]; carries {
				t.Errorf("v1beta2 can say all of it, and yet is given %s", text)
			}
			if difference := cmp.Diff(tree(t, want), tree(t, got)); difference != "" {
				t.Errorf("(-want +got):\n%s", difference)
			}

			convertFrom(t, back, got)
			back.GetObjectKind().SetGroupVersionKind(written.GetObjectKind().GroupVersionKind())
			same(t, 0, written, back)
		})
	}
}

// What people wrote in v1beta2 is shown in v1beta1, and comes back.
func TestV1beta2ManifestsComeBackAsTheyWere(t *testing.T) {
	for _, pattern := range []string{"../v1beta2/testdata/*.yaml", "../../../config/samples/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, file := range files {
			for n, document := range documentsOf(t, file) {
				var object client.Object
				for _, kind := range kinds {
					var meta struct{ Kind string }
					if err := json.Unmarshal(document, &meta); err != nil || meta.Kind != kind.name {
						continue
					}
					before, view, after := kind.hub(), kind.spoke(), kind.hub()
					strict(t, document, before)
					convertFrom(t, view, before)
					convertTo(t, view, after)
					after.GetObjectKind().SetGroupVersionKind(before.GetObjectKind().GroupVersionKind())
					same(t, n, before, after)
					object = after
				}
				if object == nil {
					t.Logf("%s: document %d is of no kind of this package", file, n)
				}
			}
		}
	}
}

func documentsOf(t *testing.T, file string) [][]byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var documents [][]byte
	for decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096); ; {
		var document json.RawMessage
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return documents
		} else if err != nil {
			t.Fatal(file, err)
		}
		documents = append(documents, document)
	}
}

func kindOf(t *testing.T, document []byte) (kind struct {
	name  string
	spoke func() spoke
	hub   func() hub
}) {
	t.Helper()
	var meta struct{ Kind string }
	if err := json.Unmarshal(document, &meta); err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds {
		if kind.name == meta.Kind {
			return kind
		}
	}
	t.Fatalf("no kind %q", meta.Kind)
	return kind
}

// strict reads a document, and fails on what the object has no field for.
func strict(t *testing.T, document []byte, into any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		t.Fatal(err)
	}
}

func tree(t *testing.T, object any) (tree any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text(t, object)), &tree); err != nil {
		t.Fatal(err)
	}
	return tree
}
