// SPDX-License-Identifier: Apache-2.0

package conversion_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	corev1beta1 "github.com/openfunction/openfunction/apis/core/v1beta1"
	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/controllers/conversion"
)

const (
	v1beta1 = "core.openfunction.io/v1beta1"
	v1beta2 = "core.openfunction.io/v1beta2"
)

// documents returns the objects in the files that match a pattern.
func documents(pattern string) []*unstructured.Unstructured {
	GinkgoHelper()
	files, err := filepath.Glob(pattern)
	Expect(err).NotTo(HaveOccurred())
	Expect(files).NotTo(BeEmpty())
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
			if o.GroupVersionKind().Group == corev1beta2.GroupVersion.Group {
				o.SetNamespace("default")
				objects = append(objects, o)
			}
		}
	}
	return objects
}

// parse returns an object of a version from YAML.
func parse(version, kind, name, spec string) *unstructured.Unstructured {
	GinkgoHelper()
	o := &unstructured.Unstructured{Object: map[string]any{}}
	Expect(yaml.Unmarshal([]byte(spec), &o.Object)).To(Succeed())
	o.SetAPIVersion(version)
	o.SetKind(kind)
	o.SetName(name)
	o.SetNamespace("default")
	return o
}

// as reads an object in a version.
func as(ctx context.Context, version string, o client.Object) *unstructured.Unstructured {
	GinkgoHelper()
	read := &unstructured.Unstructured{}
	read.SetAPIVersion(version)
	read.SetKind(o.GetObjectKind().GroupVersionKind().Kind)
	Expect(c.Get(ctx, client.ObjectKeyFromObject(o), read)).To(Succeed())
	return read
}

var _ = Describe("Manifests", func() {
	It("of v1beta1 are accepted, and mean in v1beta2 what they meant", func(ctx context.Context) {
		objects := documents("../../apis/core/v1beta1/testdata/*.yaml")
		Expect(len(objects)).To(BeNumerically(">=", 18))
		for i := 0; i < len(objects); i += 2 {
			written, meant := objects[i], objects[i+1]
			Expect(written.GetAPIVersion() + " " + meant.GetAPIVersion()).To(Equal(v1beta1 + " " + v1beta2))
			sent := written.DeepCopy()
			Expect(c.Create(ctx, sent, client.FieldValidation("Strict"))).To(Succeed(), written.GetName())

			got := as(ctx, v1beta2, sent)
			Expect(c.Delete(ctx, sent)).To(Succeed())
			Expect(c.Create(ctx, meant, client.DryRunAll, client.FieldValidation("Strict"))).To(Succeed(), meant.GetName())
			Expect(cmp.Diff(meant.Object["spec"], got.Object["spec"])).To(BeEmpty(), written.GetName())
			Expect(got.GetAnnotations()).NotTo(HaveKey(corev1beta1.ConversionAnnotation), written.GetName())
		}
	})

	It("of v1beta2 are shown in v1beta1, and writing that back changes nothing", func(ctx context.Context) {
		objects := append(documents("../../apis/core/v1beta2/testdata/*.yaml"), documents("../../config/samples/*.yaml")...)
		for _, stored := range objects {
			stored.SetName("written-back")
			Expect(c.Create(ctx, stored)).To(Succeed())
			before := as(ctx, v1beta2, stored)
			view := as(ctx, v1beta1, stored)
			Expect(c.Update(ctx, view)).To(Succeed(), stored.GetName())
			after := as(ctx, v1beta2, stored)
			Expect(cmp.Diff(before.Object, after.Object)).To(BeEmpty())
			Expect(c.Delete(ctx, stored)).To(Succeed())
		}
	})

	It("are stored in v1beta2, and v1beta1 is called deprecated", func(ctx context.Context) {
		Expect(convertAll(ctx)).To(Succeed())
		Expect(warnings.all()).To(ContainElement(ContainSubstring("v1beta1 Function is deprecated; use core.openfunction.io/v1beta2")))
		for _, name := range conversion.CRDs {
			crd := &apiextensionsv1.CustomResourceDefinition{}
			Expect(c.Get(ctx, client.ObjectKey{Name: name}, crd)).To(Succeed())
			Expect(crd.Status.StoredVersions).To(Equal([]string{"v1beta2"}))
		}
	})
})

