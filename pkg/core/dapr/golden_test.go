// SPDX-License-Identifier: Apache-2.0

package dapr_test

import (
	"encoding/json"
	"flag"
	"io"
	"slices"
	"strings"
	"testing"

	daprv1alpha1 "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	"github.com/dapr/dapr/pkg/injector/annotations"
	"github.com/dapr/dapr/pkg/injector/patcher"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/openfunction/openfunction/agent"
	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/dapr"
	"github.com/openfunction/openfunction/pkg/core/serving/podspec"
	"github.com/openfunction/openfunction/test/golden"
)

// surroundings is the second document of a case: what the cluster has besides the Serving.
type surroundings struct {
	Components   map[string]string `json:"components"`
	Frameworks   map[string]string `json:"frameworks"`
	TokenVersion string            `json:"tokenVersion"`
	Trust        struct {
		Anchors string `json:"anchors"`
		Domain  string `json:"domain"`
	} `json:"trust"`
}

// TestGolden makes what every Function and Serving of testdata/*.in.yaml needs of Dapr, and then its pod.
func TestGolden(t *testing.T) {
	golden.Run(t, func(t *testing.T, documents [][]byte) []client.Object {
		in := input(t, documents)
		before := text(t, in.Serving)
		objects := made(t, in)
		if again := made(t, in); text(t, objects) != text(t, again) {
			t.Error("equal inputs gave different bytes")
		}
		if after := text(t, in.Serving); after != before {
			t.Errorf("the Serving was changed from %s to %s", before, after)
		}
		for _, object := range objects {
			checkObject(t, in, object)
		}
		return objects
	})
}

// input reads a case.
func input(t *testing.T, documents [][]byte) core.Input {
	t.Helper()
	var world surroundings
	if len(documents) > 1 {
		golden.Decode(t, documents[1], &world)
	}
	frameworks, err := dapr.ParseFrameworks(world.Frameworks)
	if err != nil {
		t.Fatal(err)
	}
	return core.Input{
		Serving:       serving(t, documents[0]),
		ClusterDomain: "cluster.local",
		Settings: core.ServingSettings{AgentImage: "registry.example.com/openfunction/agent:v2", DaprdImage: "registry.example.com/daprio/daprd:1.18.2",
			DaprNamespace: "dapr-system", PlatformNamespace: "openfunction"},
		Frameworks:   frameworks,
		Components:   world.Components,
		TokenVersion: world.TokenVersion,
		Trust:        core.Trust{Anchors: world.Trust.Anchors, Domain: world.Trust.Domain},
	}
}

// serving reads a Serving, or the one a Function has.
func serving(t *testing.T, document []byte) *corev1beta2.Serving {
	t.Helper()
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(document, &kind); err != nil {
		t.Fatal(err)
	}
	if kind.Kind == "Serving" {
		s := &corev1beta2.Serving{}
		golden.Decode(t, document, s)
		return s
	}
	f := &corev1beta2.Function{}
	golden.Decode(t, document, f)
	return &corev1beta2.Serving{
		ObjectMeta: metav1.ObjectMeta{Name: f.Name, Namespace: f.Namespace, Labels: map[string]string{corev1beta2.FunctionLabel: f.Name}},
		Spec: corev1beta2.ServingSpec{ServingImpl: *f.Spec.Serving, Version: f.Spec.Version, Image: f.Spec.Image,
			ImageCredentials: f.Spec.ImageCredentials},
	}
}

// made returns the objects of Dapr, and the function's pod as the runs make it.
func made(t *testing.T, in core.Input) []client.Object {
	t.Helper()
	use, err := dapr.Of(in)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := use.Objects()
	if err != nil {
		t.Fatal(err)
	}
	if invocation, err := use.Invocation(); err != nil {
		t.Fatal(err)
	} else if invocation != nil {
		objects = append(objects, invocation)
	}
	pod, err := podspec.Function(in)
	if err != nil {
		t.Fatal(err)
	}
	podAnnotations, err := podspec.Annotations(in)
	if err != nil {
		t.Fatal(err)
	}
	objects = append(objects, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Labels: podspec.Labels(in, "run"), Annotations: podAnnotations}, Spec: pod,
	})
	for _, object := range objects {
		setKind(object)
	}
	return objects
}

