// SPDX-License-Identifier: Apache-2.0

package v1beta1_test

import (
	"errors"
	"math/rand"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	corev1beta1 "github.com/openfunction/openfunction/apis/core/v1beta1"
	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/apis/internal/carry"
)

// Each case edits the v1beta1 view of an object that v1beta1 cannot hold as a whole.
func TestEditsOfAView(t *testing.T) {
	for _, c := range []struct {
		name, because string
		stored        string
		edit          func(*corev1beta1.FunctionSpec)
		want          string
	}{{
		name: "PortOfAnEngine", because: "v1beta1 knows the port, and neither engine nor requestTimeout",
		stored: `{serving: {triggers: {http: {port: 8080, engine: keda, requestTimeout: 30s}}, scaleOptions: {concurrency: 5}}}`,
		edit:   func(f *corev1beta1.FunctionSpec) { f.Port = ptr.To[int32](9000) },
		want:   `{serving: {triggers: {http: {port: 9000, engine: keda, requestTimeout: 30s}}, scaleOptions: {concurrency: 5}}}`,
	}, {
		name: "QuotedPort", because: "the quotes are carried, the number is shown",
		stored: `{serving: {triggers: {http: {port: "8080", engine: keda}}}}`,
		edit:   func(f *corev1beta1.FunctionSpec) { f.Port = ptr.To[int32](9000) },
		want:   `{serving: {triggers: {http: {port: 9000, engine: keda}}}}`,
	}, {
		name: "ReplicasThatWin", because: "httpScaledObject's own numbers win over minReplicas, so they may not stay as they were",
		stored: `{serving: {triggers: {http: {}}, scaleOptions: {minReplicas: 1, keda: {httpScaledObject: {minReplicaCount: 2, maxReplicaCount: 9, targetPendingRequests: 7}}}}}`,
		edit:   func(f *corev1beta1.FunctionSpec) { f.Serving.ScaleOptions.MinReplicas = ptr.To[int32](4) },
		want:   `{serving: {triggers: {http: {}}, scaleOptions: {minReplicas: 4, keda: {httpScaledObject: {maxReplicaCount: 9, targetPendingRequests: 7}}}}}`,
	}, {
		name: "Runtime", because: "an async function has no engine, and keeps what has nothing to do with HTTP",
		stored: `{serving: {triggers: {http: {port: 8080, engine: keda}}, dapr: {mode: Shared, replicas: 2}}}`,
		edit: func(f *corev1beta1.FunctionSpec) {
			f.Serving.Runtime, f.Port = corev1beta1.RuntimeAsync, nil
			f.Serving.Inputs = []corev1beta1.DaprIO{{Name: "in", Component: "kafka"}}
		},
		want: `{serving: {triggers: {dapr: [{name: kafka, inputName: in}]}, dapr: {mode: Shared, replicas: 2}}}`,
	}, {
		name: "HTTPBesideEvents", because: "v1beta1 shows the events only; the HTTP trigger stays beside them",
		stored: `{serving: {triggers: {http: {port: 9000}, dapr: [{name: kafka, type: bindings.kafka}]}}}`,
		edit: func(f *corev1beta1.FunctionSpec) {
			f.Serving.Inputs = append(f.Serving.Inputs, corev1beta1.DaprIO{Name: "more", Component: "mqtt"})
		},
		want: `{serving: {triggers: {http: {port: 9000}, dapr: [{name: kafka, type: bindings.kafka}, {name: mqtt, inputName: more}]}}}`,
	}, {
		name: "OneOfTheOutputs", because: "the types of outputs that stay are kept, in whatever form they are written",
		stored: `{serving: {outputs: [{dapr: {name: a, type: bindings.http}}, {name: b, component: c, operation: get}, {dapr: {name: d, type: bindings.mqtt}}]}}`,
		edit: func(f *corev1beta1.FunctionSpec) {
			f.Serving.Outputs = f.Serving.Outputs[1:]
			f.Serving.Outputs[1].Operation = "create"
		},
		want: `{serving: {outputs: [{name: b, component: c, operation: get}, {dapr: {name: d, type: bindings.mqtt, operation: create}}]}}`,
	}, {
		name: "SourceInTheObject", because: "v1beta1 has no field for source",
		stored: `{build: {builder: b, source: {inline: {main.go: package main}}, cache: None}}`,
		edit:   func(f *corev1beta1.FunctionSpec) { f.Build.Env = map[string]string{"FUNC_NAME": "Hello"} },
		want:   `{build: {builder: b, source: {inline: {main.go: package main}}, cache: None, env: {FUNC_NAME: Hello}}}`,
	}, {
		name: "BuildRemoved", because: "what belongs to a build goes with it",
		stored: `{build: {builder: b, source: {inline: {main.go: package main}}, cache: None}, serving: {tracing: {enabled: false, provider: {name: skywalking}}}}`,
		edit:   func(f *corev1beta1.FunctionSpec) { f.Build = nil },
		want:   `{serving: {tracing: {enabled: false, provider: {name: skywalking}}}}`,
	}, {
		name: "SecretParameters", because: "v1beta1 shows the plain ones only",
		stored: `{build: {builder: b, shipwright: {params: [{name: token, secretValue: {name: s, key: k}}, {name: plain, value: a}]}}}`,
		edit:   func(f *corev1beta1.FunctionSpec) { f.Build.Params["plain"] = "b" },
		want:   `{build: {builder: b, shipwright: {params: [{name: token, secretValue: {name: s, key: k}}, {name: plain, value: b}]}}}`,
	}, {
		name: "DaprMode", because: "v1beta1 says it with an annotation, over which the field would win",
		stored: `{serving: {triggers: {http: {}}, dapr: {mode: Sidecar}}}`,
		edit: func(f *corev1beta1.FunctionSpec) {
			f.Serving.Annotations[corev1beta2.InjectModeAnnotation] = "shared"
		},
		want: `{serving: {triggers: {http: {}}, dapr: {}, annotations: {dapr.io/inject-mode: shared}}}`,
	}, {
		name: "StateStores", because: "one that exists cannot be shown, and stays",
		stored: `{serving: {states: {exists: {}, made: {spec: {type: state.redis, version: v1, metadata: []}}}}}`,
		edit:   func(f *corev1beta1.FunctionSpec) { delete(f.Serving.States, "made") },
		want:   `{serving: {states: {exists: {}}}}`,
	}, {
		name: "TheLastPlainParameter", because: "the secret one is not shown, and stays",
		stored: `{build: {builder: b, shipwright: {params: [{name: token, secretValue: {name: s, key: k}}, {name: plain, value: a}]}}}`,
		edit:   func(f *corev1beta1.FunctionSpec) { f.Build.Params = nil },
		want:   `{build: {builder: b, shipwright: {params: [{name: token, secretValue: {name: s, key: k}}]}}}`,
	}} {
		t.Run(c.name, func(t *testing.T) {
			stored := &corev1beta2.Function{Spec: hubSpec(t, c.stored)}
			view, result := &corev1beta1.Function{}, &corev1beta2.Function{}
			convertFrom(t, view, stored)
			c.edit(&view.Spec)
			convertTo(t, view, result)
			if difference := cmp.Diff(tree(t, hubSpec(t, c.want)), tree(t, result.Spec)); difference != "" {
				t.Errorf("%s (-want +got):\n%s", c.because, difference)
			}
		})
	}
}

