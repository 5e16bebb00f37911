// SPDX-License-Identifier: Apache-2.0

package v1beta2_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	shipwrightv1beta1 "github.com/shipwright-io/build/pkg/apis/build/v1beta1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// manifests returns every object in the YAML files that match a pattern.
func manifests(pattern string) []*unstructured.Unstructured {
	GinkgoHelper()
	files, err := filepath.Glob(pattern)
	Expect(err).NotTo(HaveOccurred())
	Expect(files).NotTo(BeEmpty(), pattern)
	var objects []*unstructured.Unstructured
	for _, file := range files {
		data, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		for decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096); ; {
			o := &unstructured.Unstructured{}
			if err := decoder.Decode(o); errors.Is(err, io.EOF) {
				break
			} else {
				Expect(err).NotTo(HaveOccurred(), file)
			}
			if o.GetKind() == "" || o.GetKind() == "Kustomization" {
				continue
			}
			o.SetNamespace("default")
			objects = append(objects, o)
		}
	}
	return objects
}

var _ = Describe("Manifests", func() {
	It("of config/samples are valid, without unknown fields", func(ctx context.Context) {
		for _, o := range manifests("../../../config/samples/*.yaml") {
			Expect(admit(ctx, o)).To(Succeed(), o.GetName())
		}
	})

	It("that other people wrote are valid unchanged, and survive a round through the Go types", func(ctx context.Context) {
		for _, o := range manifests("testdata/*.yaml") {
			Expect(admit(ctx, o.DeepCopy())).To(Succeed(), o.GetName())

			data, err := o.MarshalJSON()
			Expect(err).NotTo(HaveOccurred())
			decoder := json.NewDecoder(bytes.NewReader(data))
			decoder.DisallowUnknownFields()
			f := &corev1beta2.Function{}
			Expect(decoder.Decode(f)).To(Succeed(), o.GetName())
			Expect(admit(ctx, f)).To(Succeed(), o.GetName())
		}
	})

	It("are completed with defaults", func(ctx context.Context) {
		o := object("Function", `{spec: {
			build: {builder: b, srcRepo: {url: "https://example.com/a"}},
			serving: {triggers: {http: {}}, hooks: {}, scaleOptions: {keda: {scaledJob: {}}}}}}`)
		Expect(admit(ctx, o)).To(Succeed())
		Expect(o.Object["spec"]).To(HaveKeyWithValue("workloadRuntime", "OCIContainer"))
		Expect(o.Object["spec"]).To(HaveKeyWithValue("version", "latest"))
		at := func(path ...string) any {
			value, _, err := unstructured.NestedFieldNoCopy(o.Object, path...)
			Expect(err).NotTo(HaveOccurred())
			return value
		}
		Expect(at("spec", "build", "cache")).To(Equal("Registry"))
		Expect(at("spec", "build", "successfulBuildsHistoryLimit")).To(Equal(int64(0)))
		Expect(at("spec", "build", "failedBuildsHistoryLimit")).To(Equal(int64(1)))
		Expect(at("spec", "serving", "triggers", "http", "port")).To(Equal(int64(8080)))
		Expect(at("spec", "serving", "hooks", "policy")).To(Equal("Append"))
		Expect(at("spec", "serving", "scaleOptions", "keda", "scaledJob", "restartPolicy")).To(Equal("OnFailure"))
	})

	It("applied from Go types lose nothing and gain no field that is not theirs", func(ctx context.Context) {
		value := "v"
		b := &corev1beta2.Builder{
			TypeMeta:   metav1.TypeMeta{APIVersion: corev1beta2.GroupVersion.String(), Kind: "Builder"},
			ObjectMeta: metav1.ObjectMeta{Name: "typed", Namespace: "default"},
			Spec: corev1beta2.BuilderSpec{
				Image: "example.com/fn:v1",
				BuildImpl: corev1beta2.BuildImpl{
					TaskRef: &corev1beta2.TaskRef{Name: "t"},
					Source:  &corev1beta2.Source{Inline: map[string]string{"main.go": "package main"}},
					Shipwright: &corev1beta2.ShipwrightEngine{Params: []shipwrightv1beta1.ParamValue{
						{Name: "one", SingleValue: &shipwrightv1beta1.SingleValue{Value: &value}},
						{Name: "many", Values: []shipwrightv1beta1.SingleValue{{Value: &value}}},
						{Name: "secret", SingleValue: &shipwrightv1beta1.SingleValue{
							SecretValue: &shipwrightv1beta1.ObjectKeyRef{Name: "s", Key: "k"}}},
					}},
				},
			},
		}
		want := b.Spec.DeepCopy()
		Expect(cp.Client.Create(ctx, b)).To(Succeed())
		Expect(b.Spec.Shipwright).To(Equal(want.Shipwright))
		Expect(b.Spec.Source).To(Equal(want.Source))
		Expect(b.Spec.Cache).To(Equal(corev1beta2.RegistryBuildCache))

		version := b.ResourceVersion
		Expect(cp.Client.Update(ctx, b)).To(Succeed())
		Expect(b.ResourceVersion).To(Equal(version), "writing back what was read changes nothing")
	})

	It("keep an inline template whole", func(ctx context.Context) {
		o := object("Serving", `{spec: {template: {containers: [{name: function, ports: [{containerPort: 8080}]}, {name: helper, image: h}]}}}`)
		Expect(admit(ctx, o)).To(Succeed())
		s := &corev1beta2.Serving{}
		data, err := o.MarshalJSON()
		Expect(err).NotTo(HaveOccurred())
		Expect(json.Unmarshal(data, s)).To(Succeed())
		Expect(s.Spec.Template.Containers).To(HaveLen(2))
		Expect(s.Spec.Template.Containers[0].Ports).To(Equal([]corev1.ContainerPort{{ContainerPort: 8080, Protocol: corev1.ProtocolTCP}}))
	})
})

