// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	daprv1alpha1 "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// Runtime says what calls a function.
// +kubebuilder:validation:Enum=knative;async
type Runtime string

const (
	// RuntimeKnative is the runtime of a function that HTTP requests call.
	RuntimeKnative Runtime = "knative"
	// RuntimeAsync is the runtime of a function that events call.
	RuntimeAsync Runtime = "async"
)

// ServingImpl says how a function image runs. A Function has it as spec.serving; a Serving has it in its spec.
//
// +kubebuilder:validation:XValidation:rule=`self.runtime != 'async' || !has(self.inputs) || self.inputs.all(a, self.inputs.exists_one(b, b.component == a.component && (has(b.topic) ? b.topic : "") == (has(a.topic) ? a.topic : "")))`,message=`inputs must not name the same component and topic twice; remove one of the entries`,fieldPath=`.inputs`
// +kubebuilder:validation:XValidation:rule=`!has(self.pubsub) || !has(self.inputs) || self.inputs.all(i, !(i.component in self.pubsub) || (has(i.topic) && i.topic != ""))`,message=`an input from a pub/sub component needs a topic; set topic in each entry of inputs that names a component of pubsub`,fieldPath=`.inputs`
// +kubebuilder:validation:XValidation:rule=`!has(self.pubsub) || !has(self.outputs) || self.outputs.all(o, !(o.component in self.pubsub) || (has(o.topic) && o.topic != ""))`,message=`an output to a pub/sub component needs a topic; set topic in each entry of outputs that names a component of pubsub`,fieldPath=`.outputs`
// +kubebuilder:validation:XValidation:rule=`!has(self.bindings) || !has(self.pubsub) || !self.bindings.exists(n, n in self.pubsub)`,message=`a component must not be declared in both bindings and pubsub; rename one of them`,fieldPath=`.pubsub`
// +kubebuilder:validation:XValidation:rule=`!has(self.bindings) || !has(self.states) || !self.bindings.exists(n, n in self.states)`,message=`a component must not be declared in both bindings and states; rename one of them`,fieldPath=`.states`
// +kubebuilder:validation:XValidation:rule=`!has(self.pubsub) || !has(self.states) || !self.pubsub.exists(n, n in self.states)`,message=`a component must not be declared in both pubsub and states; rename one of them`,fieldPath=`.states`
type ServingImpl struct {
	// runtime is knative for a function that HTTP requests call, or async for one that events call.
	// +required
	Runtime Runtime `json:"runtime"`

	// scaleOptions say how many copies of the function run, and by what measure. Default: as many
	// as requests or events need, and none while there are none.
	// Example: {minReplicas: 1, maxReplicas: 20}
	// +optional
	ScaleOptions *ScaleOptions `json:"scaleOptions,omitempty"`

	// inputs are the Dapr components whose events call a function of runtime async, or that a function of runtime knative
	// reads from; at most 64. Default: none.
	// Example: [{name: greeting, component: kafka}]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Inputs []DaprIO `json:"inputs,omitempty"`

	// outputs are the Dapr components the function sends data to, at most 64. Default: none.
	// Example: [{name: target, component: kafka, operation: create}]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Outputs []DaprIO `json:"outputs,omitempty"`

	// bindings are Dapr binding components made for this function, by the name that inputs and outputs use for them;
	// at most 64. A name may be used in only one of bindings, pubsub and states.
	// Example: {kafka: {type: bindings.kafka, version: v1, metadata: [{name: brokers, value: "kafka:9092"}]}}
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Bindings map[string]*daprv1alpha1.ComponentSpec `json:"bindings,omitempty"`

	// pubsub are Dapr pub/sub components made for this function, by the name that inputs and outputs use for them; at
	// most 64. Inputs and outputs that use one need a topic.
	// Example: {orders: {type: pubsub.redis, version: v1, metadata: [{name: redisHost, value: "redis:6379"}]}}
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Pubsub map[string]*daprv1alpha1.ComponentSpec `json:"pubsub,omitempty"`

	// states are Dapr state stores the function uses, by name; at most 64.
	// Example: {store: {type: state.redis, version: v1, metadata: []}}
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	States map[string]*daprv1alpha1.ComponentSpec `json:"states,omitempty"`

	// triggers are the KEDA triggers that scale the function, at most 32. Without one nothing is scaled by KEDA. Their targetKind
	// is accepted as before and not acted on.
	// Example: [{type: kafka, metadata: {bootstrapServers: "kafka:9092", topic: logs, lagThreshold: "20"}}]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:XValidation:rule=`self.all(t, t.metadata.size() > 0)`,message=`metadata of each KEDA trigger must not be empty; add the settings of its type, such as lagThreshold for kafka`
	Triggers []Trigger `json:"triggers,omitempty"`

	// params are environment variables of the function container, by name; at most 1024.
	// Example: {GREETING: Hello}
	// +optional
	// +kubebuilder:validation:MaxProperties=1024
	Params map[string]string `json:"params,omitempty"`

	// labels are added to the workload and its pods, at most 256. They win over the platform's own.
	// Example: {team: web}
	// +optional
	// +kubebuilder:validation:MaxProperties=256
	Labels map[string]string `json:"labels,omitempty"`

	// annotations are added to the workload and its pods, at most 256. They win over the platform's own.
	// Example: {openfunction.io/dapr-service-mode: sidecar}
	// +optional
	// +kubebuilder:validation:MaxProperties=256
	Annotations map[string]string `json:"annotations,omitempty"`

	// template is the pod the function runs in, as in a Deployment. The container named function is the function: its
	// image is set by the platform; a container of that name is added when there is none. Default: only that container.
	// Example: {containers: [{name: function, resources: {limits: {memory: 128Mi}}}]}
	// +optional
	Template *corev1.PodSpec `json:"template,omitempty"`

	// timeout is how long the function may take to become Running before the Serving is marked Timeout. Default: no
	// limit.
	// Example: 5m
	// +optional
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[+]?(0|([0-9]+([.][0-9]*)?(ns|us|µs|μs|ms|s|m|h))+)$') && duration(self) >= duration('0s')`,message=`timeout must be a duration that is not negative; write it like 5m`
	Timeout *metav1.Duration `json:"timeout,omitempty"`
}

