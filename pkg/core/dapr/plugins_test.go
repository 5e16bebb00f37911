// SPDX-License-Identifier: Apache-2.0

package dapr_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core/dapr"
	"github.com/openfunction/openfunction/pkg/problem"
)

// ofPlugins is what the two contexts say of plugins and tracing.
type ofPlugins struct {
	PrePlugins     []string                   `json:"prePlugins"`
	PostPlugins    []string                   `json:"postPlugins"`
	PluginsTracing *corev1beta2.TracingConfig `json:"pluginsTracing"`
	PreHooks       []string                   `json:"preHooks"`
	PostHooks      []string                   `json:"postHooks"`
	Tracing        *corev1beta2.TracingConfig `json:"tracing"`
}

func pluginsOf(t *testing.T, spec string, config map[string]string) ofPlugins {
	t.Helper()
	in := inputOf(servingOf(t, spec))
	var err error
	if in.Frameworks, err = dapr.ParseFrameworks(config); err != nil {
		t.Fatal(err)
	}
	v1beta1, v1beta2, err := dapr.Contexts(in)
	if err != nil {
		t.Fatal(err)
	}
	var got ofPlugins
	for _, context := range []string{v1beta1, v1beta2} {
		if err := json.Unmarshal([]byte(context), &got); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

func TestHooks(t *testing.T) {
	list := func(names string) []string {
		if names == "" {
			return nil
		}
		return strings.Split(names, " ")
	}
	const all = `{pre: [g1, g2], post: [g3]}`
	for _, test := range []struct {
		name, because, spec     string
		config                  map[string]string
		pre, post               string
		preHooks, postHooksWant string
	}{
		{"None", "nothing is set", `{}`, nil, "", "", "", ""},
		{"Global", "functions without hooks have the platform's", `{}`, map[string]string{"hooks": all}, "g1 g2", "g3", "g1 g2", "g3"},
		{"GlobalOldKey", "the older key still counts", `{}`, map[string]string{"plugins": `order: [a, b]`}, "a b", "b a", "a b", "b a"},
		{"GlobalBothKeys", "the newer key wins", `{}`, map[string]string{"hooks": all, "plugins": `order: [a, b]`}, "g1 g2", "g3", "g1 g2", "g3"},
		{"Append", "the platform's are around the function's", `{hooks: {pre: [f1], post: [f2], policy: Append}}`, map[string]string{"hooks": all}, "g1 g2 f1", "f2 g3", "g1 g2 f1", "f2 g3"},
		{"AppendByDefault", "an empty policy is Append", `{hooks: {pre: [f1]}}`, map[string]string{"hooks": all}, "g1 g2 f1", "g3", "g1 g2 f1", "g3"},
		{"Override", "only the function's", `{hooks: {pre: [f1], post: [f2], policy: Override}}`, map[string]string{"hooks": all}, "f1", "f2", "f1", "f2"},
		{"OverrideWithNothing", "none at all", `{hooks: {policy: Override}}`, map[string]string{"hooks": all}, "", "", "", ""},
		{"Annotation", "it has always replaced the platform's", `{annotations: {plugins: "pre: [a]\npost: [b]"}}`, map[string]string{"hooks": all}, "a", "b", "a", "b"},
		{"AnnotationOrder", "order stands for both, and pre replaces one", `{annotations: {plugins: "order: [a, b]\npre: [c]"}}`, nil, "c", "b a", "c", "b a"},
		{"AnnotationAndSpec", "each context has its own first source", `{hooks: {pre: [f1]}, annotations: {plugins: "pre: [a]"}}`, map[string]string{"hooks": all}, "a", "", "g1 g2 f1", "g3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := pluginsOf(t, test.spec, test.config)
			want := ofPlugins{PrePlugins: list(test.pre), PostPlugins: list(test.post), PreHooks: list(test.preHooks), PostHooks: list(test.postHooksWant)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.because, diff)
			}
		})
	}
}

