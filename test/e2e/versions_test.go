// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta1 "github.com/openfunction/openfunction/apis/core/v1beta1"
	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// oldFunctions is how one asks kubectl for Functions in v1beta1.
const oldFunctions = "functions.v1beta1.core.openfunction.io"

// foreign is a manifest of somebody else, as it is written and as it reads in v1beta2.
type foreign struct {
	text    string
	written *unstructured.Unstructured
	meant   *unstructured.Unstructured
}

// foreignOf reads a file of the testdata of apis/core: a manifest and, for one in v1beta1, what it means in v1beta2. Of the manifest only names are
// replaced, by what exists on this cluster.
func foreignOf(path string, names ...string) foreign {
	GinkgoHelper()
	data, err := os.ReadFile(filepath.Join(root, "apis/core", path))
	Expect(err).NotTo(HaveOccurred())
	text := manifest(strings.NewReplacer(names...).Replace(string(data)))
	var objects []*unstructured.Unstructured
	for decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096); ; {
		o := &unstructured.Unstructured{}
		if err := decoder.Decode(o); errors.Is(err, io.EOF) {
			break
		} else {
			Expect(err).NotTo(HaveOccurred(), path)
		}
		objects = append(objects, o)
	}
	f := foreign{written: objects[0], meant: objects[len(objects)-1]}
	f.text, _, _ = strings.Cut(text, "\n---\n")
	return f
}

func (f foreign) name() string { return f.written.GetName() }

// apply applies the manifest as its users do, and fails unless it reads the same in both versions then.
func (f foreign) apply(ctx context.Context) {
	GinkgoHelper()
	said := kubectlWith(ctx, f.text, "apply", "-f", "-")
	if f.written.GetAPIVersion() == corev1beta1.GroupVersion.String() {
		Expect(said).To(ContainSubstring("v1beta1 Function is deprecated; use core.openfunction.io/v1beta2"))
	}
	f.reads(ctx)
	generation := readAs(ctx, f.written.GetAPIVersion(), f.name()).GetGeneration()
	kubectlWith(ctx, f.text, "apply", "-f", "-")
	kubectlWith(ctx, f.text, "diff", "-f", "-") // which fails when there is one
	Expect(readAs(ctx, f.written.GetAPIVersion(), f.name()).GetGeneration()).To(Equal(generation), "it was applied again")
}

// reads fails unless every field is there that was written, in the version it was written in, and nothing but what it means, and the defaults, in
// v1beta2.
func (f foreign) reads(ctx context.Context) {
	GinkgoHelper()
	written := readAs(ctx, f.written.GetAPIVersion(), f.name())
	Expect(lost("spec", f.written.Object["spec"], written.Object["spec"])).To(BeEmpty(), "fields that were written and are not read")
	Expect(lost("annotations", annotationsOf(f.written), annotationsOf(written))).To(BeEmpty())
	meant := f.meant.DeepCopy() // with what the schema of v1beta2 fills in
	meant.SetName("as-" + f.name())
	meant.SetNamespace(namespace)
	Expect(c.Create(ctx, meant, client.DryRunAll, client.FieldValidation("Strict"))).To(Succeed())
	Expect(cmp.Diff(meant.Object["spec"], readAs(ctx, corev1beta2.GroupVersion.String(), f.name()).Object["spec"])).To(BeEmpty())
}

func annotationsOf(o *unstructured.Unstructured) any {
	annotations, _, err := unstructured.NestedFieldNoCopy(o.Object, "metadata", "annotations")
	Expect(err).NotTo(HaveOccurred())
	if annotations == nil {
		return map[string]any{}
	}
	return annotations
}

// lost names the fields of one tree that the other has not, or has with another value.
func lost(path string, want, got any) []string {
	var fields []string
	switch want := want.(type) {
	case map[string]any:
		object, _ := got.(map[string]any)
		for key, value := range want {
			fields = append(fields, lost(path+"."+key, value, object[key])...)
		}
		if len(want) > 0 || got != nil {
			return fields
		}
	case []any:
		list, _ := got.([]any)
		if len(list) != len(want) {
			return []string{path}
		}
		for i := range want {
			fields = append(fields, lost(path, want[i], list[i])...)
		}
		return fields
	}
	if !reflect.DeepEqual(want, got) {
		fields = append(fields, path)
	}
	return fields
}

// readAs reads a Function in a version.
func readAs(ctx context.Context, version, name string) *unstructured.Unstructured {
	GinkgoHelper()
	f := &unstructured.Unstructured{}
	f.SetAPIVersion(version)
	f.SetKind("Function")
	Expect(c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, f)).To(Succeed())
	return f
}

// at returns a field of an object.
func at(o *unstructured.Unstructured, path ...string) any {
	GinkgoHelper()
	value, _, err := unstructured.NestedFieldNoCopy(o.Object, path...)
	Expect(err).NotTo(HaveOccurred())
	return value
}

// patchOld edits a Function in v1beta1 with kubectl.
func patchOld(ctx context.Context, name, patch string) {
	GinkgoHelper()
	kubectlWith(ctx, "", "patch", oldFunctions, name, "--type=merge", "-p", manifest(patch))
}

// kubectlWith runs kubectl with something on its standard input, and returns what it says, warnings too. It fails when kubectl does.
func kubectlWith(ctx context.Context, input string, args ...string) string {
	GinkgoHelper()
	command := exec.CommandContext(ctx, cluster.Kubectl, append([]string{"--kubeconfig", cluster.Kubeconfig, "-n", namespace}, args...)...)
	command.Stdin = strings.NewReader(input)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	Expect(command.Run()).To(Succeed(), said.String)
	return said.String()
}