func hubSpec(t *testing.T, text string) (spec corev1beta2.FunctionSpec) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(text), &spec); err != nil {
		t.Fatal(err)
	}
	spec.Image = "example.com/fn:v1"
	return spec
}

// Hooks and tracing are annotations in v1beta1; an edit of either version shows in the other.
func TestPluginsAreOneThingInBothVersions(t *testing.T) {
	stored := &corev1beta2.Function{Spec: hubSpec(t, `{serving: {hooks: {pre: [a], policy: Append}, tracing: {enabled: true, provider: {name: skywalking, oapServer: "oap:1"}}}}`)}
	view, result := &corev1beta1.Function{}, &corev1beta2.Function{}
	convertFrom(t, view, stored)
	if got, want := view.Annotations["plugins"], "pre:\n- a\n"; got != want {
		t.Errorf("plugins is %q, not %q", got, want)
	}
	view.Annotations["plugins"] = "pre: [a, b]"
	view.Annotations["plugins.tracing"] = strings.Replace(view.Annotations["plugins.tracing"], "oap:1", "oap:2", 1)
	convertTo(t, view, result)
	want := hubSpec(t, `{serving: {hooks: {pre: [a, b], policy: Append}, tracing: {enabled: true, provider: {name: skywalking, oapServer: "oap:2"}}}}`)
	if difference := cmp.Diff(tree(t, want), tree(t, result.Spec)); difference != "" {
		t.Errorf("(-want +got):\n%s", difference)
	}
}