func TestTracing(t *testing.T) {
	const all = `{enabled: true, provider: {name: opentelemetry, exporter: {name: otlp, endpoint: "http://all", headers: a=b, compression: gzip, timeout: 10s, protocol: grpc}},
  tags: {cluster: one, layer: all}, baggage: {key: all}}`
	for _, test := range []struct {
		name, because, spec string
		config              map[string]string
		want                string
	}{
		{"None", "nothing is set", `{}`, nil, `null`},
		{"Global", "functions without tracing have the platform's", `{}`, map[string]string{"tracing": `{enabled: true, provider: {name: skywalking, oapServer: "oap:1"}}`},
			`{"enabled":true,"provider":{"name":"skywalking","oapServer":"oap:1"}}`},
		{"GlobalOff", "the platform may have settings and not use them", `{}`, map[string]string{"tracing": `{enabled: false, provider: {name: skywalking}}`}, `null`},
		{"Off", "the function may turn it off", `{tracing: {enabled: false, provider: {name: skywalking}}}`, map[string]string{"tracing": all}, `null`},
		{"Own", "the function's alone", `{tracing: {enabled: true, provider: {name: skywalking, oapServer: "oap:1"}, tags: {a: b}}}`, nil,
			`{"enabled":true,"provider":{"name":"skywalking","oapServer":"oap:1"},"tags":{"a":"b"}}`},
		{"Completed", "what the function leaves out is the platform's", `{tracing: {enabled: true, provider: {name: opentelemetry}, tags: {layer: own}}}`, map[string]string{"tracing": all},
			`{"enabled":true,"provider":{"name":"opentelemetry","exporter":{"name":"otlp","endpoint":"http://all","headers":"a=b","compression":"gzip","timeout":"10s","protocol":"grpc"}},` +
				`"tags":{"cluster":"one","layer":"own"},"baggage":{"key":"all"}}`},
		{"ExporterCompleted", "down to the fields of the exporter",
			`{tracing: {enabled: true, provider: {name: opentelemetry, exporter: {name: otlphttp, endpoint: "http://own"}}}}`, map[string]string{"plugins.tracing": all},
			`{"enabled":true,"provider":{"name":"opentelemetry","exporter":{"name":"otlphttp","endpoint":"http://own","headers":"a=b","compression":"gzip","timeout":"10s","protocol":"grpc"}},` +
				`"tags":{"cluster":"one","layer":"all"},"baggage":{"key":"all"}}`},
		{"Nobody", "there is nobody to send traces to", `{annotations: {plugins.tracing: "enabled: true"}}`, nil, `null`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := pluginsOf(t, test.spec, test.config)
			var want *corev1beta2.TracingConfig
			if err := json.Unmarshal([]byte(test.want), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got.Tracing); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.because, diff)
			}
			if diff := cmp.Diff(want, got.PluginsTracing); diff != "" {
				t.Errorf("%s, in the older context (-want +got):\n%s", test.because, diff)
			}
			if want != nil && (len(got.PrePlugins) != 1 || len(got.PostPlugins) != 1 || got.PrePlugins[0] != want.Provider.Name) {
				t.Errorf("tracing is not among the plugins: %v, %v", got.PrePlugins, got.PostPlugins)
			}
		})
	}
}

func TestTracingByAnnotationIsNotCompletedInTheOlderContext(t *testing.T) {
	got := pluginsOf(t, `{annotations: {plugins.tracing: "{enabled: true, provider: {name: skywalking}}"}}`,
		map[string]string{"tracing": `{enabled: true, provider: {name: skywalking, oapServer: "oap:1"}}`})
	if got.PluginsTracing.Provider.OapServer != "" || got.Tracing.Provider.OapServer != "oap:1" {
		t.Errorf("%+v, %+v", got.PluginsTracing.Provider, got.Tracing.Provider)
	}
}

func TestParseFrameworksNamesTheKey(t *testing.T) {
	for key, value := range map[string]string{"hooks": "pre: [", "plugins": "- a", "tracing": "enabled: maybe", "plugins.tracing": "{enabled: true, provider: {name: zipkin}}"} {
		_, err := dapr.ParseFrameworks(map[string]string{key: value})
		stalled, ok := problem.AsStalled(err)
		if !ok || !strings.Contains(stalled.Message, `"`+key+`"`) || !strings.Contains(stalled.Message, "openfunction-config") {
			t.Errorf("%s: %v", key, err)
		}
	}
}