// annotationLimit is what all annotations of an object may take; kubectl apply puts the whole object into one.
const annotationLimit = 256 << 10

var _ = Describe("The definitions", func() {
	It("fit a plain kubectl apply", func(ctx context.Context) {
		for _, o := range manifests("../../../config/crd/bases/*.yaml") {
			o.SetNamespace("")
			data, err := json.Marshal(o.Object)
			Expect(err).NotTo(HaveOccurred())
			Expect(len(data)).To(BeNumerically("<", annotationLimit), o.GetName())

			o.SetAnnotations(map[string]string{"kubectl.kubernetes.io/last-applied-configuration": string(data)})
			Expect(cp.Client.Patch(ctx, o, client.Merge, client.FieldValidation("Strict"))).To(Succeed())
		}
	})

	It("have the established names", func(ctx context.Context) {
		for plural, want := range map[string]struct{ short, columns string }{
			"functions": {"fn", "BuildState ServingState Builder Serving Address Ready Age"},
			"builders":  {"fb", "Phase State Reason BuildDuration Ready Age"},
			"servings":  {"sv", "Phase State Ready Age"},
		} {
			crd := &apiextensionsv1.CustomResourceDefinition{}
			Expect(cp.Client.Get(ctx, client.ObjectKey{Name: plural + ".core.openfunction.io"}, crd)).To(Succeed())
			Expect(crd.Spec.Names.ShortNames).To(Equal([]string{want.short}))
			Expect(crd.Spec.Names.Categories).To(Equal([]string{"openfunction"}))
			Expect(crd.Spec.Versions[0].Subresources.Status).NotTo(BeNil())
			columns := ""
			for _, column := range crd.Spec.Versions[0].AdditionalPrinterColumns {
				if column.Priority == 0 {
					columns += " " + column.Name
				}
			}
			Expect(columns).To(Equal(" " + want.columns))
		}
	})

	It("explain every field of ours, beginning with its name", func() {
		for _, o := range manifests("../../../config/crd/bases/*.yaml") {
			crd := &apiextensionsv1.CustomResourceDefinition{}
			data, err := yaml.Marshal(o.Object)
			Expect(err).NotTo(HaveOccurred())
			Expect(yaml.Unmarshal(data, crd)).To(Succeed())
			for _, version := range crd.Spec.Versions {
				top := version.Schema.OpenAPIV3Schema
				Expect(top.Description).NotTo(BeEmpty())
				Expect(unexplained(top.Properties["spec"], crd.Spec.Names.Kind+".spec")).To(BeEmpty(), version.Name)
				Expect(unexplained(top.Properties["status"], crd.Spec.Names.Kind+".status")).To(BeEmpty(), version.Name)
			}
		}
	})
})

