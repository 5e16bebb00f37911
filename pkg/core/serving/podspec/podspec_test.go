// SPDX-License-Identifier: Apache-2.0

package podspec_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/serving/podspec"
	"github.com/openfunction/openfunction/test/golden"
)

// inputOf has a spec in YAML.
func inputOf(t *testing.T, spec string) core.Input {
	t.Helper()
	s := &corev1beta2.Serving{ObjectMeta: metav1.ObjectMeta{Name: "orders", Namespace: "team"}}
	golden.Decode(t, []byte(spec), &s.Spec)
	return core.Input{Serving: s, ClusterDomain: "cluster.local", TokenVersion: "1", Components: map[string]string{"queue": "bindings.rabbitmq"}}
}

func TestLabels(t *testing.T) {
	in := inputOf(t, `{version: v1, labels: {team: web, app.kubernetes.io/version: mine, openfunction.io/serving: other, openfunction.io/run: other, openfunction.io/managed: "no"}}`)
	want := map[string]string{"team": "web", "app.kubernetes.io/version": "mine", "openfunction.io/managed": "no",
		"openfunction.io/serving": "orders", "openfunction.io/run": "knative"}
	if diff := cmp.Diff(want, podspec.Labels(in, "knative")); diff != "" {
		t.Errorf("the user's labels win, except over those by which the workload is found: %s", diff)
	}
}

func TestAnnotations(t *testing.T) {
	const event = `triggers: {dapr: [{name: queue}]}, `
	for _, test := range []struct {
		name, because, spec string
		want                map[string]string
	}{
		{"Nothing", "a function without Dapr has the user's only", `{annotations: {a: b}}`, map[string]string{"a": "b"}},
		{"UsersOwnSidecar", "a Dapr app of the user's own stays one", `{annotations: {dapr.io/enabled: "true"}}`, map[string]string{"dapr.io/enabled": "true"}},
		{"TurnedOff", "then no sidecar either", `{annotations: {dapr.io/enabled: "true", openfunction.io/enable-dapr: "false"}}`,
			map[string]string{"dapr.io/enabled": "false", "openfunction.io/enable-dapr": "false"}},
		{"NothingToTurnOff", "what is not there stays away", `{annotations: {openfunction.io/enable-dapr: "false"}}`, map[string]string{"openfunction.io/enable-dapr": "false"}},
		{"Function", "the function's pod has no sidecar, whatever the user says", `{` + event + `annotations: {dapr.io/enabled: "true", a: b}}`,
			map[string]string{"dapr.io/enabled": "false", "openfunction.io/app-token-version": "1", "a": "b"}},
		{"OutputsOnly", "a function that takes no events has no token", `{outputs: [{dapr: {name: queue}}]}`, map[string]string{"dapr.io/enabled": "false"}},
		{"Sidecar", "the user wins over what is established", `{` + event + `dapr: {mode: Sidecar}, annotations: {dapr.io/enabled: "false", dapr.io/log-as-json: "false"}}`,
			map[string]string{"dapr.io/enabled": "true", "dapr.io/app-id": "orders-team", "dapr.io/log-as-json": "false", "dapr.io/app-protocol": "grpc",
				"dapr.io/app-port": "8080", "dapr.io/sidecar-seccomp-profile-type": "RuntimeDefault", "dapr.io/app-token-secret": "orders--app-token", "openfunction.io/app-token-version": "1",
				"openfunction.io/dapr-components": "143eb95acd"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := podspec.Annotations(inputOf(t, test.spec))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.because, diff)
			}
		})
	}
}

