// SPDX-License-Identifier: Apache-2.0

package v1beta2_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// bases are valid objects that the fragments of the tables are merged into.
var bases = map[string]string{
	"Function": `{apiVersion: core.openfunction.io/v1beta2, kind: Function, metadata: {name: fn, namespace: default},
		spec: {image: example.com/fn:v1}}`,
	"Builder": `{apiVersion: core.openfunction.io/v1beta2, kind: Builder, metadata: {name: fb, namespace: default},
		spec: {image: example.com/fn:v1, builder: example.com/builder:v1, srcRepo: {url: "https://example.com/repo.git"}}}`,
	"Serving": `{apiVersion: core.openfunction.io/v1beta2, kind: Serving, metadata: {name: sv, namespace: default},
		spec: {image: example.com/fn:v1}}`,
}

// object returns the base object of a kind with a fragment of YAML merged into it.
func object(kind, fragment string) *unstructured.Unstructured {
	GinkgoHelper()
	base, err := yaml.YAMLToJSON([]byte(strings.ReplaceAll(bases[kind], "\t", " ")))
	Expect(err).NotTo(HaveOccurred())
	patch, err := yaml.YAMLToJSON([]byte(fragment))
	Expect(err).NotTo(HaveOccurred(), fragment)
	merged, err := jsonpatch.MergePatch(base, patch)
	Expect(err).NotTo(HaveOccurred(), fragment)
	o := &unstructured.Unstructured{}
	Expect(o.UnmarshalJSON(merged)).To(Succeed())
	return o
}

// admit asks the API server to judge an object as strictly as kubectl does, without keeping it.
func admit(ctx context.Context, o client.Object) error {
	return cp.Client.Create(ctx, o, client.DryRunAll, client.FieldValidation("Strict"))
}

// built wraps a fragment of spec.build so that the rest of the build is valid.
func built(fragment string) string {
	return `{spec: {build: {builder: example.com/builder:v1, srcRepo: {url: "https://example.com/repo.git"}, ` + fragment + `}}}`
}

func served(fragment string) string    { return `{spec: {serving: {` + fragment + `}}}` }
func rolled(steps string) string       { return served(`rollout: {steps: [` + steps + `]}`) }
func scaled(fragment string) string    { return served(`scaleOptions: {` + fragment + `}`) }
func keda(fragment string) string      { return scaled(`keda: {` + fragment + `}`) }
func triggered(fragment string) string { return served(`triggers: {` + fragment + `}`) }
func http(fragment string) string      { return triggered(`http: {` + fragment + `}`) }

func behavior(direction, fragment string) string {
	return keda(`scaledObject: {advanced: {horizontalPodAutoscalerConfig: {behavior: {` + direction + `: {` + fragment + `}}}}}`)
}

const (
	component = `{type: bindings.kafka, version: v1, metadata: []}`
	sixty4    = "a123456789012345678901234567890123456789012345678901234567890123"
)

// refused collects what the API server said in the tables, for the check that every rule was broken once.
var refused strings.Builder