// setKind makes the files readable.
func setKind(object client.Object) {
	switch object := object.(type) {
	case *daprv1alpha1.Component:
		object.SetGroupVersionKind(dapr.ComponentKind)
	case *appsv1.Deployment:
		object.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("Deployment"))
	case *appsv1.DaemonSet:
		object.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("DaemonSet"))
	case *corev1.Service:
		object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Service"))
	case *corev1.Pod:
		object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	}
}

// checkObject holds what must be true of every object, whatever the case.
func checkObject(t *testing.T, in core.Input, object client.Object) {
	t.Helper()
	switch object := object.(type) {
	case *daprv1alpha1.Component:
		if len(object.Scopes) != 1 || object.Scopes[0] != dapr.AppID(in.Serving) || object.Spec.Metadata == nil {
			t.Errorf("Component %s: scopes %v, metadata %v", object.Name, object.Scopes, object.Spec.Metadata)
		}
	case *appsv1.Deployment:
		checkProxy(t, in, object.Spec.Selector, object.Spec.Template)
	case *appsv1.DaemonSet:
		checkProxy(t, in, object.Spec.Selector, object.Spec.Template)
	}
}

// checkProxy asks the agent itself whether it understands its command line, and sees to it that Dapr's injector leaves a shared daprd alone.
func checkProxy(t *testing.T, in core.Input, selector *metav1.LabelSelector, template corev1.PodTemplateSpec) {
	t.Helper()
	if _, isFunction := template.Labels[corev1beta2.ServingLabel]; isFunction {
		t.Error("the pods would be taken for those of the function")
	}
	for key, value := range selector.MatchLabels {
		if template.Labels[key] != value {
			t.Errorf("the selector wants %s=%s, which the pods do not have", key, value)
		}
	}
	if dapr.IsShared(in.Serving) {
		if template.Annotations[annotations.KeyEnabled] != "" {
			t.Error("Dapr would add a second daprd")
		}
		return
	}
	checkInjected(t, template)
	for _, container := range template.Spec.Containers {
		flags := flag.NewFlagSet("agent", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		if _, err := agent.ParseConfig(flags, container.Args, func(string) (string, bool) { return "", false }); err != nil {
			t.Errorf("the agent refuses %s: %v", strings.Join(container.Args, " "), err)
		}
	}
}

// checkInjected asks Dapr's injector what it reads from the annotations of the agent's pod.
func checkInjected(t *testing.T, template corev1.PodTemplateSpec) {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
	sidecar := patcher.NewSidecarConfig(pod)
	sidecar.SetFromPodAnnotations()
	if _, err := sidecar.GetPatch(); err != nil || !sidecar.NeedsPatching() {
		t.Errorf("Dapr would not add daprd: %v", err)
	}
	for key := range template.Annotations {
		if understood := sidecar.StringAll(); strings.HasPrefix(key, "dapr.io/") && !strings.Contains(understood, key+": ") {
			t.Errorf("Dapr's injector does not know the annotation %s", key)
		}
	}
	for _, port := range template.Spec.Containers[0].Ports {
		if slices.Contains([]int32{sidecar.SidecarHTTPPort, sidecar.SidecarPublicPort, sidecar.SidecarAPIGRPCPort, sidecar.SidecarInternalGRPCPort,
			sidecar.SidecarMetricsPort}, port.ContainerPort) {
			t.Errorf("daprd and the agent both want port %d", port.ContainerPort)
		}
	}
	if sidecar.AppPort != 8080 || sidecar.SidecarListenAddresses != "0.0.0.0" || sidecar.AppTokenSecret == "" {
		t.Errorf("daprd would be at odds with the agent: %s", sidecar.StringAll())
	}
}

func text(t *testing.T, value any) string {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}