// foreign are the fields whose types belong to other projects, by the end of their path: what is below them is in those projects' words.
var foreign = []string{
	".template", "route.rules", "scaledObject.advanced", "scaledObject.fallback", "scaledJob.scalingStrategy",
	"keda.triggers", ".bindings", ".pubsub", "states.spec", "shipwright.params", "status.conditions", "route.conditions",
	"route.paths", "gatewaySpec.listeners", "status.listeners", "Gateway.status.addresses",
	"imageCredentials", "builderCredentials", "srcRepo.credentials",
}

// unexplained returns the paths of the fields without a description that begins with their name. It goes down as long
// as a field's children have any descriptions, and not into the types of other projects.
func unexplained(node apiextensionsv1.JSONSchemaProps, path string) []string {
	if slices.ContainsFunc(foreign, func(end string) bool { return strings.HasSuffix(path, end) }) {
		return nil
	}
	if node.Items != nil {
		return unexplained(*node.Items.Schema, path)
	}
	if node.AdditionalProperties != nil {
		return unexplained(*node.AdditionalProperties.Schema, path)
	}
	ours := false
	for _, child := range node.Properties {
		ours = ours || child.Description != ""
	}
	if !ours {
		return nil
	}
	var paths []string
	for name, child := range node.Properties {
		if !bytes.HasPrefix([]byte(child.Description), []byte(name+" ")) {
			paths = append(paths, path+"."+name)
		}
		paths = append(paths, unexplained(child, path+"."+name)...)
	}
	return paths
}

var _ = Describe("The pages of docs/spec", func() {
	page := func(name string) string {
		GinkgoHelper()
		text, err := os.ReadFile("../../../docs/spec/" + name + ".md")
		Expect(err).NotTo(HaveOccurred())
		return string(text)
	}

	It("tell every condition and reason", func() {
		source, err := os.ReadFile("conditions.go")
		Expect(err).NotTo(HaveOccurred())
		names := regexp.MustCompile(`(?m)^\t\w+(?:Reason|Condition) += "(\w+)"`).FindAllStringSubmatch(string(source), -1)
		Expect(len(names)).To(BeNumerically(">", 20))
		for _, name := range names {
			Expect(page("function")).To(ContainSubstring("`" + name[1] + "`"))
		}
	})

	It("show every sample, and only samples that exist", func() {
		all := page("function") + page("builder") + page("serving") + page("gateway")
		samples, err := filepath.Glob("../../../config/samples/*.yaml")
		Expect(err).NotTo(HaveOccurred())
		for _, sample := range samples {
			if filepath.Base(sample) != "kustomization.yaml" {
				Expect(all).To(ContainSubstring("(../../config/samples/" + filepath.Base(sample) + ")"))
			}
		}
		for _, link := range regexp.MustCompile(`\(\.\./\.\./(config/[^)]+)\)`).FindAllStringSubmatch(all, -1) {
			Expect("../../../" + link[1]).To(BeAnExistingFile())
		}
	})
})