var _ = Describe("Admission", Ordered, func() {
	DescribeTable("refuses what cannot work and says how to mend it",
		func(ctx context.Context, kind, good, bad, path, message string) {
			Expect(admit(ctx, object(kind, good))).To(Succeed())
			err := admit(ctx, object(kind, bad))
			Expect(err).To(MatchError(And(ContainSubstring(path+": "), ContainSubstring(message))))
			refused.WriteString(err.Error())
		},
		// Function
		Entry("build or serving is required", "Function", served(``), `{}`, "spec.serving", "build or serving must be set"),
		Entry("image is required", "Function", served(``), `{spec: {serving: {}, image: null}}`, "spec.image", "Required value"),
		Entry("image is not empty", "Function", served(``), `{spec: {serving: {}, image: ""}}`, "spec.image", "image must be an image reference"),
		Entry("image is a reference", "Function", `{spec: {serving: {}, image: "localhost:5000/a/b__c:v1.0@sha256:`+strings.Repeat("a", 64)+`"}}`,
			`{spec: {serving: {}, image: "example.com/Hello World"}}`, "spec.image", "image must be an image reference"),
		Entry("push credentials are named", "Function", `{spec: {imageCredentials: {name: push}, build: {builder: b, srcRepo: {url: "git@example.com:a/b"}}}}`,
			`{spec: {imageCredentials: {}, build: {builder: b, srcRepo: {url: "git@example.com:a/b"}}}}`, "spec.imageCredentials.name", "imageCredentials.name must not be empty"),
		Entry("workloadRuntime is known", "Function", `{spec: {serving: {}, workloadRuntime: wasmedge}}`,
			`{spec: {serving: {}, workloadRuntime: jvm}}`, "spec.workloadRuntime", "must be OCIContainer or WasmEdge"),
		Entry("version is a label value", "Function", `{spec: {serving: {}, version: v1.0.0}}`, `{spec: {serving: {}, version: "v1/0"}}`, "spec.version", "version must be a valid label value"),
		Entry("name fits a label", "Function", `{metadata: {name: `+sixty4[:63]+`}, spec: {serving: {}}}`, `{metadata: {name: `+sixty4+`}, spec: {serving: {}}}`,
			"metadata.name", "because it becomes a label and a host name"),
		Entry("name of a served function has no dot", "Function", `{metadata: {name: a.b}, spec: {build: {builder: b, srcRepo: {url: "ssh://git@example.com/a"}}}}`,
			`{metadata: {name: a.b}, spec: {serving: {}}}`, "metadata.name", "must not contain a dot"),
		Entry("name of an HTTP function begins with a letter", "Function", `{metadata: {name: 1st}, spec: {serving: {triggers: {dapr: [{name: a}]}}}}`,
			`{metadata: {name: 1st}, spec: {serving: {}}}`, "metadata.name", "must begin with a letter"),
		Entry("name is no child's", "Function", `{metadata: {name: a-http}, spec: {serving: {}}}`, `{metadata: {name: a--http}, spec: {serving: {}}}`,
			"metadata.name", "must not end in --agent"),
		Entry("name is not what Knative makes of a child's", "Function", `{metadata: {name: a--knative-00001-public}, spec: {serving: {}}}`,
			`{metadata: {name: a--knative-00001-private}, spec: {serving: {}}}`, "metadata.name", "must not end in --agent"),
		Entry("name may have two dashes", "Function", `{metadata: {name: a--b--https}, spec: {serving: {}}}`, `{metadata: {name: a--b--canary}, spec: {serving: {}}}`,
			"metadata.name", "use - in place of --"),

		Entry("rollbackTo counts from 1", "Function", `{spec: {serving: {}, rollbackTo: 1}}`, `{spec: {serving: {}, rollbackTo: 0}}`, "spec.rollbackTo", "should be greater than or equal to 1"),
		Entry("rollbackTo is about serving", "Function", `{spec: {serving: {}, rollbackTo: 1}}`, `{spec: {rollbackTo: 1, build: {builder: b, srcRepo: {url: "git@example.com:a/b"}}}}`,
			"spec.rollbackTo", "rollbackTo is about what is served"),
		Entry("history has a limit", "Function", `{spec: {serving: {}, revisionHistoryLimit: 100}}`, `{spec: {serving: {}, revisionHistoryLimit: 101}}`,
			"spec.revisionHistoryLimit", "should be less than or equal to 100"),
		Entry("rollout has steps", "Function", rolled(`{percent: 10}`), rolled(``), "spec.serving.rollout.steps", "should have at least 1 items"),
		Entry("rollout goes up", "Function", rolled(`{percent: 1}, {percent: 10, pause: 1m}, {percent: 99}`), rolled(`{percent: 50}, {percent: 10}`),
			"spec.serving.rollout.steps", "steps must go up"),
		Entry("rollout does not repeat itself", "Function", rolled(`{percent: 10}, {percent: 50}`), rolled(`{percent: 50}, {percent: 50}`), "spec.serving.rollout.steps", "steps must go up"),
		Entry("a step is a share", "Function", rolled(`{percent: 99}`), rolled(`{percent: 100}`), "spec.serving.rollout.steps[0].percent", "should be less than or equal to 99"),
		Entry("a step that pauses takes time", "Function", rolled(`{percent: 9, pause: 1h30m}`), rolled(`{percent: 9, pause: 0s}`), "spec.serving.rollout.steps[0].pause", "pause must be a duration above 0"),

		// Function: build
		Entry("builder or dockerfile is required", "Function", `{spec: {build: {dockerfile: Dockerfile, srcRepo: {url: "git://example.com/a"}}}}`,
			`{spec: {build: {srcRepo: {url: "git://example.com/a"}}}}`, "spec.build.builder", "builder, dockerfile or taskRef must be set"),
		Entry("a Task needs no builder", "Function", `{spec: {build: {taskRef: {name: t}, srcRepo: {url: "git://example.com/a"}}}}`,
			`{spec: {build: {builder: "", dockerfile: "", srcRepo: {url: "git://example.com/a"}}}}`, "spec.build.builder", "builder, dockerfile or taskRef must be set"),
		Entry("builder is a reference", "Function", built(`builder: "openfunction/builder-go:latest"`), built(`builder: "builder go"`), "spec.build.builder", "builder must be an image reference"),
		Entry("source is required", "Function", `{spec: {build: {builder: b, source: {inline: {main.go: x}}}}}`, `{spec: {build: {builder: b}}}`, "spec.build.srcRepo", "srcRepo or source must be set"),
		Entry("one source only", "Function", built(`srcRepo: null, source: {inline: {main.go: x}}`), built(`source: {inline: {main.go: x}}`), "spec.build.source", "srcRepo and source must not both be set"),
		Entry("a Task and a Dockerfile do not go together", "Function", built(`taskRef: {name: t}`), built(`taskRef: {name: t}, dockerfile: Dockerfile`), "spec.build.taskRef", "taskRef and dockerfile must not both be set"),
		Entry("a Task and a strategy do not go together", "Function", built(`taskRef: {name: t}, shipwright: {}`), built(`taskRef: {name: t}, shipwright: {strategy: {name: ko}}`), "spec.build.taskRef", "taskRef and shipwright.strategy must not both be set"),
		Entry("url or bundle is required", "Function", built(`srcRepo: {bundleContainer: {image: example.com/src:v1}}`), built(`srcRepo: {revision: main}`), "spec.build.srcRepo.url", "url or bundleContainer must be set"),
		Entry("url is a git address", "Function", built(`srcRepo: {url: "http://example.com/a"}`), built(`srcRepo: {url: "ftp://example.com/a"}`), "spec.build.srcRepo.url", "url must be a git address"),
		Entry("bundle is a reference", "Function", built(`srcRepo: {bundleContainer: {image: "example.com/src"}}`), built(`srcRepo: {bundleContainer: {image: "a b"}}`), "spec.build.srcRepo.bundleContainer.image", "image must be an image reference"),
		Entry("sub-path stays inside", "Function", built(`srcRepo: {url: "http://a/b", sourceSubPath: functions/a..b/}`), built(`srcRepo: {url: "http://a/b", sourceSubPath: a/../../b}`), "spec.build.srcRepo.sourceSubPath", "sourceSubPath must stay inside the repository"),
		Entry("Dockerfile stays inside", "Function", built(`dockerfile: docker/Dockerfile`), built(`dockerfile: ../Dockerfile`), "spec.build.dockerfile", "dockerfile must stay inside the source folder"),
		Entry("inline names are clean", "Function", built(`srcRepo: null, source: {inline: {cmd/.hidden/main.go: x}}`), built(`srcRepo: null, source: {inline: {../main.go: x}}`), "spec.build.source.inline", "names in inline must be relative paths"),
		Entry("inline names are relative", "Function", built(`srcRepo: null, source: {inline: {a.b/c: x}}`), built(`srcRepo: null, source: {inline: {/etc/passwd: x}}`), "spec.build.source.inline", "names in inline must be relative paths"),
		Entry("inline is small", "Function", built(`srcRepo: null, source: {inline: {a: `+strings.Repeat("x", 262144)+`, b: `+strings.Repeat("x", 262144)+`}}`),
			built(`srcRepo: null, source: {inline: {a: `+strings.Repeat("x", 262144)+`, b: `+strings.Repeat("x", 262145)+`}}`), "spec.build.source.inline", "must not be over 512 KiB together"),
		Entry("inline is not empty", "Function", built(`srcRepo: null, source: {inline: {a: ""}}`), built(`srcRepo: null, source: {inline: {}}`), "spec.build.source.inline", "should have at least 1 properties"),
		Entry("build timeout is not negative", "Function", built(`timeout: 0s`), built(`timeout: -1s`), "spec.build.timeout", "timeout must be a duration that is not negative"),
		Entry("build timeout is a duration", "Function", built(`timeout: 1h30m`), built(`timeout: 5 minutes`), "spec.build.timeout", "timeout must be a duration that is not negative"),
		Entry("builderMaxAge is not negative", "Function", built(`builderMaxAge: 72h`), built(`builderMaxAge: -1h`), "spec.build.builderMaxAge", "builderMaxAge must be a duration"),
		Entry("history limit of successes", "Function", built(`successfulBuildsHistoryLimit: 0`), built(`successfulBuildsHistoryLimit: -1`), "spec.build.successfulBuildsHistoryLimit", "greater than or equal to 0"),
		Entry("history limit of failures", "Function", built(`failedBuildsHistoryLimit: 0`), built(`failedBuildsHistoryLimit: -1`), "spec.build.failedBuildsHistoryLimit", "greater than or equal to 0"),
		Entry("strategy kind", "Function", built(`shipwright: {strategy: {name: a, kind: ClusterBuildStrategy}}`), built(`shipwright: {strategy: {name: a, kind: Task}}`), "spec.build.shipwright.strategy.kind", `"BuildStrategy", "ClusterBuildStrategy"`),
		Entry("strategy timeout", "Function", built(`shipwright: {timeout: 5m}`), built(`shipwright: {timeout: -5m}`), "spec.build.shipwright.timeout", "timeout must be a duration"),
		Entry("cache is known", "Function", built(`cache: None`), built(`cache: Volume`), "spec.build.cache", `"Registry", "None"`),

		// Function: triggers
		Entry("port is a number", "Function", http(`port: "8080"`), http(`port: web`), "spec.serving.triggers.http.port", "port must be a number from 1 to 65535"),
		Entry("port is small enough", "Function", http(`port: 65535`), http(`port: 65536`), "spec.serving.triggers.http.port", "port must be a number from 1 to 65535"),
		Entry("port 0 is the default, a negative one is not", "Function", http(`port: 0`), http(`port: -1`), "spec.serving.triggers.http.port", "port must be a number from 1 to 65535"),
		Entry("quoted port is small enough", "Function", http(`port: "65535"`), http(`port: "65536"`), "spec.serving.triggers.http.port", "port must be a number from 1 to 65535"),
		Entry("engine is known", "Function", http(`engine: keda`), http(`engine: nginx`), "spec.serving.triggers.http.engine", `"knative", "keda"`),
		Entry("requestTimeout is positive", "Function", http(`requestTimeout: 30s`), http(`requestTimeout: 0s`), "spec.serving.triggers.http.requestTimeout", "requestTimeout must be a duration above 0"),
		Entry("knative has no httpScaledObject", "Function", served(`triggers: {http: {}}, scaleOptions: {keda: {httpScaledObject: {}}}`),
			served(`triggers: {http: {engine: knative}}, scaleOptions: {keda: {httpScaledObject: {}}}`), "spec.serving.triggers.http.engine", "engine knative does not use scaleOptions.keda.httpScaledObject"),
		Entry("gateway is named whole", "Function", http(`route: {gatewayRef: {name: a, namespace: b}}`), http(`route: {gatewayRef: {name: a}}`), "spec.serving.triggers.http.route.gatewayRef.namespace", "Required value"),
		Entry("dapr type", "Function", triggered(`dapr: [{name: a, type: bindings.kafka}]`), triggered(`dapr: [{name: a, type: kafka}]`), "spec.serving.triggers.dapr[0].type", "type must be a Dapr component type"),
		Entry("topic of a pub/sub trigger by type", "Function", triggered(`dapr: [{name: a, type: pubsub.redis, topic: t}]`), triggered(`dapr: [{name: a, type: pubsub.redis}]`), "spec.serving.triggers.dapr[0].topic", "a trigger of type pubsub needs a topic"),
		Entry("topic of a pub/sub trigger by declaration", "Function", served(`triggers: {dapr: [{name: a, topic: t}]}, pubsub: {a: `+component+`}`),
			served(`triggers: {dapr: [{name: a}]}, pubsub: {a: `+component+`}`), "spec.serving.triggers.dapr", "a trigger of a pub/sub component needs a topic"),
		Entry("triggers differ", "Function", triggered(`dapr: [{name: a, topic: t}, {name: a, topic: u}]`), triggered(`dapr: [{name: a, topic: t}, {name: a, topic: t}]`), "spec.serving.triggers.dapr", "must not name the same component and topic twice"),
		Entry("input in one form", "Function", triggered(`inputs: [{dapr: {name: a}}, {name: b, type: state.redis}]`), triggered(`inputs: [{dapr: {name: a}, name: b}]`), "spec.serving.triggers.inputs[0]", "exactly one of dapr and name must be set"),
		Entry("input not in neither form", "Function", http(`inputs: [{name: b}]`), http(`inputs: [{type: state.redis}]`), "spec.serving.triggers.http.inputs[0]", "exactly one of dapr and name must be set"),
		Entry("input forms do not mix", "Function", triggered(`inputs: [{dapr: {name: a, type: state.redis}}]`), triggered(`inputs: [{dapr: {name: a}, type: state.redis}]`), "spec.serving.triggers.inputs[0]", "type and topic belong inside dapr"),
		Entry("topic of a flat input", "Function", triggered(`inputs: [{name: a, type: pubsub.redis, topic: t}]`), triggered(`inputs: [{name: a, type: pubsub.redis}]`), "spec.serving.triggers.inputs[0].topic", "an input of type pubsub needs a topic"),
		Entry("topic of an input", "Function", triggered(`inputs: [{dapr: {name: a, type: pubsub.redis, topic: t}}]`), triggered(`inputs: [{dapr: {name: a, type: pubsub.redis}}]`), "spec.serving.triggers.inputs[0].dapr.topic", "an input of type pubsub needs a topic"),

		// Function: outputs and components
		Entry("output in one form", "Function", served(`outputs: [{dapr: {name: a}}, {name: a, component: b}]`), served(`outputs: [{dapr: {name: a}, name: a, component: b}]`), "spec.serving.outputs[0]", "exactly one of dapr and name with component must be set"),
		Entry("flat output is whole", "Function", served(`outputs: [{name: a, component: b}]`), served(`outputs: [{name: a}]`), "spec.serving.outputs[0].component", "name and component must both be set"),
		Entry("output forms do not mix", "Function", served(`outputs: [{dapr: {name: a, operation: create}}]`), served(`outputs: [{dapr: {name: a}, operation: create}]`), "spec.serving.outputs[0]", "topic, params and operation belong inside dapr"),
		Entry("topic of an output by type", "Function", served(`outputs: [{dapr: {name: a, type: pubsub.x, topic: t}}]`), served(`outputs: [{dapr: {name: a, type: pubsub.x}}]`), "spec.serving.outputs[0].dapr.topic", "an output of type pubsub needs a topic"),
		Entry("topic of an output by declaration", "Function", served(`outputs: [{dapr: {name: a, topic: t}}], pubsub: {a: `+component+`}`), served(`outputs: [{dapr: {name: a}}], pubsub: {a: `+component+`}`), "spec.serving.outputs", "an output to a pub/sub component needs a topic"),
		Entry("topic of a flat output by declaration", "Function", served(`outputs: [{name: o, component: a, topic: t}], pubsub: {a: `+component+`}`), served(`outputs: [{name: o, component: a}], pubsub: {a: `+component+`}`), "spec.serving.outputs", "an output to a pub/sub component needs a topic"),
		Entry("a name in bindings and pubsub", "Function", served(`bindings: {a: `+component+`}, pubsub: {b: `+component+`}`), served(`bindings: {a: `+component+`}, pubsub: {a: `+component+`}`), "spec.serving.pubsub", "declared in both bindings and pubsub"),
		Entry("a name in bindings and states", "Function", served(`bindings: {a: `+component+`}, states: {b: {}}`), served(`bindings: {a: `+component+`}, states: {a: {}}`), "spec.serving.states", "declared in both bindings and states"),
		Entry("a name in pubsub and states", "Function", served(`pubsub: {a: `+component+`}, states: {b: {spec: `+component+`}}`), served(`pubsub: {a: `+component+`}, states: {a: {}}`), "spec.serving.states", "declared in both pubsub and states"),
		Entry("workloadType is known", "Function", served(`workloadType: StatefulSet`), served(`workloadType: DaemonSet`), "spec.serving.workloadType", `"Deployment", "StatefulSet", "Job"`),
		Entry("daprd's strategy is for mode Shared", "Function", served(`dapr: {mode: Shared, strategy: DaemonSet}`), served(`dapr: {mode: Sidecar, strategy: DaemonSet}`), "spec.serving.dapr.strategy", "strategy is for mode Shared only"),
		Entry("replicas of daprd do not fit a DaemonSet", "Function", served(`dapr: {mode: Shared, replicas: 2}`), served(`dapr: {mode: Shared, strategy: DaemonSet, replicas: 2}`), "spec.serving.dapr.replicas", "replicas does not fit mode Sidecar or strategy DaemonSet"),
		Entry("replicas of daprd do not fit a sidecar", "Function", served(`dapr: {replicas: 2}`), served(`dapr: {mode: Sidecar, replicas: 2}`), "spec.serving.dapr.replicas", "replicas does not fit mode Sidecar or strategy DaemonSet"),
		Entry("the Dapr mode is known", "Function", served(`dapr: {mode: Function}`), served(`dapr: {mode: Pod}`), "spec.serving.dapr.mode", `"Function", "Sidecar", "Shared"`),
		Entry("hooks.policy is known", "Function", served(`hooks: {policy: Override}`), served(`hooks: {policy: Replace}`), "spec.serving.hooks.policy", `"Append", "Override"`),
		Entry("tracing provider is known", "Function", served(`tracing: {enabled: true, provider: {name: opentelemetry}}`), served(`tracing: {enabled: true, provider: {name: zipkin}}`), "spec.serving.tracing.provider.name", `"skywalking", "opentelemetry"`),
		Entry("serving timeout", "Function", served(`timeout: 5m`), served(`timeout: "-5m"`), "spec.serving.timeout", "timeout must be a duration that is not negative"),
		Entry("template has containers", "Function", served(`template: {containers: [{name: function}]}`), served(`template: {}`), "spec.serving.template.containers", "Required value"),

		Entry("a port fits its Go type", "Function", served(`template: {containers: [{name: function, livenessProbe: {tcpSocket: {port: 65535}}}]}`),
			served(`template: {containers: [{name: function, livenessProbe: {tcpSocket: {port: 99999999999}}}]}`), "livenessProbe.tcpSocket.port", "less than or equal to 2147483647"),
		Entry("a quantity can be computed", "Function", served(`template: {containers: [{name: function, resources: {limits: {memory: 99999999999, cpu: 1e3}}}]}`),
			served(`template: {containers: [{name: function, resources: {limits: {cpu: "1e-99999999999"}}}]}`), "resources.limits.cpu", "should match"),

		// Function: scale options
		Entry("min is at most max", "Function", scaled(`minReplicas: 5, maxReplicas: 5`), scaled(`minReplicas: 6, maxReplicas: 5`), "spec.serving.scaleOptions.minReplicas", "lower minReplicas or raise maxReplicas"),
		Entry("min is at most the default max", "Function", scaled(`minReplicas: 10`), scaled(`minReplicas: 11`), "spec.serving.scaleOptions.minReplicas", "lower minReplicas or raise maxReplicas"),
		Entry("min is not negative", "Function", scaled(`minReplicas: 0`), scaled(`minReplicas: -1`), "spec.serving.scaleOptions.minReplicas", "greater than or equal to 0"),
		Entry("max is not negative", "Function", scaled(`maxReplicas: 0`), scaled(`maxReplicas: -1`), "spec.serving.scaleOptions.maxReplicas", "greater than or equal to 0"),
		Entry("concurrency is within bounds", "Function", scaled(`concurrency: 1000`), scaled(`concurrency: 1001`), "spec.serving.scaleOptions.concurrency", "less than or equal to 1000"),
		Entry("one kind of KEDA object", "Function", keda(`scaledJob: {}`), keda(`scaledJob: {}, httpScaledObject: {}`), "spec.serving.scaleOptions.keda", "at most one of scaledObject, scaledJob and httpScaledObject"),
		Entry("KEDA trigger has metadata", "Function", keda(`triggers: [{type: kafka, metadata: {topic: t}}]`), keda(`triggers: [{type: kafka, metadata: {}}]`), "spec.serving.scaleOptions.keda.triggers", "metadata of each KEDA trigger must not be empty"),
		Entry("KEDA trigger has a type", "Function", keda(`triggers: [{type: cpu, metadata: {value: "50"}}]`), keda(`triggers: [{type: "", metadata: {a: b}}]`), "spec.serving.scaleOptions.keda.triggers[0].type", "at least 1 chars"),
		Entry("scaledObject min is at most max", "Function", keda(`scaledObject: {minReplicaCount: 1, maxReplicaCount: 1}`), keda(`scaledObject: {minReplicaCount: 2, maxReplicaCount: 1}`), "spec.serving.scaleOptions.keda.scaledObject.minReplicaCount", "minReplicaCount must not be greater than maxReplicaCount"),
		Entry("httpScaledObject min is at most max", "Function", keda(`httpScaledObject: {minReplicaCount: 100}`), keda(`httpScaledObject: {minReplicaCount: 101}`), "spec.serving.scaleOptions.keda.httpScaledObject.minReplicaCount", "minReplicaCount must not be greater than maxReplicaCount"),
		Entry("httpScaledObject target", "Function", keda(`httpScaledObject: {targetPendingRequests: 0}`), keda(`httpScaledObject: {targetPendingRequests: -1}`), "spec.serving.scaleOptions.keda.httpScaledObject.targetPendingRequests", "greater than or equal to 0"),
		Entry("httpScaledObject cooldown", "Function", keda(`httpScaledObject: {cooldownPeriod: 0}`), keda(`httpScaledObject: {cooldownPeriod: -1}`), "spec.serving.scaleOptions.keda.httpScaledObject.cooldownPeriod", "greater than or equal to 0"),
		Entry("scaledObject polling", "Function", keda(`scaledObject: {pollingInterval: 0}`), keda(`scaledObject: {pollingInterval: -1}`), "spec.serving.scaleOptions.keda.scaledObject.pollingInterval", "greater than or equal to 0"),
		Entry("scaledObject cooldown", "Function", keda(`scaledObject: {cooldownPeriod: 0}`), keda(`scaledObject: {cooldownPeriod: -1}`), "spec.serving.scaleOptions.keda.scaledObject.cooldownPeriod", "greater than or equal to 0"),
		Entry("fallback threshold", "Function", keda(`scaledObject: {fallback: {failureThreshold: 1, replicas: 0}}`), keda(`scaledObject: {fallback: {failureThreshold: 0, replicas: 0}}`), "spec.serving.scaleOptions.keda.scaledObject.fallback.failureThreshold", "failureThreshold must be at least 1"),
		Entry("fallback replicas", "Function", keda(`scaledObject: {fallback: {failureThreshold: 1, replicas: 3}}`), keda(`scaledObject: {fallback: {failureThreshold: 1, replicas: -1}}`), "spec.serving.scaleOptions.keda.scaledObject.fallback.replicas", "greater than or equal to 0"),
		Entry("scale up window", "Function", behavior("scaleUp", `stabilizationWindowSeconds: 3600`), behavior("scaleUp", `stabilizationWindowSeconds: 3601`), "behavior.scaleUp.stabilizationWindowSeconds", "stabilizationWindowSeconds of scaleUp must be from 0 to 3600"),
		Entry("scale down window", "Function", behavior("scaleDown", `stabilizationWindowSeconds: 0`), behavior("scaleDown", `stabilizationWindowSeconds: -1`), "behavior.scaleDown.stabilizationWindowSeconds", "stabilizationWindowSeconds of scaleDown must be from 0 to 3600"),
		Entry("scale up selection", "Function", behavior("scaleUp", `selectPolicy: Min`), behavior("scaleUp", `selectPolicy: Avg`), "behavior.scaleUp.selectPolicy", "selectPolicy of scaleUp must be Max, Min or Disabled"),
		Entry("scale down selection", "Function", behavior("scaleDown", `selectPolicy: Disabled`), behavior("scaleDown", `selectPolicy: Avg`), "behavior.scaleDown.selectPolicy", "selectPolicy of scaleDown must be Max, Min or Disabled"),
		Entry("scale up policy type", "Function", behavior("scaleUp", `policies: [{type: Pods, value: 1, periodSeconds: 15}]`), behavior("scaleUp", `policies: [{type: Nodes, value: 1, periodSeconds: 15}]`), "behavior.scaleUp.policies", "type of each policy of scaleUp must be Pods or Percent"),
		Entry("scale down policy type", "Function", behavior("scaleDown", `policies: [{type: Percent, value: 1, periodSeconds: 15}]`), behavior("scaleDown", `policies: [{type: Nodes, value: 1, periodSeconds: 15}]`), "behavior.scaleDown.policies", "type of each policy of scaleDown must be Pods or Percent"),
		Entry("scale up period", "Function", behavior("scaleUp", `policies: [{type: Pods, value: 1, periodSeconds: 0}]`), behavior("scaleUp", `policies: [{type: Pods, value: 1, periodSeconds: -1}]`), "behavior.scaleUp.policies", "periodSeconds of each policy of scaleUp must not be negative"),
		Entry("scale down period", "Function", behavior("scaleDown", `policies: [{type: Pods, value: 1, periodSeconds: 0}]`), behavior("scaleDown", `policies: [{type: Pods, value: 1, periodSeconds: -1}]`), "behavior.scaleDown.policies", "periodSeconds of each policy of scaleDown must not be negative"),
		Entry("restartPolicy of a Job", "Function", keda(`scaledJob: {restartPolicy: Never}`), keda(`scaledJob: {restartPolicy: Always}`), "spec.serving.scaleOptions.keda.scaledJob.restartPolicy", "restartPolicy must be OnFailure or Never"),
		Entry("scaledJob polling", "Function", keda(`scaledJob: {pollingInterval: 0}`), keda(`scaledJob: {pollingInterval: -1}`), "spec.serving.scaleOptions.keda.scaledJob.pollingInterval", "greater than or equal to 0"),
		Entry("scaledJob successes", "Function", keda(`scaledJob: {successfulJobsHistoryLimit: 0}`), keda(`scaledJob: {successfulJobsHistoryLimit: -1}`), "spec.serving.scaleOptions.keda.scaledJob.successfulJobsHistoryLimit", "greater than or equal to 0"),
		Entry("scaledJob failures", "Function", keda(`scaledJob: {failedJobsHistoryLimit: 0}`), keda(`scaledJob: {failedJobsHistoryLimit: -1}`), "spec.serving.scaleOptions.keda.scaledJob.failedJobsHistoryLimit", "greater than or equal to 0"),
		Entry("strategy of Jobs", "Function", keda(`scaledJob: {scalingStrategy: {strategy: accurate}}`), keda(`scaledJob: {scalingStrategy: {strategy: fast}}`), "spec.serving.scaleOptions.keda.scaledJob.scalingStrategy.strategy", "Unsupported value"),
		Entry("custom strategy is whole", "Function", keda(`scaledJob: {scalingStrategy: {strategy: custom, customScalingQueueLengthDeduction: 1, customScalingRunningJobPercentage: "50 %"}}`),
			keda(`scaledJob: {scalingStrategy: {strategy: custom, customScalingQueueLengthDeduction: 1}}`), "spec.serving.scaleOptions.keda.scaledJob.scalingStrategy.strategy", "strategy custom needs"),
		Entry("deduction is not negative", "Function", keda(`scaledJob: {scalingStrategy: {customScalingQueueLengthDeduction: 0}}`), keda(`scaledJob: {scalingStrategy: {customScalingQueueLengthDeduction: -1}}`),
			"spec.serving.scaleOptions.keda.scaledJob.scalingStrategy.customScalingQueueLengthDeduction", "customScalingQueueLengthDeduction must not be negative"),
		Entry("percentage is one", "Function", keda(`scaledJob: {scalingStrategy: {customScalingRunningJobPercentage: "12.5%"}}`), keda(`scaledJob: {scalingStrategy: {customScalingRunningJobPercentage: "1..2 %"}}`),
			"spec.serving.scaleOptions.keda.scaledJob.scalingStrategy.customScalingRunningJobPercentage", "must be a percentage"),

		// Builder alone
		Entry("a Builder's push credentials are named", "Builder", `{spec: {imageCredentials: {name: push}}}`, `{spec: {imageCredentials: {}}}`, "spec.imageCredentials.name", "imageCredentials.name must not be empty"),
		Entry("a Builder's image is a reference", "Builder", `{}`, `{spec: {image: "a b"}}`, "spec.image", "image must be an image reference"),
		Entry("a Builder has the rules of build", "Builder", `{}`, `{spec: {srcRepo: null}}`, "spec.srcRepo", "srcRepo or source must be set"),
		Entry("a Builder's state", "Builder", `{spec: {state: Cancelled}}`, `{spec: {state: Running}}`, "spec.state", `"Cancelled"`),
		Entry("a Builder's name fits a label", "Builder", `{metadata: {name: a.b}}`, `{metadata: {name: `+sixty4+`}}`, "metadata.name", "because it becomes a label; choose"),

		// Serving alone
		Entry("a Serving's image is a reference", "Serving", `{}`, `{spec: {image: ""}}`, "spec.image", "image must be an image reference"),
		Entry("a Serving's version is a label value", "Serving", `{spec: {version: ""}}`, `{spec: {version: "-"}}`, "spec.version", "version must be a valid label value"),
		Entry("a Serving has the rules of serving", "Serving", `{spec: {scaleOptions: {minReplicas: 1}}}`, `{spec: {scaleOptions: {minReplicas: 11}}}`, "spec.scaleOptions.minReplicas", "lower minReplicas or raise maxReplicas"),
		Entry("a Serving shares with another one", "Serving", `{spec: {split: {serving: sw, percent: 100}}}`, `{spec: {split: {serving: sv, percent: 1}}}`, "spec.split.serving", "must be another Serving"),
		Entry("a share is a percentage", "Serving", `{spec: {split: {serving: sw, percent: 0}}}`, `{spec: {split: {serving: sw, percent: 101}}}`, "spec.split.percent", "less than or equal to 100"),
		Entry("a share is not negative", "Serving", `{spec: {split: {serving: sw, percent: 1}}}`, `{spec: {split: {serving: sw, percent: -1}}}`, "spec.split.percent", "greater than or equal to 0"),
		Entry("a Serving's name fits a host name", "Serving", `{metadata: {name: a-b}}`, `{metadata: {name: a.b}}`, "metadata.name", "must not contain a dot"),
		Entry("a Serving's name fits a label", "Serving", `{}`, `{metadata: {name: `+sixty4+`}}`, "metadata.name", "because it becomes a label and a host name"),
		Entry("a Serving's name is no child's, but may be a canary's", "Serving", `{metadata: {name: a--canary}}`, `{metadata: {name: a--canary--http}}`, "metadata.name", "must not end in --agent"),
		Entry("a Serving's name fits a Service", "Serving", `{metadata: {name: 1st}, spec: {triggers: {dapr: [{name: a}]}}}`, `{metadata: {name: 1st}}`, "metadata.name", "must begin with a letter"),
		Entry("a Serving has no rollout", "Serving", `{spec: {split: {serving: other, percent: 100}}}`, `{spec: {rollout: {steps: [{percent: 1}]}}}`, "spec.rollout", "rollout is for a Function"),
		Entry("a share is of a hundred", "Serving", `{spec: {split: {serving: other, percent: 0}}}`, `{spec: {split: {serving: other, percent: 101}}}`, "spec.split.percent", "should be less than or equal to 100"),
		Entry("a share is for another Serving", "Serving", `{spec: {split: {serving: other, percent: 1}}}`, `{spec: {split: {serving: sv, percent: 1}}}`, "spec.split.serving", "split.serving must be another Serving"),
	)

	Describe("of a Builder that exists", Ordered, func() {
		var builder *unstructured.Unstructured

		BeforeAll(func(ctx context.Context) {
			builder = object("Builder", `{metadata: {name: immutable}}`)
			Expect(cp.Client.Create(ctx, builder)).To(Succeed())
		})

		change := func(ctx context.Context, fragment string) error {
			patch, err := yaml.YAMLToJSON([]byte(`{spec: {` + fragment + `}}`))
			Expect(err).NotTo(HaveOccurred())
			return cp.Client.Patch(ctx, builder.DeepCopy(), client.RawPatch("application/merge-patch+json", patch))
		}

		It("takes a request to cancel, and takes it back", func(ctx context.Context) {
			Expect(change(ctx, `state: Cancelled`)).To(Succeed())
			Expect(change(ctx, `state: null`)).To(Succeed())
		})

		DescribeTable("refuses another change",
			func(ctx context.Context, field, fragment string) {
				err := change(ctx, fragment)
				Expect(err).To(MatchError(And(ContainSubstring("spec."+field+": "), ContainSubstring(field+" cannot be changed"))))
				refused.WriteString(err.Error())
			},
			Entry(nil, "image", `image: example.com/other:v1`),
			Entry(nil, "imageCredentials", `imageCredentials: {name: push}`),
			Entry(nil, "builder", `builder: example.com/other:v1`),
			Entry(nil, "builderCredentials", `builderCredentials: {name: pull}`),
			Entry(nil, "shipwright", `shipwright: {strategy: {name: ko}}`),
			Entry(nil, "taskRef", `taskRef: {name: t}`),
			Entry(nil, "env", `env: {A: b}`),
			Entry(nil, "srcRepo", `srcRepo: {revision: other}`),
			Entry(nil, "source", `srcRepo: null, source: {inline: {a: b}}`),
			Entry(nil, "dockerfile", `dockerfile: Dockerfile`),
			Entry(nil, "cache", `cache: None`),
			Entry(nil, "timeout", `timeout: 1m`),
			Entry(nil, "successfulBuildsHistoryLimit", `successfulBuildsHistoryLimit: 1`),
			Entry(nil, "failedBuildsHistoryLimit", `failedBuildsHistoryLimit: 3`),
			Entry(nil, "builderMaxAge", `builderMaxAge: 1h`),
		)
	})

	It("was refused by every rule at least once", func() {
		said := refused.String()
		missing := maps.Clone(ruleMessages())
		for message := range missing {
			if strings.Contains(said, message) {
				delete(missing, message)
			}
		}
		Expect(slices.Sorted(maps.Keys(missing))).To(BeEmpty(), "each of these rules needs an entry in the tables above")
	})
})

// ruleMessages returns the message of every rule written in this package.
func ruleMessages() map[string]bool {
	GinkgoHelper()
	files, err := filepath.Glob("*_types.go")
	Expect(err).NotTo(HaveOccurred())
	messages := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		for _, match := range regexp.MustCompile("XValidation:rule=`[^`]*`,message=`([^`]*)`").FindAllStringSubmatch(string(text), -1) {
			messages[match[1]] = true
		}
	}
	Expect(len(messages)).To(BeNumerically(">", 50))
	return messages
}