func TestEnvironmentOrder(t *testing.T) {
	const tracing = `tracing: {enabled: true, provider: {name: skywalking, oapServer: "oap:1"}}, params: {ZED: z, ALPHA: a}, `
	const http, event = `triggers: {http: {}}, outputs: [{dapr: {name: queue}}]`, `triggers: {dapr: [{name: queue}]}`
	always := []string{"SW_AGENT_COLLECTOR_BACKEND_SERVICES", "SW_AGENT_NAME", "SW_AGENT_NAMESPACE", "SW_AGENT_KEEP_TRACING",
		"FUNC_CONTEXT", "FUNC_CONTEXT_V1BETA2", "ALPHA", "ZED", "POD_NAME", "POD_NAMESPACE"}
	withDapr := append([]string{"APP_PROTOCOL"}, always...)
	remote := append(slices.Clip(withDapr), "DAPR_HOST", "DAPR_SIDECAR_IP", "DAPR_GRPC_PORT", "DAPR_HTTP_PORT")
	for _, test := range []struct {
		name, because, spec string
		want                []string
	}{
		{"WithoutDapr", "nothing of Dapr's", `{` + tracing + `triggers: {http: {}}}`, always},
		{"Keda", "engine keda has it all too", `{` + tracing + `triggers: {http: {engine: keda}}}`, always},
		{"HTTP", "a function that takes no events needs no token", `{` + tracing + http + `}`, remote},
		{"Events", "events come with a token", `{` + tracing + event + `}`, append(slices.Clip(remote), "APP_API_TOKEN")},
		{"Shared", "as in mode Function", `{` + tracing + event + `, dapr: {mode: Shared}}`, append(slices.Clip(remote), "APP_API_TOKEN")},
		{"Sidecar", "Dapr's injector says where daprd is", `{` + tracing + event + `, dapr: {mode: Sidecar}}`, append(slices.Clip(withDapr), "APP_API_TOKEN")},
		{"UsersOwn", "the user's first, in his order", `{` + event + `, template: {containers: [{name: function, env: [{name: POD_NAME, value: x}, {name: DAPR_HOST, value: "z"}]}]}}`,
			[]string{"POD_NAME", "DAPR_HOST", "APP_PROTOCOL", "FUNC_CONTEXT", "FUNC_CONTEXT_V1BETA2", "POD_NAMESPACE", "DAPR_SIDECAR_IP", "DAPR_GRPC_PORT",
				"DAPR_HTTP_PORT", "APP_API_TOKEN"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			pod, err := podspec.Function(inputOf(t, test.spec))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, variable := range pod.Containers[0].Env {
				got = append(got, variable.Name)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.because, diff)
			}
		})
	}
}

func TestPort(t *testing.T) {
	for _, test := range []struct {
		name, because, spec, port string
		number                    int32
	}{
		{"Knative", "Knative needs no name", `{triggers: {http: {port: 9000}}}`, "", 9000},
		{"Keda", "established", `{triggers: {http: {engine: keda}}}`, "function-port", 8080},
		{"Async", "established", `{triggers: {dapr: [{name: queue}]}}`, "function-port", 8080},
		{"EventsThroughHTTP", "gRPC must get through what serves HTTP", `{triggers: {http: {}, dapr: [{name: queue}]}}`, "h2c", 8080},
		{"HTTPEvents", "events are HTTP requests here", `{triggers: {http: {}, dapr: [{name: queue}]}, annotations: {dapr.io/app-protocol: http}}`, "", 8080},
		{"Sidecar", "events come from the same pod", `{triggers: {http: {}, dapr: [{name: queue}]}, dapr: {mode: Sidecar}}`, "", 8080},
		{"UsersOwn", "the user's stays as it is", `{triggers: {dapr: [{name: queue}]}, template: {containers: [{name: function, ports: [{name: mine, containerPort: 7000}]}]}}`, "mine", 7000},
	} {
		t.Run(test.name, func(t *testing.T) {
			pod, err := podspec.Function(inputOf(t, test.spec))
			if err != nil {
				t.Fatal(err)
			}
			if ports := pod.Containers[0].Ports; len(ports) != 1 || ports[0].Name != test.port || ports[0].ContainerPort != test.number {
				t.Errorf("%s: %+v", test.because, ports)
			}
		})
	}
}
