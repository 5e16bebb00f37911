// SPDX-License-Identifier: Apache-2.0

// Package golden compares what a maker makes with files that were read and approved by a person. Each case is a pair in
// testdata: NAME.in.yaml, what a user wrote, and NAME.out.yaml, what is made of it. `make golden` rewrites the second.
package golden

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// updateVariable makes Run write the expected files in place of comparing with them.
const updateVariable = "UPDATE_GOLDEN"

// Separator stands between the documents of a file.
const Separator = "---\n"

// Run calls make once for every testdata/*.in.yaml with its documents, and compares the objects it returns with the file beside it.
func Run(t *testing.T, make func(t *testing.T, documents [][]byte) []client.Object) {
	t.Helper()
	inputs, err := filepath.Glob("testdata/*.in.yaml")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no testdata/*.in.yaml: %v", err)
	}
	for _, input := range inputs {
		name := strings.TrimSuffix(filepath.Base(input), ".in.yaml")
		t.Run(name, func(t *testing.T) {
			content, err := os.ReadFile(input)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, filepath.Join("testdata", name+".out.yaml"), marshal(t, make(t, bytes.Split(content, []byte(Separator)))))
		})
	}
}

// Decode reads one document strictly into object, so that a misspelt field of a case is an error.
func Decode(t *testing.T, document []byte, object any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(document, object); err != nil {
		t.Fatal(err)
	}
}

func marshal(t *testing.T, objects []client.Object) []byte {
	t.Helper()
	var documents [][]byte
	for _, object := range objects {
		document, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, document)
	}
	return bytes.Join(documents, []byte(Separator))
}

func compare(t *testing.T, path string, got []byte) {
	t.Helper()
	if os.Getenv(updateVariable) != "" {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with `make golden` and read it", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got); if this is right, run `make golden` and read the change:\n%s", path, diff)
	}
}
