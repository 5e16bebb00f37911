// SPDX-License-Identifier: Apache-2.0

package dapr

import (
	"strings"
	"testing"

	daprv1alpha1 "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	"github.com/dapr/dapr/pkg/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8svalidation "k8s.io/apimachinery/pkg/util/validation"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/problem"
)

// FuzzComponentName: whatever a user calls a component, its Component has a name that Kubernetes takes and that no other component has.
func FuzzComponentName(f *testing.F) {
	f.Add("orders", "queue", "que-ue")
	f.Add("a-b", "c", "-c")
	f.Add("orders", "Order_Store", "order-store")
	f.Add(strings.Repeat("f", 63), strings.Repeat("K", 300), "ä")
	f.Fuzz(func(t *testing.T, serving, key, other string) {
		if len(k8svalidation.IsDNS1123Label(serving)) > 0 {
			return // not the name of a Serving
		}
		name := mustName(t, serving, bindingsBlock, key)
		if problems := k8svalidation.IsDNS1123Label(name); len(problems) > 0 {
			t.Errorf("%q is no name: %v", name, problems)
		}
		if name != mustName(t, serving, bindingsBlock, key) {
			t.Error("the name changes")
		}
		if name == mustName(t, serving, pubsubBlock, key) {
			t.Errorf("%q is the name of a binding and of a pub/sub component", name)
		}
		// A key comes out of JSON, so only keys that are text can differ.
		if strings.ToValidUTF8(key, "�") != strings.ToValidUTF8(other, "�") && name == mustName(t, serving, bindingsBlock, other) {
			t.Errorf("%q is the name of %q and %q", name, key, other)
		}
	})
}

func mustName(t *testing.T, serving, block, key string) string {
	t.Helper()
	name, err := componentName(serving, block, key)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// FuzzAnnotations: whatever annotations say, either the Serving's use of Dapr has an app id and a protocol that Dapr takes, or the user is told
// what is wrong.
func FuzzAnnotations(f *testing.F) {
	f.Add("function", "standalone", "true", "grpc", "shop", "9000")
	f.Add("Shared", "", "", "http", "", "x")
	f.Add("sidecar", "none", "false", "h2c", "A", "-1")
	f.Add("", "sidecar", " FALSE ", "", strings.Repeat("a", 59), "65536")
	f.Fuzz(func(t *testing.T, inject, service, enable, protocol, appID, port string) {
		s := &corev1beta2.Serving{ObjectMeta: metav1.ObjectMeta{Name: "orders", Namespace: "team"}}
		s.Spec.Bindings = map[string]*daprv1alpha1.ComponentSpec{"q": {Type: "bindings.cron"}}
		s.Spec.Triggers = &corev1beta2.Triggers{Dapr: []corev1beta2.DaprTrigger{{Name: "q"}}}
		s.Spec.Annotations = map[string]string{
			corev1beta2.InjectModeAnnotation: inject, corev1beta2.DaprServiceModeAnnotation: service, corev1beta2.EnableDaprAnnotation: enable,
			"dapr.io/app-protocol": protocol, "dapr.io/app-id": appID, "dapr.io/app-port": port, "dapr.io/grpc-port": port, "dapr.io/metrics-port": port,
		}
		use, err := Of(core.Input{Serving: s, ClusterDomain: "cluster.local"})
		if err != nil {
			if stalled, ok := problem.AsStalled(err); !ok || !strings.Contains(stalled.Message, "spec.serving.annotations") {
				t.Errorf("the user is not told what to do: %v", err)
			}
			return
		}
		if !use.Enabled() {
			return
		}
		if err := validation.ValidateKubernetesAppID(use.AppID()); err != nil || use.AppProtocol() == "" {
			t.Errorf("app id %q, protocol %q: %v", use.AppID(), use.AppProtocol(), err)
		}
		if _, err := use.Objects(); err != nil {
			if _, ok := problem.AsStalled(err); !ok {
				t.Errorf("the user is not told what to do: %v", err)
			}
		}
		for _, variable := range use.Env() {
			if strings.HasSuffix(variable.Name, "_PORT") && (variable.Value == "" || variable.Value == "0" || variable.Value[0] == '-') {
				t.Errorf("%s is %q", variable.Name, variable.Value)
			}
		}
	})
}

// FuzzPlugins: what is not YAML of the right form is an error, and never a crash; what is, is read twice alike.
func FuzzPlugins(f *testing.F) {
	f.Add("order: [a, b]\npre: [c]", "enabled: true\nprovider: {name: skywalking, oapServer: \"oap:11800\"}")
	f.Add("", "")
	f.Add("[", "tags:\n- func: a")
	f.Add("order: &a [x]\npre: *a", "enabled: yes")
	f.Fuzz(func(t *testing.T, plugins, tracing string) {
		frameworks, err := ParseFrameworks(map[string]string{pluginsKey: plugins, tracingKey: tracing})
		if err != nil {
			if _, ok := problem.AsStalled(err); !ok {
				t.Errorf("the operator is not told what to do: %v", err)
			}
			return
		}
		s := &corev1beta2.Serving{}
		s.Spec.Annotations = map[string]string{pluginsKey: plugins, pluginsTracingKey: tracing}
		if _, _, err := Contexts(core.Input{Serving: s, Frameworks: frameworks}); err != nil {
			t.Errorf("the ConfigMap takes what the annotations do not: %v", err)
		}
	})
}