// DaprIO is a Dapr component the function gets data from, or sends data to.
type DaprIO struct {
	// name is the name the function knows it by.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// component is a key of bindings, pubsub or states, or the name of a Component that exists.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Component string `json:"component"`

	// topic is the topic of a pub/sub component, which needs one.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Topic string `json:"topic,omitempty"`

	// params are sent along with the data of an output as Dapr metadata; an input does not use them.
	// +optional
	// +kubebuilder:validation:MaxProperties=256
	Params map[string]string `json:"params,omitempty"`

	// operation is the operation of an output to a binding; an input does not use it. Example: create
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Operation string `json:"operation,omitempty"`
}

// Trigger is a KEDA trigger that scales the function.
type Trigger struct {
	kedav1alpha1.ScaleTriggers `json:",inline"`

	// targetKind is accepted as before and not acted on; scaleOptions.keda decides what is scaled.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	TargetKind *string `json:"targetKind,omitempty"`
}

// ScaleOptions say how many copies of a function run, and by what measure.
//
// +kubebuilder:validation:XValidation:rule=`(has(self.keda) && has(self.keda.scaledObject) && has(self.keda.scaledObject.minReplicaCount) ? 0 : (has(self.minReplicas) ? self.minReplicas : 0)) <= (has(self.keda) && has(self.keda.scaledObject) && has(self.keda.scaledObject.maxReplicaCount) ? self.keda.scaledObject.maxReplicaCount : (has(self.keda) && has(self.keda.scaledJob) && has(self.keda.scaledJob.maxReplicaCount) ? self.keda.scaledJob.maxReplicaCount : (has(self.maxReplicas) ? self.maxReplicas : 10)))`,message=`minReplicas must not be greater than maxReplicas (10 when left out), nor than keda's maxReplicaCount; lower minReplicas or raise the other`,fieldPath=`.minReplicas`
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

	// keda are the options of functions that KEDA scales.
	// Example: {scaledObject: {cooldownPeriod: 60}}
	// +optional
	Keda *KedaScaleOptions `json:"keda,omitempty"`

	// knative are annotations for the Knative revision, by name; at most 64. minReplicas and maxReplicas win over them.
	// Example: {autoscaling.knative.dev/target: "50"}
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Knative *map[string]string `json:"knative,omitempty"`
}

// KedaScaleOptions are the options of functions that KEDA scales. What triggers the scaling stands in serving.triggers.
//
// +kubebuilder:validation:XValidation:rule=`!has(self.scaledObject) || !has(self.scaledJob)`,message=`at most one of scaledObject and scaledJob may be set; keep the one that fits the function and remove the other`
type KedaScaleOptions struct {
	// scaledObject are options for a Deployment or StatefulSet. At most one of scaledObject and scaledJob may be set.
	// +optional
	ScaledObject *KedaScaledObject `json:"scaledObject,omitempty"`

	// scaledJob runs the function as Jobs, and holds their options.
	// +optional
	ScaledJob *KedaScaledJob `json:"scaledJob,omitempty"`
}

