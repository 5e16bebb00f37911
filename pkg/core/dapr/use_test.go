// SPDX-License-Identifier: Apache-2.0

package dapr_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/dapr"
	"github.com/openfunction/openfunction/pkg/core/serving/podspec"
	"github.com/openfunction/openfunction/pkg/problem"
	"github.com/openfunction/openfunction/test/golden"
)

// servingOf has a spec in YAML.
func servingOf(t *testing.T, spec string) *corev1beta2.Serving {
	t.Helper()
	s := &corev1beta2.Serving{ObjectMeta: metav1.ObjectMeta{Name: "orders", Namespace: "team"}}
	golden.Decode(t, []byte(spec), &s.Spec)
	return s
}

func inputOf(s *corev1beta2.Serving) core.Input {
	return core.Input{Serving: s, ClusterDomain: "cluster.local", Components: map[string]string{
		"queue": "bindings.rabbitmq", "topics": "pubsub.redis", "store": "state.redis", "vault": "secretstores.vault"}}
}

func TestWhereDaprRuns(t *testing.T) {
	const event = `triggers: {dapr: [{name: queue}]}, `
	for _, test := range []struct {
		name, because, spec string
		enabled             bool
		mode                corev1beta2.DaprMode
		agent, shared       bool
		token               bool
	}{
		{"Nothing", "an HTTP function needs no Dapr", `{}`, false, "", false, false, false},
		{"Trigger", "events come from Dapr", `{triggers: {dapr: [{name: queue}]}}`, true, "Function", true, false, true},
		{"Input", "inputs are read through Dapr", `{triggers: {inputs: [{name: store}]}}`, true, "Function", true, false, true},
		{"HTTPInput", "the other place for inputs", `{triggers: {http: {inputs: [{name: store}]}}}`, true, "Function", true, false, true},
		{"Output", "outputs go through Dapr, and the agent needs a token", `{outputs: [{dapr: {name: queue}}]}`, true, "Function", true, false, true},
		{"State", "states are Dapr's", `{states: {store: {}}}`, true, "Function", true, false, true},
		{"Binding", "a declared component is made for use", `{bindings: {q: {type: bindings.cron}}}`, true, "Function", true, false, true},
		{"Pubsub", "a declared component is made for use", `{pubsub: {q: {type: pubsub.redis}}}`, true, "Function", true, false, true},
		{"AskedFor", "whoever chooses a mode wants Dapr", `{dapr: {mode: Sidecar}}`, true, "Sidecar", false, false, false},
		{"AskedForBySeed", "as the seed's sample does", `{annotations: {dapr.io/inject-mode: function}}`, true, "Function", true, false, true},
		{"NotAskedFor", "the established annotation chooses a mode only", `{annotations: {openfunction.io/dapr-service-mode: sidecar}}`, false, "", false, false, false},
		{"On", "the annotation turns it on", `{annotations: {openfunction.io/enable-dapr: "true"}}`, true, "Function", true, false, true},
		{"OnByAnything", "any value but false has always meant on", `{annotations: {openfunction.io/enable-dapr: ""}}`, true, "Function", true, false, true},
		{"Off", "the annotation wins over the spec", `{` + event + `annotations: {openfunction.io/enable-dapr: " False"}}`, false, "", false, false, false},
		{"Standalone", "the established default", `{` + event + `annotations: {openfunction.io/dapr-service-mode: standalone}}`, true, "Function", true, false, true},
		{"Sidecar", "established", `{` + event + `annotations: {openfunction.io/dapr-service-mode: sidecar}}`, true, "Sidecar", false, false, true},
		{"UsersOwn", "established: any other value is neither", `{` + event + `annotations: {openfunction.io/dapr-service-mode: none}}`, true, "", false, false, false},
		{"SeedWins", "the seeds' annotation is the newer one", `{` + event + `annotations: {openfunction.io/dapr-service-mode: none, dapr.io/inject-mode: Shared}}`,
			true, "Shared", false, true, true},
		{"FieldWins", "the field wins over both", `{` + event + `dapr: {mode: Function}, annotations: {openfunction.io/dapr-service-mode: sidecar, dapr.io/inject-mode: shared}}`,
			true, "Function", true, false, true},
		{"FieldWithoutMode", "a field that is silent wins over nothing", `{` + event + `dapr: {replicas: 2}, annotations: {dapr.io/inject-mode: sidecar}}`,
			true, "Sidecar", false, false, true},
		{"SharedOutputs", "nobody calls the function", `{dapr: {mode: Shared}, outputs: [{dapr: {name: queue}}]}`, true, "Shared", false, true, false},
		{"OwnToken", "the user brings the token", `{` + event + `annotations: {dapr.io/app-token-secret: mine}}`, true, "Function", true, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := servingOf(t, test.spec)
			use, err := dapr.Of(inputOf(s))
			if err != nil {
				t.Fatal(err)
			}
			if use.Enabled() != test.enabled || use.Mode() != test.mode || use.HasAgent() != test.agent || dapr.IsShared(s) != test.shared {
				t.Errorf("%s: enabled %v, mode %q, agent %v, shared %v", test.because, use.Enabled(), use.Mode(), use.HasAgent(), dapr.IsShared(s))
			}
			if needs := dapr.NeedsToken(s); needs != test.token {
				t.Errorf("%s: token %v", test.because, needs)
			}
			if _, needs := dapr.Needs(s); needs != test.enabled {
				t.Errorf("%s: Dapr is needed: %v", test.because, needs)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	const notFound, invalid = corev1beta2.ComponentNotFoundReason, corev1beta2.InvalidSpecReason
	for _, test := range []struct {
		name, because, spec, reason string
		// says are what the message must name: component, field, and what to do.
		says []string
	}{
		{"Trigger", "it is neither declared nor there", `{triggers: {dapr: [{name: queue}, {name: gone}]}}`, notFound, []string{`"gone"`, "spec.serving.triggers.dapr[1].name", "create it"}},
		{"TriggerWithType", "a type does not make a component", `{triggers: {dapr: [{name: gone, type: bindings.cron}]}}`, notFound, []string{`"gone"`, "triggers.dapr[0].name"}},
		{"Input", "inputs too", `{triggers: {inputs: [{dapr: {name: gone}}]}}`, notFound, []string{`"gone"`, "spec.serving.triggers.inputs[0].dapr.name"}},
		{"HTTPInput", "both places", `{triggers: {http: {inputs: [{name: gone}]}}}`, notFound, []string{`"gone"`, "spec.serving.triggers.http.inputs[0].name"}},
		{"Output", "outputs too", `{outputs: [{dapr: {name: gone}}]}`, notFound, []string{`"gone"`, "spec.serving.outputs[0].dapr.name"}},
		{"PlainOutput", "in both ways of writing", `{outputs: [{name: out, component: gone}]}`, notFound, []string{`"gone"`, "spec.serving.outputs[0].component"}},
		{"State", "a state without spec refers to a Component", `{states: {gone: {}}}`, notFound, []string{`"gone"`, `spec.serving.states["gone"]`}},
		{"OtherType", "the spec contradicts the cluster", `{triggers: {dapr: [{name: queue, type: bindings.kafka}]}}`, invalid,
			[]string{"spec.serving.triggers.dapr[0].type", `"bindings.kafka"`, `"bindings.rabbitmq"`, "leave it out"}},
		{"OtherDeclaredType", "the spec contradicts itself", `{triggers: {dapr: [{name: q, type: bindings.kafka}]}, bindings: {q: {type: bindings.cron}}}`, invalid,
			[]string{"spec.serving.triggers.dapr[0].type", `"bindings.cron"`}},
		{"StateAsTrigger", "a state store calls nobody", `{triggers: {http: {}, dapr: [{name: store}]}}`, invalid,
			[]string{"spec.serving.triggers.dapr[0].name", `"store"`, "state.redis", "spec.serving.states"}},
		{"StatesAsOnlyTriggers", "then nothing calls the function", `{triggers: {dapr: [{name: store, type: state.redis}]}}`, invalid, []string{"spec.serving.triggers.dapr", "add a trigger"}},
		{"StateAsOutput", "a state store takes no output", `{outputs: [{dapr: {name: store, type: state.redis}}]}`, invalid, []string{"spec.serving.outputs[0].dapr.name", "state.redis", "spec.serving.states"}},
		{"BindingAsState", "a binding stores nothing", `{states: {queue: {}}}`, invalid, []string{`spec.serving.states["queue"]`, "bindings.rabbitmq"}},
		{"NeitherOfThem", "functions know three building blocks", `{triggers: {inputs: [{name: vault}]}}`, invalid, []string{"spec.serving.triggers.inputs[0].name", "secretstores.vault"}},
		{"NoTopic", "admission cannot know that the component is pub/sub", `{triggers: {dapr: [{name: topics}]}}`, invalid, []string{"spec.serving.triggers.dapr[0].topic", "set the topic"}},
		{"NoTopicToSendTo", "as for triggers", `{outputs: [{name: out, component: topics}]}`, invalid, []string{"spec.serving.outputs[0].topic"}},
		{"PubsubAmongBindings", "it would be called by the wrong name", `{bindings: {q: {type: pubsub.redis}}}`, invalid, []string{`spec.serving.bindings["q"].type`, `"pubsub.redis"`, "bindings."}},
		{"BindingAmongPubsub", "likewise", `{pubsub: {q: {type: bindings.redis}}}`, invalid, []string{`spec.serving.pubsub["q"].type`, "pubsub."}},
		{"BindingAmongStates", "likewise", `{states: {q: {spec: {type: bindings.redis}}}}`, invalid, []string{`spec.serving.states["q"].type`, "state."}},
		{"Empty", "there is nothing to make", `{bindings: {q: null}}`, invalid, []string{`spec.serving.bindings["q"]`, "type"}},
		{"InjectMode", "a typing error must not choose a mode", `{annotations: {dapr.io/inject-mode: sidcar}}`, invalid, []string{"dapr.io/inject-mode", `"sidcar"`, "function, sidecar or shared"}},
		{"AppProtocol", "Dapr has no such protocol", `{annotations: {dapr.io/app-protocol: mqtt, dapr.io/inject-mode: sidecar}}`, invalid, []string{"dapr.io/app-protocol", `"mqtt"`, "h2c"}},
		{"AgentProtocol", "the agent knows two", `{annotations: {dapr.io/app-protocol: grpcs, dapr.io/inject-mode: function}}`, invalid, []string{"dapr.io/app-protocol", "grpc or http"}},
		{"AppID", "it becomes a host name", `{annotations: {dapr.io/app-id: My_App, dapr.io/inject-mode: function}}`, invalid, []string{"dapr.io/app-id", `"My_App"`, "58"}},
		{"Plugins", "it is no YAML", `{annotations: {plugins: "pre: ["}}`, invalid, []string{`annotations["plugins"]`}},
		{"Tracing", "there is no such provider", `{annotations: {plugins.tracing: "{enabled: true, provider: {name: jaeger}}"}}`, invalid, []string{`annotations["plugins.tracing"]`, "jaeger"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := inputOf(servingOf(t, test.spec))
			_, err := podspec.Function(in)
			stalled, ok := problem.AsStalled(err)
			if !ok || stalled.Reason != test.reason {
				t.Fatalf("%s: %v", test.because, err)
			}
			for _, part := range test.says {
				if !strings.Contains(stalled.Message, part) {
					t.Errorf("the message does not say %s: %s", part, stalled.Message)
				}
			}
		})
	}
}

func TestBadDaprdAnnotation(t *testing.T) {
	use, err := dapr.Of(inputOf(servingOf(t, `{dapr: {mode: Shared}, annotations: {dapr.io/log-level: loud}}`)))
	if err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func() error{
		"Objects":    func() error { _, err := use.Objects(); return err },
		"Invocation": func() error { _, err := use.Invocation(); return err },
	} {
		if stalled, ok := problem.AsStalled(make()); !ok || stalled.Reason != corev1beta2.InvalidSpecReason || !strings.Contains(stalled.Message, "dapr.io/log-level") {
			t.Errorf("%s: %v", name, stalled)
		}
	}
}

func TestWithoutDaprNothingIsMissed(t *testing.T) {
	s := servingOf(t, `{triggers: {dapr: [{name: gone}]}, outputs: [{dapr: {name: store}}], annotations: {openfunction.io/enable-dapr: "false", dapr.io/inject-mode: what}}`)
	use, err := dapr.Of(inputOf(s))
	if err != nil {
		t.Fatal(err)
	}
	if objects, err := use.Objects(); err != nil || len(objects) > 0 || use.Env() != nil || dapr.References(s) != nil {
		t.Errorf("objects %v, %v; environment %v; references %v", objects, err, use.Env(), dapr.References(s))
	}
	if _, err := podspec.Function(inputOf(s)); err != nil {
		t.Error(err)
	}
}

func TestReferences(t *testing.T) {
	s := servingOf(t, `
triggers:
  dapr: [{name: queue}, {name: own-topics, topic: a}, {name: own-binding}]
  inputs: [{dapr: {name: store}}]
  http: {inputs: [{name: other}, {name: own-store}]}
outputs: [{dapr: {name: queue}}, {name: mails, component: smtp}]
bindings: {own-binding: {type: bindings.cron}}
pubsub: {own-topics: {type: pubsub.redis}}
states: {own-store: {spec: {type: state.redis}}, their-store: {}}`)
	if diff := cmp.Diff([]string{"other", "queue", "smtp", "store", "their-store"}, dapr.References(s)); diff != "" {
		t.Error(diff)
	}
}

func TestAppID(t *testing.T) {
	long := strings.Repeat("f", 63)
	for _, test := range []struct{ name, because, serving, function, namespace, own, want string }{
		{"Function", "the established one", "orders", "orders", "team", "", "orders-team"},
		{"Alone", "a Serving that stands alone", "orders", "", "team", "", "orders-team"},
		{"Own", "the user's wins", "orders", "orders", "team", "shop", "shop"},
		{"Longest", "58 characters fit", strings.Repeat("f", 53), "", "team", "", strings.Repeat("f", 53) + "-team"},
		{"Long", "Dapr adds -dapr and makes a Service of it", long, "", "team", "", strings.Repeat("f", 47) + "-7cb89891b4"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &corev1beta2.Serving{ObjectMeta: metav1.ObjectMeta{Name: test.serving, Namespace: test.namespace}}
			if test.function != "" {
				s.Labels = map[string]string{corev1beta2.FunctionLabel: test.function}
			}
			if test.own != "" {
				s.Spec.Annotations = map[string]string{"dapr.io/app-id": test.own}
			}
			if got := dapr.AppID(s); got != test.want {
				t.Errorf("%s: got %s, want %s", test.because, got, test.want)
			}
		})
	}
}

func TestAChangedComponentRestartsDaprd(t *testing.T) {
	annotation := func(spec, existing string) string {
		in := inputOf(servingOf(t, spec))
		in.Components["queue"] = existing
		use, err := dapr.Of(in)
		if err != nil {
			t.Fatal(err)
		}
		return use.PodAnnotations()["openfunction.io/dapr-components"]
	}
	const spec = `{dapr: {mode: Sidecar}, outputs: [{dapr: {name: queue}}], bindings: {q: {type: bindings.cron, metadata: [{name: schedule, value: "@every 1s"}]}}, params: {A: b}}`
	before := annotation(spec, "bindings.kafka")
	for _, test := range []struct {
		name, because, spec, existing string
		changes                       bool
	}{
		{"Same", "nothing is other", spec, "bindings.kafka", false},
		{"Param", "it is not daprd's", strings.Replace(spec, "A: b", "A: c", 1), "bindings.kafka", false},
		{"Metadata", "daprd must read it", strings.Replace(spec, "1s", "2s", 1), "bindings.kafka", true},
		{"Existing", "it is another component now", spec, "bindings.redis", true},
	} {
		if after := annotation(test.spec, test.existing); (after != before) != test.changes {
			t.Errorf("%s: %s: from %s to %s", test.name, test.because, before, after)
		}
	}
}