var _ = Describe("Applying", func() {
	// The API server fills in defaults of v1beta2 when it reads what was written in v1beta1, and writes them down with the next write.
	It("the same manifest again in v1beta1 changes nothing, and then writes nothing", func(ctx context.Context) {
		for _, written := range documents("../../apis/core/v1beta1/testdata/*.yaml") {
			if written.GetAPIVersion() != v1beta1 {
				continue
			}
			name := written.GetName()
			written.SetName("applied")
			Expect(apply(ctx, written, "kubectl")).To(Succeed())
			first := as(ctx, v1beta2, written)
			Expect(apply(ctx, written, "kubectl")).To(Succeed())
			second := as(ctx, v1beta2, written)
			Expect(apply(ctx, written, "kubectl")).To(Succeed())
			Expect(as(ctx, v1beta2, written).GetResourceVersion()).To(Equal(second.GetResourceVersion()), name)
			first.SetResourceVersion(second.GetResourceVersion())
			Expect(cmp.Diff(first.Object, second.Object)).To(BeEmpty(), name)
			Expect(c.Delete(ctx, written)).To(Succeed())
		}
	})

	It("v1beta1 to an object with fields of v1beta2 keeps those", func(ctx context.Context) {
		stored := parse(v1beta2, "Function", "both", `{spec: {image: "example.com/fn:v1", serving: {triggers: {http: {engine: keda, requestTimeout: 30s}}}}}`)
		Expect(apply(ctx, stored, "alice")).To(Succeed())
		edit := parse(v1beta1, "Function", "both", `{spec: {image: "example.com/fn:v2", port: 9000, serving: {runtime: knative}}}`)
		Expect(apply(ctx, edit, "bob")).To(Succeed())
		got := as(ctx, v1beta2, stored)
		Expect(got.Object["spec"]).To(HaveKeyWithValue("image", "example.com/fn:v2"))
		http, _, err := unstructured.NestedMap(got.Object, "spec", "serving", "triggers", "http")
		Expect(err).NotTo(HaveOccurred())
		Expect(http).To(Equal(map[string]any{"port": int64(9000), "engine": "keda", "requestTimeout": "30s"}))
	})

	It("a merge patch in v1beta1 changes what it names", func(ctx context.Context) {
		stored := parse(v1beta2, "Function", "patched", `{spec: {image: "example.com/fn:v1", build: {builder: "b", cache: None, source: {inline: {main.go: "package main"}}}}}`)
		Expect(c.Create(ctx, stored)).To(Succeed())
		view := as(ctx, v1beta1, stored)
		Expect(c.Patch(ctx, view, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"build":{"env":{"A":"b"}}}}`)))).To(Succeed())
		build, _, err := unstructured.NestedMap(as(ctx, v1beta2, stored).Object, "spec", "build")
		Expect(err).NotTo(HaveOccurred())
		Expect(build).To(HaveKeyWithValue("cache", "None"))
		Expect(build).To(HaveKeyWithValue("env", map[string]any{"A": "b"}))
		Expect(build).To(HaveKeyWithValue("source", map[string]any{"inline": map[string]any{"main.go": "package main"}}))
	})

	It("a status in v1beta1 leaves the spec alone", func(ctx context.Context) {
		stored := parse(v1beta2, "Serving", "status", `{spec: {image: "example.com/fn:v1", triggers: {http: {engine: keda}}}}`)
		Expect(c.Create(ctx, stored)).To(Succeed())
		view := &corev1beta1.Serving{}
		Expect(c.Get(ctx, client.ObjectKeyFromObject(stored), view)).To(Succeed())
		view.Status.State, view.Status.Reason = "Running", "Running"
		Expect(c.Status().Update(ctx, view)).To(Succeed())
		got := as(ctx, v1beta2, stored)
		Expect(got.Object["status"]).To(Equal(map[string]any{"state": "Running", "reason": "Running"}))
		Expect(cmp.Diff(stored.Object["spec"], got.Object["spec"])).To(BeEmpty())
	})
})

func apply(ctx context.Context, o *unstructured.Unstructured, owner string) error {
	return c.Apply(ctx, client.ApplyConfigurationFromUnstructured(o.DeepCopy()), client.FieldOwner(owner), client.ForceOwnership)
}

var _ = DescribeTable("What v1beta2 would refuse is refused in v1beta1", func(ctx context.Context, kind, spec, message string) {
	err := c.Create(ctx, parse(v1beta1, kind, "refused", spec))
	Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
	Expect(err.Error()).To(ContainSubstring(message))
},
	Entry("nothing to do", "Function", `{spec: {image: a}}`, "build or serving must be set"),
	Entry("no image", "Function", `{spec: {serving: {runtime: async}}}`, "spec.image"),
	Entry("a bad image", "Function", `{spec: {image: "A B", serving: {runtime: async}}}`, "image must be an image reference"),
	Entry("no runtime", "Function", `{spec: {image: a, serving: {}}}`, "spec.serving.runtime"),
	Entry("another runtime", "Function", `{spec: {image: a, serving: {runtime: lambda}}}`, "Unsupported value"),
	Entry("no builder", "Function", `{spec: {image: a, build: {srcRepo: {url: "https://example.com/a"}}}}`, "builder or dockerfile must be set"),
	Entry("no source", "Builder", `{spec: {image: a, builder: b}}`, "srcRepo must be set"),
	Entry("a way out of the source", "Builder", `{spec: {image: a, dockerfile: ../x, srcRepo: {url: "https://example.com/a"}}}`, "dockerfile must stay inside"),
	Entry("a bad timeout", "Builder", `{spec: {image: a, builder: b, timeout: "-1s", srcRepo: {url: "https://example.com/a"}}}`, "timeout must be a duration"),
	Entry("a topic that is missing", "Serving", `{spec: {image: a, runtime: async, inputs: [{name: i, component: p}], pubsub: {p: {type: pubsub.redis, version: v1, metadata: []}}}}`, "needs a topic"),
	Entry("an output without a topic", "Serving", `{spec: {image: a, runtime: knative, outputs: [{name: i, component: p}], pubsub: {p: {type: pubsub.redis, version: v1, metadata: []}}}}`, "needs a topic"),
	Entry("an input twice", "Serving", `{spec: {image: a, runtime: async, inputs: [{name: i, component: p}, {name: j, component: p}]}}`, "the same component and topic twice"),
	Entry("more copies than allowed", "Serving", `{spec: {image: a, runtime: knative, scaleOptions: {minReplicas: 11}}}`, "minReplicas must not be greater"),
	Entry("more copies than KEDA may make", "Serving", `{spec: {image: a, runtime: async, scaleOptions: {minReplicas: 5, keda: {scaledObject: {maxReplicaCount: 3}}}}}`, "minReplicas must not be greater"),
	Entry("an object and a job", "Serving", `{spec: {image: a, runtime: async, scaleOptions: {keda: {scaledObject: {}, scaledJob: {}}}}}`, "at most one of scaledObject and scaledJob"),
	Entry("a job that never ends", "Serving", `{spec: {image: a, runtime: async, scaleOptions: {keda: {scaledJob: {restartPolicy: Always}}}}}`, "restartPolicy must be"),
	Entry("a trigger without settings", "Serving", `{spec: {image: a, runtime: async, triggers: [{type: kafka, metadata: {}}]}}`, "must not be empty"),
	Entry("a port that is none", "Serving", `{spec: {image: a, runtime: knative, port: 65536}}`, "spec.port"),
	Entry("a quantity that cannot be computed", "Serving", `{spec: {image: a, runtime: knative, template: {containers: [{name: function, resources: {limits: {cpu: "1e999999999"}}}]}}}`, "spec.template.containers[0].resources.limits"),
	Entry("a container without a name", "Serving", `{spec: {image: a, runtime: knative, template: {containers: [{image: b}]}}}`, "spec.template.containers[0].name"),
)

var _ = It("refuses a template that no pod could have", func(ctx context.Context) {
	err := c.Create(ctx, parse(v1beta1, "Serving", "refused", `{spec: {image: a, runtime: knative, template: {containers: [{name: function, ports: [{containerPort: "x"}]}]}}}`))
	Expect(err).To(MatchError(ContainSubstring("containerPort")))
})

var _ = DescribeTable("The name of what answers HTTP begins with a letter, in v1beta1 as in v1beta2", func(ctx context.Context, kind, spec string, fits bool) {
	err := c.Create(ctx, parse(v1beta1, kind, "1st", spec), client.DryRunAll)
	if fits {
		Expect(err).NotTo(HaveOccurred())
		return
	}
	Expect(err).To(MatchError(ContainSubstring("metadata.name must begin with a letter")))
},
	Entry("HTTP", "Function", `{spec: {image: a, serving: {runtime: knative}}}`, false),
	Entry("events", "Function", `{spec: {image: a, serving: {runtime: async, inputs: [{name: a, component: b}]}}}`, true),
	Entry("HTTP alone", "Serving", `{spec: {image: a, runtime: knative}}`, false),
	Entry("events alone", "Serving", `{spec: {image: a, runtime: async, inputs: [{name: a, component: b}]}}`, true),
)

var _ = It("keeps a Builder from being changed in v1beta1 too", func(ctx context.Context) {
	b := parse(v1beta1, "Builder", "unchanging", `{spec: {image: a, builder: b, params: {a: "1"}, srcRepo: {url: "https://example.com/a"}}}`)
	Expect(c.Create(ctx, b)).To(Succeed())
	Expect(unstructured.SetNestedField(b.Object, "2", "spec", "params", "a")).To(Succeed())
	Expect(c.Update(ctx, b)).To(MatchError(ContainSubstring("params cannot be changed")))
	b = as(ctx, v1beta1, b)
	Expect(unstructured.SetNestedField(b.Object, int64(80), "spec", "port")).To(Succeed())
	Expect(c.Update(ctx, b)).To(MatchError(ContainSubstring("port cannot be changed")))
	b = as(ctx, v1beta1, b)
	Expect(unstructured.SetNestedField(b.Object, "Cancelled", "spec", "state")).To(Succeed())
	Expect(c.Update(ctx, b)).To(Succeed())
})

var _ = It("replaces certificates and authorities without a request that fails", func(ctx context.Context) {
	servers, authorities := map[string]bool{}, map[string]bool{}
	secret := &corev1.Secret{}
	for deadline := time.Now().Add(5 * time.Minute); len(servers) < 4 || len(authorities) < 3; {
		Expect(time.Now()).To(BeTemporally("<", deadline), "%d certificates and %d authorities", len(servers), len(authorities))
		// A definition that changes is not served for a moment, in any version, and the API server asks to try again.
		if err := convertAll(ctx); err != nil {
			Expect(apierrors.IsTooManyRequests(err)).To(BeTrue(), "%v", err)
		}
		Expect(cp.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name + "-certificate"}, secret)).To(Succeed())
		servers[serial(secret.Data["tls.crt"])] = true
		authorities[serial(secret.Data["ca.crt"])] = true
	}
}, NodeTimeout(6*time.Minute))

// serial identifies a certificate by its public key.
func serial(text []byte) string {
	GinkgoHelper()
	block, _ := pem.Decode(text)
	Expect(block).NotTo(BeNil())
	certificate, err := x509.ParseCertificate(block.Bytes)
	Expect(err).NotTo(HaveOccurred())
	key, err := json.Marshal(certificate.PublicKey)
	Expect(err).NotTo(HaveOccurred())
	return string(key)
}

var _ = It("repairs a definition that was applied without its caBundle", func(ctx context.Context) {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	crd.Name = conversion.CRDs[0]
	Expect(cp.Client.Patch(ctx, crd, client.RawPatch("application/merge-patch+json",
		[]byte(`{"spec":{"conversion":{"webhook":{"clientConfig":{"caBundle":null}}}}}`)))).To(Succeed())
	Expect(crd.Spec.Conversion.Webhook.ClientConfig.CABundle).To(BeEmpty())
	Eventually(ctx, func(g Gomega, ctx context.Context) {
		g.Expect(cp.Client.Get(ctx, client.ObjectKeyFromObject(crd), crd)).To(Succeed())
		g.Expect(crd.Spec.Conversion.Webhook.ClientConfig.CABundle).NotTo(BeEmpty())
	}).WithTimeout(time.Minute).Should(Succeed())
	Eventually(ctx, convertAll).WithTimeout(time.Minute).Should(Succeed())
})