// KedaScaledObject are the options of a KEDA ScaledObject.
//
// +kubebuilder:validation:XValidation:rule=`!has(self.minReplicaCount) || self.minReplicaCount <= (has(self.maxReplicaCount) ? self.maxReplicaCount : 100)`,message=`minReplicaCount must not be greater than maxReplicaCount (100 when left out); lower minReplicaCount or raise maxReplicaCount`,fieldPath=`.minReplicaCount`
type KedaScaledObject struct {
	// workloadType is the kind of workload the function runs as: Deployment (default) or StatefulSet.
	// +optional
	WorkloadType corev1beta2.WorkloadType `json:"workloadType,omitempty"`

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
}

// KedaScaledJob are the options of a KEDA ScaledJob.
type KedaScaledJob struct {
	corev1beta2.KedaScaledJob `json:",inline"`

	// maxReplicaCount is another way to write scaleOptions.maxReplicas, and wins over it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	MaxReplicaCount *int32 `json:"maxReplicaCount,omitempty"`
}

// ServingSpec is how one version of a function runs.
type ServingSpec struct {
	ServingImpl `json:",inline"`

	// version is the function's version, default latest. It becomes the label app.kubernetes.io/version and is told
	// to the function in FUNC_CONTEXT, so it must be a valid label value of at most 63 characters.
	// Example: v2.0.0
	// +optional
	// +kubebuilder:default=latest
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule=`self.matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$')`,message=`version must be a valid label value: letters, digits, - _ and . inside; write it like v1.0.0`
	Version *string `json:"version,omitempty"`

	// image is the function image to run.
	// Example: registry.example.com/team/hello:v1
	// +required
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule=`self.matches('^(([a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*|\\[[0-9a-fA-F:]+\\])(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(@[A-Za-z][A-Za-z0-9]*:[0-9a-fA-F]{32,})?$')`,message=`image must be an image reference; write it like registry.example.com/team/hello:v1`
	Image string `json:"image"`

	// imageCredentials names a Secret of type kubernetes.io/dockerconfigjson to pull the image with.
	// +optional
	ImageCredentials *corev1.LocalObjectReference `json:"imageCredentials,omitempty"`

	// port is the port the function listens on, 0 to 65535. Default, and the meaning of 0: 8080. It is not used with runtime async.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	Port *int32 `json:"port,omitempty"`
}

// Serving is how one function runs now. A Function has one of the same name; it also works alone.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:deprecatedversion:warning="core.openfunction.io/v1beta1 Serving is deprecated; use core.openfunction.io/v1beta2 Serving"
// +kubebuilder:resource:shortName=sv,categories=openfunction
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule=`self.metadata.name.size() <= 63`,message=`metadata.name must be at most 63 characters, because it becomes a label and a host name; choose a shorter name`,fieldPath=`.metadata.name`
// +kubebuilder:validation:XValidation:rule=`!self.metadata.name.contains('.')`,message=`metadata.name must not contain a dot when the function is served, because it becomes a host name; use - in place of .`,fieldPath=`.metadata.name`
// +kubebuilder:validation:XValidation:rule=`(self.spec.runtime == 'async' && has(self.spec.inputs) && self.spec.inputs.size() > 0) || self.metadata.name.matches('^[a-z]')`,message=`metadata.name must begin with a letter when the function answers HTTP, because it becomes the name of a Service; choose a name like fn-1`,fieldPath=`.metadata.name`
// +kubebuilder:validation:XValidation:rule=`!self.metadata.name.matches('--(agent|agent-daprd|app-token|async|dapr|daprd|function|http|knative(-[0-9]+(-private)?)?|redelivery)$')`,message=`metadata.name must not end in --agent, --agent-daprd, --app-token, --async, --dapr, --daprd, --function, --http, --knative or --redelivery, which the platform adds to a function's name for what it makes beside it; use - in place of --`,fieldPath=`.metadata.name`
type Serving struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is how the function runs.
	// +required
	Spec ServingSpec `json:"spec"`

	// status is how it goes; the same in every version.
	// +optional
	Status corev1beta2.ServingStatus `json:"status,omitempty"`
}

// ServingList is a list of Servings.
//
// +kubebuilder:object:root=true
type ServingList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Serving `json:"items"`
}
