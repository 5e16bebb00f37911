// SPDX-License-Identifier: Apache-2.0

package v1beta2

import (
	daprv1alpha1 "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// Phases of a Function, a Builder and a Serving, as status.phase writes them.
const (
	// BuildPhase is the phase of a Builder.
	BuildPhase = "Build"
	// ServingPhase is the phase of a Serving.
	ServingPhase = "Serving"
)

// States of a Builder, a Serving and the stages of a Function, as status writes them. Empty means not started.
const (
	// Created means the object was taken up and nothing runs yet.
	Created = "Created"
	// Building means the build runs.
	Building = "Building"
	// Starting means the workload is being started.
	Starting = "Starting"
	// Running means the function serves.
	Running = "Running"
	// Succeeded means the build made its image.
	Succeeded = "Succeeded"
	// Failed means the stage cannot go on without a change.
	Failed = "Failed"
	// Skipped means the Function does not have this stage.
	Skipped = "Skipped"
	// Timeout means the stage took longer than its timeout.
	Timeout = "Timeout"
	// Canceled means the build was stopped.
	Canceled = "Canceled"
	// UnknownRuntime means no run fits the Serving.
	UnknownRuntime = "UnknownRuntime"
)

// Workload runtimes; WasmEdge is matched in any case.
const (
	// WorkloadRuntimeOCIContainer runs the function as an ordinary container.
	WorkloadRuntimeOCIContainer = "OCIContainer"
	// WorkloadRuntimeWasmEdge runs the function as a WebAssembly module.
	WorkloadRuntimeWasmEdge = "WasmEdge"
)

// Defaults of optional fields, for readers of objects that the API server has not completed.
const (
	// DefaultVersion is the version of a function that names none.
	DefaultVersion = "latest"
	// DefaultPort is the port a function listens on when it names none.
	DefaultPort int32 = 8080
)

// Triggers say what calls the function.
type Triggers struct {
	// http makes the function answer HTTP requests. Default: on port 8080, when triggers.dapr is empty.
	// Example: {port: 9000, requestTimeout: 30s}
	// +optional
	HTTP *HTTPTrigger `json:"http,omitempty"`

	// dapr makes events of Dapr components call the function, at most 64. Default: none.
	// Example: [{name: kafka, type: bindings.kafka}, {name: orders, type: pubsub.redis, topic: new}]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule=`self.all(a, self.exists_one(b, b.name == a.name && (has(b.topic) ? b.topic : "") == (has(a.topic) ? a.topic : "")))`,message=`triggers.dapr must not name the same component and topic twice; remove one of the entries`
	Dapr []DaprTrigger `json:"dapr,omitempty"`

	// inputs are Dapr components the function reads from when it is called, at most 64. Default: none.
	// Example: [{dapr: {name: store, type: state.redis}}]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Inputs []Input `json:"inputs,omitempty"`
}

// Engine serves HTTP requests to a function.
// +kubebuilder:validation:Enum=knative;keda
type Engine string

const (
	// EngineKnative serves with Knative Serving.
	EngineKnative Engine = "knative"
	// EngineKeda serves with the KEDA HTTP add-on.
	EngineKeda Engine = "keda"
)

// HTTPTrigger makes a function answer HTTP requests.
type HTTPTrigger struct {
	// port is the port the function listens on, 1 to 65535, default 8080. It may be quoted.
	// +optional
	// +kubebuilder:default=8080
	// +kubebuilder:validation:XValidation:rule=`type(self) == int ? (self >= 0 && self <= 65535) : (self.matches('^[0-9]{1,5}$') && int(self) <= 65535)`,message=`port must be a number from 1 to 65535; leave it out for 8080`
	Port *intstr.IntOrString `json:"port,omitempty"`

	// engine serves the requests: knative or keda. Default knative, or keda when scaleOptions.keda.httpScaledObject
	// is set.
	// +optional
	Engine *Engine `json:"engine,omitempty"`

	// route says at which hosts and paths the function answers outside the cluster. Default: a host made from the
	// Gateway's hostTemplate, every path.
	// Example: {hostnames: [hello.example.com]}
	// +optional
	Route *Route `json:"route,omitempty"`

	// requestTimeout is the longest one request may take. Default: what the engine allows (Knative: 5m).
	// Example: 30s
	// +optional
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[+]?(0|([0-9]+([.][0-9]*)?(ns|us|µs|μs|ms|s|m|h))+)$') && duration(self) > duration('0s')`,message=`requestTimeout must be a duration above 0; write it like 30s`
	RequestTimeout *metav1.Duration `json:"requestTimeout,omitempty"`

	// inputs are Dapr components the function reads from when it is called, at most 64; the same as triggers.inputs.
	// Example: [{name: store, type: state.redis}]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Inputs []Input `json:"inputs,omitempty"`
}

// Route says at which hosts and paths a function answers outside the cluster.
type Route struct {
	// gatewayRef names the OpenFunction Gateway that carries the route. Default: openfunction in namespace openfunction.
	// +optional
	GatewayRef *GatewayRef `json:"gatewayRef,omitempty"`

	// hostnames are the host names of the route, at most 16. Default: made from the Gateway's hostTemplate.
	// Example: [hello.example.com]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Hostnames []gatewayv1.Hostname `json:"hostnames,omitempty"`

	// rules are HTTPRoute rules, at most 16. Default: one rule for every path. backendRefs are set by the platform.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Rules []gatewayv1.HTTPRouteRule `json:"rules,omitempty"`
}

// GatewayRef names an OpenFunction Gateway.
type GatewayRef struct {
	// name is the name of the Gateway.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// namespace is the namespace of the Gateway.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
}

// DaprTrigger makes the events of one Dapr component call the function.
//
// +kubebuilder:validation:XValidation:rule=`!has(self.type) || !self.type.startsWith('pubsub.') || (has(self.topic) && self.topic != "")`,message=`a trigger of type pubsub needs a topic; set topic`,fieldPath=`.topic`,reason=FieldValueRequired
type DaprTrigger struct {
	// name is a key of bindings or pubsub, or the name of a Component that exists.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// type is the Dapr type of the component. Default: looked up by name. Example: bindings.kafka
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule=`self == "" || self.matches('^(bindings?|pubsub|state)[.].+$')`,message=`type must be a Dapr component type; write it like bindings.kafka, pubsub.redis or state.redis`
	Type string `json:"type,omitempty"`

	// topic is the topic to subscribe to; needed for a pub/sub component.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Topic string `json:"topic,omitempty"`

	// inputName is the name the function sees. Default: name. Deprecated: it exists for v1beta1.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	InputName string `json:"inputName,omitempty"`
}

// Input is a Dapr component the function reads from. It is written either as dapr or as name, type and topic.
//
// +kubebuilder:validation:XValidation:rule=`has(self.dapr) != (has(self.name) && self.name != "")`,message=`exactly one of dapr and name must be set; write dapr with a name inside, or name with type and topic beside it`
// +kubebuilder:validation:XValidation:rule=`!has(self.dapr) || (!has(self.type) && !has(self.topic))`,message=`type and topic belong inside dapr when dapr is set; move them there`
// +kubebuilder:validation:XValidation:rule=`!has(self.type) || !self.type.startsWith('pubsub.') || (has(self.topic) && self.topic != "")`,message=`an input of type pubsub needs a topic; set topic`,fieldPath=`.topic`,reason=FieldValueRequired
type Input struct {
	// dapr is the component.
	// +optional
	Dapr *DaprInput `json:"dapr,omitempty"`

	// name is a key of bindings, pubsub or states, or the name of a Component that exists; in place of dapr.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// type is the Dapr type of the component. Default: looked up by name. Example: state.redis
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule=`self == "" || self.matches('^(bindings?|pubsub|state)[.].+$')`,message=`type must be a Dapr component type; write it like bindings.kafka, pubsub.redis or state.redis`
	Type string `json:"type,omitempty"`

	// topic is the topic of a pub/sub component.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Topic string `json:"topic,omitempty"`
}

// DaprInput is a Dapr component the function reads from.
//
// +kubebuilder:validation:XValidation:rule=`!has(self.type) || !self.type.startsWith('pubsub.') || (has(self.topic) && self.topic != "")`,message=`an input of type pubsub needs a topic; set topic`,fieldPath=`.topic`,reason=FieldValueRequired
type DaprInput struct {
	// name is a key of bindings, pubsub or states, or the name of a Component that exists.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// type is the Dapr type of the component. Default: looked up by name. Example: state.redis
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule=`self == "" || self.matches('^(bindings?|pubsub|state)[.].+$')`,message=`type must be a Dapr component type; write it like bindings.kafka, pubsub.redis or state.redis`
	Type string `json:"type,omitempty"`

	// topic is the topic of a pub/sub component.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Topic string `json:"topic,omitempty"`
}

// Output is a Dapr component the function sends data to. It is written either as dapr, or as name, component, topic,
// params and operation.
//
// +kubebuilder:validation:XValidation:rule=`has(self.dapr) != (has(self.name) || has(self.component))`,message=`exactly one of dapr and name with component must be set; write dapr with a name inside, or name and component`
// +kubebuilder:validation:XValidation:rule=`has(self.dapr) || (has(self.name) && self.name != "" && has(self.component) && self.component != "")`,message=`name and component must both be set when dapr is not; add the one that is missing`,fieldPath=`.component`,reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule=`!has(self.dapr) || (!has(self.topic) && !has(self.params) && !has(self.operation))`,message=`topic, params and operation belong inside dapr when dapr is set; move them there (params are called metadata there)`
type Output struct {
	// dapr is the component.
	// +optional
	Dapr *DaprOutput `json:"dapr,omitempty"`

	// name is the name the function sends to; in place of dapr, together with component.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// component is a key of bindings or pubsub, or the name of a Component that exists.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Component string `json:"component,omitempty"`

	// topic is the topic to publish to; needed for a pub/sub component.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Topic string `json:"topic,omitempty"`

	// params are sent along with the data as Dapr metadata.
	// +optional
	// +kubebuilder:validation:MaxProperties=256
	Params map[string]string `json:"params,omitempty"`

	// operation is the operation of a binding. Example: create
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Operation string `json:"operation,omitempty"`
}

// DaprOutput is a Dapr component the function sends data to.
//
// +kubebuilder:validation:XValidation:rule=`!has(self.type) || !self.type.startsWith('pubsub.') || (has(self.topic) && self.topic != "")`,message=`an output of type pubsub needs a topic; set topic`,fieldPath=`.topic`,reason=FieldValueRequired
type DaprOutput struct {
	// name is a key of bindings or pubsub, or the name of a Component that exists.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// type is the Dapr type of the component. Default: looked up by name. Example: pubsub.redis
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule=`self == "" || self.matches('^(bindings?|pubsub|state)[.].+$')`,message=`type must be a Dapr component type; write it like bindings.kafka, pubsub.redis or state.redis`
	Type string `json:"type,omitempty"`

	// topic is the topic to publish to; needed for a pub/sub component.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Topic string `json:"topic,omitempty"`

	// metadata is sent along with the data.
	// +optional
	// +kubebuilder:validation:MaxProperties=256
	Metadata map[string]string `json:"metadata,omitempty"`

	// operation is the operation of a binding. Example: create
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Operation string `json:"operation,omitempty"`

	// outputName is the name the function sends to. Default: name. Deprecated: it exists for v1beta1.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	OutputName string `json:"outputName,omitempty"`
}

// State is a Dapr state store the function uses.
type State struct {
	// spec is the component to make. Without it the name refers to a Component that exists.
	// +optional
	Spec *daprv1alpha1.ComponentSpec `json:"spec,omitempty"`
}

// DaprMode says where Dapr's sidecar program, daprd, runs.
// +kubebuilder:validation:Enum=Function;Sidecar;Shared
type DaprMode string

const (
	// DaprModeFunction runs one daprd for the whole function, beside an agent that takes the events while the function is at zero.
	DaprModeFunction DaprMode = "Function"
	// DaprModeSidecar runs a daprd in every pod of the function.
	DaprModeSidecar DaprMode = "Sidecar"
	// DaprModeShared runs daprd as a workload of its own, without an agent.
	DaprModeShared DaprMode = "Shared"
)

// DaprStrategy is the kind of workload that runs daprd in mode Shared.
// +kubebuilder:validation:Enum=Deployment;DaemonSet
type DaprStrategy string

const (
	// DaprStrategyDeployment runs as many daprds as replicas says.
	DaprStrategyDeployment DaprStrategy = "Deployment"
	// DaprStrategyDaemonSet runs a daprd on every node.
	DaprStrategyDaemonSet DaprStrategy = "DaemonSet"
)

// DaprOptions say where Dapr runs for a function.
//
// +kubebuilder:validation:XValidation:rule=`!has(self.strategy) || (has(self.mode) && self.mode == 'Shared')`,message=`strategy is for mode Shared only; set mode to Shared, or remove strategy`,fieldPath=`.strategy`
// +kubebuilder:validation:XValidation:rule=`!has(self.replicas) || ((!has(self.mode) || self.mode != 'Sidecar') && (!has(self.strategy) || self.strategy != 'DaemonSet'))`,message=`replicas does not fit mode Sidecar or strategy DaemonSet, which decide it themselves; remove replicas`,fieldPath=`.replicas`
type DaprOptions struct {
	// mode is Function (default: one daprd and an agent for the whole function), Sidecar (a daprd in every pod) or Shared
	// (daprd as a workload of its own).
	// +optional
	Mode DaprMode `json:"mode,omitempty"`

	// strategy is the workload of mode Shared: Deployment (default) or DaemonSet.
	// +optional
	Strategy DaprStrategy `json:"strategy,omitempty"`

	// replicas is how many agents (mode Function) or daprds (mode Shared) run, 1 to 16, default 1. More than one keeps events
	// coming while a node fails.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=16
	Replicas *int32 `json:"replicas,omitempty"`
}

// ScaleOptions say how many copies of a function run, and by what measure.
//
// +kubebuilder:validation:XValidation:rule=`(has(self.minReplicas) ? self.minReplicas : 0) <= (has(self.maxReplicas) ? self.maxReplicas : 10)`,message=`minReplicas must not be greater than maxReplicas (10 when left out); lower minReplicas or raise maxReplicas`,fieldPath=`.minReplicas`
type ScaleOptions struct {
	// minReplicas is the least number of copies, 0 to 100000, default 0: the function stops when nobody calls it. It must
	// not be greater than maxReplicas.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	MinReplicas *int32 `json:"minReplicas,omitempty"`

	// maxReplicas is the greatest number of copies, 0 to 100000. Default: the engine's (Knative: no limit, KEDA: 100);
	// minReplicas is then held against 10.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	MaxReplicas *int32 `json:"maxReplicas,omitempty"`

	// concurrency is the hard limit of requests one copy handles at a time, 0 to 1000. Default 0: no limit.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Concurrency *int32 `json:"concurrency,omitempty"`

	// keda are the options of functions that KEDA scales: those of triggers.dapr, and those of engine keda.
	// Example: {scaledObject: {cooldownPeriod: 60}, triggers: [{type: kafka, metadata: {topic: logs}}]}
	// +optional
	Keda *KedaScaleOptions `json:"keda,omitempty"`

	// knative are annotations for the Knative revision, by name; at most 64. minReplicas and maxReplicas win over them.
	// Example: {autoscaling.knative.dev/target: "50"}
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Knative *map[string]string `json:"knative,omitempty"`
}

// KedaScaleOptions are the options of functions that KEDA scales.
//
// +kubebuilder:validation:XValidation:rule=`[has(self.scaledObject), has(self.scaledJob), has(self.httpScaledObject)].filter(x, x).size() <= 1`,message=`at most one of scaledObject, scaledJob and httpScaledObject may be set; keep the one that fits the function and remove the others`
type KedaScaleOptions struct {
	// scaledObject are options for a Deployment or StatefulSet. At most one of scaledObject, scaledJob and
	// httpScaledObject may be set.
	// +optional
	ScaledObject *KedaScaledObject `json:"scaledObject,omitempty"`

	// scaledJob are options for Jobs, with workloadType Job.
	// +optional
	ScaledJob *KedaScaledJob `json:"scaledJob,omitempty"`

	// httpScaledObject are options of the KEDA HTTP add-on. Setting it makes engine keda the default.
	// +optional
	HTTPScaledObject *HTTPScaledObject `json:"httpScaledObject,omitempty"`

	// triggers are the KEDA triggers that scale the function, at most 32. Without one nothing is scaled by KEDA.
	// Example: [{type: kafka, metadata: {bootstrapServers: "kafka:9092", topic: logs, lagThreshold: "20"}}]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:XValidation:rule=`self.all(t, t.metadata.size() > 0)`,message=`metadata of each KEDA trigger must not be empty; add the settings of its type, such as lagThreshold for kafka`
	Triggers []kedav1alpha1.ScaleTriggers `json:"triggers,omitempty"`
}

// KedaScaledObject are the options of a KEDA ScaledObject.
//
// +kubebuilder:validation:XValidation:rule=`!has(self.minReplicaCount) || self.minReplicaCount <= (has(self.maxReplicaCount) ? self.maxReplicaCount : 100)`,message=`minReplicaCount must not be greater than maxReplicaCount (100 when left out); lower minReplicaCount or raise maxReplicaCount`,fieldPath=`.minReplicaCount`
type KedaScaledObject struct {
	// pollingInterval is how often KEDA looks at the triggers, in seconds. Default: KEDA's, 30.
	// +optional
	// +kubebuilder:validation:Minimum=0
	PollingInterval *int32 `json:"pollingInterval,omitempty"`

	// cooldownPeriod is how long after the last event the function is scaled to zero, in seconds. Default: KEDA's, 300.
	// +optional
	// +kubebuilder:validation:Minimum=0
	CooldownPeriod *int32 `json:"cooldownPeriod,omitempty"`

	// minReplicaCount is another way to write scaleOptions.minReplicas, and wins over it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	MinReplicaCount *int32 `json:"minReplicaCount,omitempty"`

	// maxReplicaCount is another way to write scaleOptions.maxReplicas, and wins over it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	MaxReplicaCount *int32 `json:"maxReplicaCount,omitempty"`

	// advanced are KEDA's advanced options, as in a ScaledObject.
	// +optional
	// +kubebuilder:validation:XValidation:rule=`!has(self.horizontalPodAutoscalerConfig) || !has(self.horizontalPodAutoscalerConfig.behavior) || !has(self.horizontalPodAutoscalerConfig.behavior.scaleUp) || !has(self.horizontalPodAutoscalerConfig.behavior.scaleUp.stabilizationWindowSeconds) || (self.horizontalPodAutoscalerConfig.behavior.scaleUp.stabilizationWindowSeconds >= 0 && self.horizontalPodAutoscalerConfig.behavior.scaleUp.stabilizationWindowSeconds <= 3600)`,message=`stabilizationWindowSeconds of scaleUp must be from 0 to 3600; choose a value in between`,fieldPath=`.horizontalPodAutoscalerConfig.behavior.scaleUp.stabilizationWindowSeconds`
	// +kubebuilder:validation:XValidation:rule=`!has(self.horizontalPodAutoscalerConfig) || !has(self.horizontalPodAutoscalerConfig.behavior) || !has(self.horizontalPodAutoscalerConfig.behavior.scaleUp) || !has(self.horizontalPodAutoscalerConfig.behavior.scaleUp.selectPolicy) || self.horizontalPodAutoscalerConfig.behavior.scaleUp.selectPolicy in ["Max", "Min", "Disabled"]`,message=`selectPolicy of scaleUp must be Max, Min or Disabled; choose one of them`,fieldPath=`.horizontalPodAutoscalerConfig.behavior.scaleUp.selectPolicy`
	// +kubebuilder:validation:XValidation:rule=`!has(self.horizontalPodAutoscalerConfig) || !has(self.horizontalPodAutoscalerConfig.behavior) || !has(self.horizontalPodAutoscalerConfig.behavior.scaleUp) || !has(self.horizontalPodAutoscalerConfig.behavior.scaleUp.policies) || self.horizontalPodAutoscalerConfig.behavior.scaleUp.policies.all(p, p.type in ["Pods", "Percent"])`,message=`type of each policy of scaleUp must be Pods or Percent; choose one of them`,fieldPath=`.horizontalPodAutoscalerConfig.behavior.scaleUp.policies`
	// +kubebuilder:validation:XValidation:rule=`!has(self.horizontalPodAutoscalerConfig) || !has(self.horizontalPodAutoscalerConfig.behavior) || !has(self.horizontalPodAutoscalerConfig.behavior.scaleUp) || !has(self.horizontalPodAutoscalerConfig.behavior.scaleUp.policies) || self.horizontalPodAutoscalerConfig.behavior.scaleUp.policies.all(p, p.periodSeconds >= 0)`,message=`periodSeconds of each policy of scaleUp must not be negative; write it like 15`,fieldPath=`.horizontalPodAutoscalerConfig.behavior.scaleUp.policies`
	// +kubebuilder:validation:XValidation:rule=`!has(self.horizontalPodAutoscalerConfig) || !has(self.horizontalPodAutoscalerConfig.behavior) || !has(self.horizontalPodAutoscalerConfig.behavior.scaleDown) || !has(self.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds) || (self.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds >= 0 && self.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds <= 3600)`,message=`stabilizationWindowSeconds of scaleDown must be from 0 to 3600; choose a value in between`,fieldPath=`.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds`
	// +kubebuilder:validation:XValidation:rule=`!has(self.horizontalPodAutoscalerConfig) || !has(self.horizontalPodAutoscalerConfig.behavior) || !has(self.horizontalPodAutoscalerConfig.behavior.scaleDown) || !has(self.horizontalPodAutoscalerConfig.behavior.scaleDown.selectPolicy) || self.horizontalPodAutoscalerConfig.behavior.scaleDown.selectPolicy in ["Max", "Min", "Disabled"]`,message=`selectPolicy of scaleDown must be Max, Min or Disabled; choose one of them`,fieldPath=`.horizontalPodAutoscalerConfig.behavior.scaleDown.selectPolicy`
	// +kubebuilder:validation:XValidation:rule=`!has(self.horizontalPodAutoscalerConfig) || !has(self.horizontalPodAutoscalerConfig.behavior) || !has(self.horizontalPodAutoscalerConfig.behavior.scaleDown) || !has(self.horizontalPodAutoscalerConfig.behavior.scaleDown.policies) || self.horizontalPodAutoscalerConfig.behavior.scaleDown.policies.all(p, p.type in ["Pods", "Percent"])`,message=`type of each policy of scaleDown must be Pods or Percent; choose one of them`,fieldPath=`.horizontalPodAutoscalerConfig.behavior.scaleDown.policies`
	// +kubebuilder:validation:XValidation:rule=`!has(self.horizontalPodAutoscalerConfig) || !has(self.horizontalPodAutoscalerConfig.behavior) || !has(self.horizontalPodAutoscalerConfig.behavior.scaleDown) || !has(self.horizontalPodAutoscalerConfig.behavior.scaleDown.policies) || self.horizontalPodAutoscalerConfig.behavior.scaleDown.policies.all(p, p.periodSeconds >= 0)`,message=`periodSeconds of each policy of scaleDown must not be negative; write it like 15`,fieldPath=`.horizontalPodAutoscalerConfig.behavior.scaleDown.policies`
	Advanced *kedav1alpha1.AdvancedConfig `json:"advanced,omitempty"`

	// fallback is how many copies run when a trigger cannot be read, as in a ScaledObject.
	// +optional
	// +kubebuilder:validation:XValidation:rule=`self.failureThreshold >= 1`,message=`failureThreshold must be at least 1; write it like 3`,fieldPath=`.failureThreshold`
	// +kubebuilder:validation:XValidation:rule=`self.replicas >= 0`,message=`replicas must not be negative; write 0 or more`,fieldPath=`.replicas`
	Fallback *kedav1alpha1.Fallback `json:"fallback,omitempty"`
}

// KedaScaledJob are the options of a KEDA ScaledJob.
type KedaScaledJob struct {
	// restartPolicy is the restart policy of the Job's pods: OnFailure (default) or Never.
	// +optional
	// +kubebuilder:default=OnFailure
	// +kubebuilder:validation:XValidation:rule=`self in ['OnFailure', 'Never']`,message=`restartPolicy must be OnFailure or Never, because a Job has to end; leave it out for OnFailure`
	RestartPolicy *corev1.RestartPolicy `json:"restartPolicy,omitempty"`

	// pollingInterval is how often KEDA looks at the triggers, in seconds. Default: KEDA's, 30.
	// +optional
	// +kubebuilder:validation:Minimum=0
	PollingInterval *int32 `json:"pollingInterval,omitempty"`

	// successfulJobsHistoryLimit is how many succeeded Jobs are kept. Default: KEDA's, 100.
	// +optional
	// +kubebuilder:validation:Minimum=0
	SuccessfulJobsHistoryLimit *int32 `json:"successfulJobsHistoryLimit,omitempty"`

	// failedJobsHistoryLimit is how many failed Jobs are kept. Default: KEDA's, 100.
	// +optional
	// +kubebuilder:validation:Minimum=0
	FailedJobsHistoryLimit *int32 `json:"failedJobsHistoryLimit,omitempty"`

	// scalingStrategy is how KEDA counts the Jobs it starts, as in a ScaledJob.
	// +optional
	// +kubebuilder:validation:XValidation:rule=`!has(self.strategy) || self.strategy != 'custom' || (has(self.customScalingQueueLengthDeduction) && has(self.customScalingRunningJobPercentage))`,message=`strategy custom needs customScalingQueueLengthDeduction and customScalingRunningJobPercentage; set both, or choose another strategy`,fieldPath=`.strategy`
	// +kubebuilder:validation:XValidation:rule=`!has(self.customScalingQueueLengthDeduction) || self.customScalingQueueLengthDeduction >= 0`,message=`customScalingQueueLengthDeduction must not be negative; write 0 or more`,fieldPath=`.customScalingQueueLengthDeduction`
	// +kubebuilder:validation:XValidation:rule=`!has(self.customScalingRunningJobPercentage) || self.customScalingRunningJobPercentage.matches('^[0-9]+([.][0-9]+)?[ ]*%$')`,message=`customScalingRunningJobPercentage must be a percentage; write it like 50%`,fieldPath=`.customScalingRunningJobPercentage`
	ScalingStrategy *kedav1alpha1.ScalingStrategy `json:"scalingStrategy,omitempty"`
}

// HTTPScaledObject are the options of the KEDA HTTP add-on.
//
// +kubebuilder:validation:XValidation:rule=`!has(self.minReplicaCount) || self.minReplicaCount <= (has(self.maxReplicaCount) ? self.maxReplicaCount : 100)`,message=`minReplicaCount must not be greater than maxReplicaCount (100 when left out); lower minReplicaCount or raise maxReplicaCount`,fieldPath=`.minReplicaCount`
type HTTPScaledObject struct {
	// targetPendingRequests is the number of pending requests one copy should have, default 100.
	// +optional
	// +kubebuilder:validation:Minimum=0
	TargetPendingRequests *int32 `json:"targetPendingRequests,omitempty"`

	// cooldownPeriod is how long after the last request the function is scaled to zero, in seconds, default 300.
	// +optional
	// +kubebuilder:validation:Minimum=0
	CooldownPeriod *int32 `json:"cooldownPeriod,omitempty"`

	// minReplicaCount is another way to write scaleOptions.minReplicas, and wins over it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	MinReplicaCount *int32 `json:"minReplicaCount,omitempty"`

	// maxReplicaCount is another way to write scaleOptions.maxReplicas, and wins over it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	MaxReplicaCount *int32 `json:"maxReplicaCount,omitempty"`
}

// HooksPolicy says how a function's hooks and the platform's hooks go together.
// +kubebuilder:validation:Enum=Append;Override
type HooksPolicy string

const (
	// HooksPolicyAppend runs the platform's hooks around the function's.
	HooksPolicyAppend HooksPolicy = "Append"
	// HooksPolicyOverride runs the function's hooks only.
	HooksPolicyOverride HooksPolicy = "Override"
)

// Hooks are functions-framework plugins that run before and after the function.
type Hooks struct {
	// pre are the plugins that run before the function, in order, at most 64.
	// Example: [auth]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=253
	Pre []string `json:"pre,omitempty"`

	// post are the plugins that run after the function, in order, at most 64.
	// Example: [audit]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=253
	Post []string `json:"post,omitempty"`

	// policy is Append (default: the platform's hooks run around these) or Override (only these run).
	// +optional
	// +kubebuilder:default=Append
	Policy HooksPolicy `json:"policy,omitempty"`
}

// TracingConfig makes the functions framework send traces.
type TracingConfig struct {
	// enabled turns tracing on or off. False turns the platform's setting off for this function.
	// +required
	Enabled bool `json:"enabled"`

	// provider is where traces go.
	// +required
	Provider *TracingProvider `json:"provider"`

	// tags are added to every span, by name; at most 64.
	// Example: {layer: faas}
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Tags map[string]string `json:"tags,omitempty"`

	// baggage is carried along with every trace, by name; at most 64.
	// Example: {tenant: web}
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Baggage map[string]string `json:"baggage,omitempty"`
}

// TracingProvider is where traces go.
type TracingProvider struct {
	// name is the provider: skywalking or opentelemetry.
	// +required
	// +kubebuilder:validation:Enum=skywalking;opentelemetry
	Name string `json:"name"`

	// oapServer is the address of the SkyWalking server. Example: skywalking-oap.default:11800
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	OapServer string `json:"oapServer,omitempty"`

	// exporter is how OpenTelemetry sends the traces.
	// +optional
	Exporter *TracingExporter `json:"exporter,omitempty"`
}

// TracingExporter is how OpenTelemetry sends traces.
type TracingExporter struct {
	// name is the exporter. Example: otlp
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// endpoint is the address traces are sent to. Example: http://collector:4318/v1/traces
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Endpoint string `json:"endpoint"`

	// headers are sent along with every export. Example: key1=value1,key2=value2
	// +optional
	// +kubebuilder:validation:MaxLength=8192
	Headers string `json:"headers,omitempty"`

	// compression is how exports are compressed. Example: gzip
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Compression string `json:"compression,omitempty"`

	// timeout is how long one export may take. Example: 10s
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Timeout string `json:"timeout,omitempty"`

	// protocol is the protocol of exports. Example: http/protobuf
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Protocol string `json:"protocol,omitempty"`
}
