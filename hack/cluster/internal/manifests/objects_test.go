package manifests

import (
	"slices"
	"strings"
	"testing"
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
