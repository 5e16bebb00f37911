package manifests

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"
)

const sample = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: controller}
spec:
  template:
    spec:
      containers:
      - image: ko://example.com/cmd/controller
        args: ["-nop-image", "ko://example.com/cmd/nop", "-shell-image", "cgr.dev/chainguard/busybox@sha256:123"]
        resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {cpu: "1"}}
---
# nothing here
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config}
data: {image: "ko://example.com/cmd/queue", text: "the ko:// in a sentence stays"}
---
apiVersion: v1
kind: Namespace
metadata: {name: ns}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
`

func parse(t *testing.T) []Object {
	t.Helper()
	objects, err := Parse([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func TestResolveKo(t *testing.T) {
	objects := parse(t)
	err := ResolveKo(objects, map[string]string{
		"example.com/cmd/controller": "registry.local:5000/c@sha256:1",
		"example.com/cmd/nop":        "registry.local:5000/n@sha256:2",
		"example.com/cmd/queue":      "registry.local:5000/q@sha256:3",
	})
	if err != nil {
		t.Fatal(err)
	}
	ReplaceStarting(objects, "cgr.dev/chainguard/busybox@", "registry.local:5000/sh@sha256:4")
	text := ""
	for _, o := range objects {
		content, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		text += string(content)
	}
	for _, want := range []string{`c@sha256:1"`, `n@sha256:2"`, `q@sha256:3"`, `"registry.local:5000/sh@sha256:4"`, "the ko:// in a sentence stays"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing from %s", want, text)
		}
	}
}

func TestResolveKoNamesWhatIsUnknown(t *testing.T) {
	err := ResolveKo(parse(t), map[string]string{"example.com/cmd/nop": "x"})
	if err == nil || !strings.Contains(err.Error(), "ko://example.com/cmd/controller, ko://example.com/cmd/queue") {
		t.Errorf("error is %v, want both unknown images in it", err)
	}
}

func TestSort(t *testing.T) {
	objects := parse(t)
	Sort(objects)
	var kinds []string
	for _, o := range objects {
		kinds = append(kinds, o.GetKind())
	}
	if want := []string{"Namespace", "CustomResourceDefinition", "ConfigMap", "Deployment"}; !slices.Equal(kinds, want) {
		t.Errorf("order is %v, want %v", kinds, want)
	}
}

func TestAdapt(t *testing.T) {
	objects := Adapt(parse(t), Without("Namespace"), Frugal, ConfigData("config", map[string]string{"a": "b"}))
	if len(objects) != 3 {
		t.Fatalf("%d objects are left, want 3", len(objects))
	}
	deployment, _ := objects[0].MarshalJSON()
	if !strings.Contains(string(deployment), `"requests":{"cpu":"20m","memory":"1Gi"}`) || strings.Contains(string(deployment), `"cpu":"1"`) {
		t.Errorf("the Deployment still asks for much: %s", deployment)
	}
	config, _ := objects[1].MarshalJSON()
	if !strings.Contains(string(config), `"a":"b"`) || !strings.Contains(string(config), `"image":`) {
		t.Errorf("the ConfigMap is %s", config)
	}
}

func TestPrompt(t *testing.T) {
	objects, err := Parse([]byte(`
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: s}
spec: {template: {spec: {containers: [{name: a, readinessProbe: {httpGet: {path: /}, initialDelaySeconds: 20}}, {name: b}]}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	content, err := Adapt(objects, Prompt)[0].MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"name":"a","readinessProbe":{"failureThreshold":30,"httpGet":{"path":"/"},"periodSeconds":1}},{"name":"b"}`; !strings.Contains(string(content), want) {
		t.Errorf("%s is not in %s", want, content)
	}
}

func TestRun(t *testing.T) {
	objects, err := Run(t.Context(), "echo", `{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}`)
	if err != nil || len(objects) != 1 || objects[0].GetName() != "a" {
		t.Errorf("read %v (%v), want one object", objects, err)
	}
	if _, err := Run(t.Context(), "sh", "-c", "echo broken >&2; exit 3"); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("the error is %v, want what the program said in it", err)
	}
}

func TestAvailability(t *testing.T) {
	for name, c := range map[string]struct {
		yaml string
		all  bool
	}{
		"all":            {"{replicas: 2, observedGeneration: 1, availableReplicas: 2, updatedReplicas: 2}", true},
		"one is missing": {"{replicas: 2, observedGeneration: 1, availableReplicas: 1, updatedReplicas: 2}", false},
		"an old one":     {"{replicas: 3, observedGeneration: 1, availableReplicas: 3, updatedReplicas: 2}", false},
		"not seen yet":   {"{replicas: 2, observedGeneration: 0, availableReplicas: 2, updatedReplicas: 2}", false},
	} {
		content, err := yaml.ToJSON([]byte("apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {generation: 1}\nspec: {replicas: 2}\nstatus: " + c.yaml))
		if err != nil {
			t.Fatal(err)
		}
		var o Object
		if err := o.UnmarshalJSON(content); err != nil { // As from the API server: with whole numbers.
			t.Fatal(err)
		}
		if _, want, all := availability(&o); want != 2 || all != c.all {
			t.Errorf("%s: wants %d, all available is %t", name, want, all)
		}
	}
}

func TestWithoutAuthority(t *testing.T) {
	objects, err := Parse([]byte(`
kind: MutatingWebhookConfiguration
metadata: {name: a}
webhooks: [{name: first, clientConfig: {caBundle: YQ==}}, {name: second, clientConfig: {}}]
---
kind: MutatingWebhookConfiguration
metadata: {name: b}
webhooks: [{name: first, clientConfig: {caBundle: YQ==}}]
`))
	if err != nil {
		t.Fatal(err)
	}
	if why := withoutAuthority(&objects[0]); !strings.Contains(why, "webhook second of a") {
		t.Errorf("it says %q, want the second webhook", why)
	}
	if why := withoutAuthority(&objects[1]); why != "" {
		t.Errorf("it says %q of webhooks that are complete", why)
	}
}