// What cannot be carried is still shown, and cannot be overwritten by who does not see it.
func TestAPartThatIsTooLargeIsNotLost(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	source := make([]byte, 2*carry.MaxText)
	for i := range source {
		source[i] = byte('0' + random.Intn(70))
	}
	stored := &corev1beta2.Function{Spec: hubSpec(t, `{build: {builder: b}}`)}
	stored.Spec.Build.Source = &corev1beta2.Source{Inline: map[string]string{"data": string(source)}}
	view := &corev1beta1.Function{}
	convertFrom(t, view, stored)
	if got := *view.Spec.Build.Builder; got != "b" {
		t.Errorf("the view shows builder %q", got)
	}
	if size := len(view.Annotations[corev1beta1.ConversionAnnotation]); size > 100 {
		t.Errorf("%d bytes are carried", size)
	}
	if err := view.ConvertTo(&corev1beta2.Function{}); !errors.Is(err, carry.ErrLeftOut) {
		t.Errorf("writing the view back: %v", err)
	}

	stored.Spec.Build.Source.Inline["data"] = strings.Repeat("some text that can be compressed\n", 15_000)
	convertFrom(t, view, stored)
	after := &corev1beta2.Function{}
	convertTo(t, view, after)
	same(t, 0, stored, after)

	written := &corev1beta1.Function{Spec: corev1beta1.FunctionSpec{Serving: &corev1beta1.ServingImpl{Runtime: corev1beta1.RuntimeAsync}}}
	written.Spec.Serving.Inputs = []corev1beta1.DaprIO{{Name: "a", Component: "b", Params: map[string]string{"data": string(source)}}}
	if err := written.ConvertTo(&corev1beta2.Function{}); !errors.Is(err, carry.ErrTooLarge) {
		t.Errorf("writing more than can be carried: %v", err)
	}
}

// Anybody may write the annotation. Whatever it holds, an object can be read.
func TestAnyTextIsSurvived(t *testing.T) {
	view, stored := &corev1beta1.Function{}, &corev1beta2.Function{Spec: hubSpec(t, `{serving: {triggers: {http: {port: 1}}}}`)}
	for n, text := range []string{
		`{"version":"v1beta2","changes":[{"path":"/spec/serving/triggers/http/port","was":"0","now":{}}]}`,
		`{"version":"v1beta2","changes":[{"path":"/spec/serving/triggers/http/requestTimeout","now":7}]}`,
		`{"version":"v1beta2","changes":[{"path":"/spec/serving/outputs","now":"none"}]}`,
		`{"version":"v1beta2","changes":[{"path":"","now":null}]}`,
		`{"version":"v1beta2","changes":[{"path":"/spec","now":null},{"path":"/nowhere/at/all","now":1}]}`,
		`{"version":"v1beta2","changes":[{"path":"/spec/serving/triggers/dapr","now":{"entries":[],"order":{}}}]}`,
		`{"version":"v1beta2","of":"` + strconv.Itoa(7) + `","text":"x"}`,
		`{"version":"v1beta1","leftOut":true}`,
		`{"version":"v1beta2","changes":[{"path":"/spec/serving/scaleOptions","now":{"keda":{"scaledObject":{"advanced":{"horizontalPodAutoscalerConfig":{"behavior":{"scaleUp":{"tolerance":"1e-999999999"}}}}}}}}]}`,
		`{"version":"v1beta2","changes":[{"path":"/spec/serving/scaleOptions","now":{"keda":{"scaledObject":{"advanced":{"horizontalPodAutoscalerConfig":{"behavior":{"scaleUp":{"tolerance":1e-999999999}}}}}}}}]}`,
		"gzip:H4sI", "[]", "null", "\x00",
	} {
		convertFrom(t, view, stored)
		want := tree(t, stored.Spec)
		view.Annotations = map[string]string{corev1beta1.ConversionAnnotation: text}
		result := &corev1beta2.Function{}
		convertTo(t, view, result)
		if difference := cmp.Diff(want, tree(t, result.Spec)); difference != "" {
			t.Errorf("text %d changes the object (-want +got):\n%s", n, difference)
		}
		stored.Annotations = map[string]string{corev1beta1.ConversionAnnotation: text}
		convertFrom(t, view, stored)
		stored.Annotations = nil
	}
}
