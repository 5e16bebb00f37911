// SPDX-License-Identifier: Apache-2.0

package v1beta2

import (
	daprv1alpha1 "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ServingImpl says how a function image runs. A Function has it as spec.serving; a Serving has it in its spec.
//
// +kubebuilder:validation:XValidation:rule=`!has(self.pubsub) || !has(self.triggers) || !has(self.triggers.dapr) || self.triggers.dapr.all(t, !(t.name in self.pubsub) || (has(t.topic) && t.topic != ""))`,message=`a trigger of a pub/sub component needs a topic; set topic in each entry of triggers.dapr that names a component of pubsub`,fieldPath=`.triggers.dapr`
// +kubebuilder:validation:XValidation:rule=`!has(self.pubsub) || !has(self.outputs) || self.outputs.all(o, has(o.dapr) ? (!(o.dapr.name in self.pubsub) || (has(o.dapr.topic) && o.dapr.topic != "")) : (!has(o.component) || !(o.component in self.pubsub) || (has(o.topic) && o.topic != "")))`,message=`an output to a pub/sub component needs a topic; set topic in each entry of outputs that names a component of pubsub`,fieldPath=`.outputs`
// +kubebuilder:validation:XValidation:rule=`!has(self.bindings) || !has(self.pubsub) || !self.bindings.exists(n, n in self.pubsub)`,message=`a component must not be declared in both bindings and pubsub; rename one of them`,fieldPath=`.pubsub`
// +kubebuilder:validation:XValidation:rule=`!has(self.bindings) || !has(self.states) || !self.bindings.exists(n, n in self.states)`,message=`a component must not be declared in both bindings and states; rename one of them`,fieldPath=`.states`
// +kubebuilder:validation:XValidation:rule=`!has(self.pubsub) || !has(self.states) || !self.pubsub.exists(n, n in self.states)`,message=`a component must not be declared in both pubsub and states; rename one of them`,fieldPath=`.states`
// +kubebuilder:validation:XValidation:rule=`!has(self.triggers) || !has(self.triggers.http) || !has(self.triggers.http.engine) || self.triggers.http.engine != 'knative' || !has(self.scaleOptions) || !has(self.scaleOptions.keda) || !has(self.scaleOptions.keda.httpScaledObject)`,message=`engine knative does not use scaleOptions.keda.httpScaledObject; set engine to keda, or remove httpScaledObject`,fieldPath=`.triggers.http.engine`
type ServingImpl struct {
	// triggers say what calls the function: HTTP requests, events of Dapr components, or both. Default: HTTP requests to
	// port 8080. With server-side apply they are one value: who sets a part of them owns them all.
	// Example: {http: {port: 9000}}
	// +optional
	// +structType=atomic
	Triggers *Triggers `json:"triggers,omitempty"`

	// scaleOptions say how many copies of the function run, and by what measure. Default: as many
	// as requests or events need, and none while there are none.
	// Example: {minReplicas: 1, maxReplicas: 20}
	// +optional
	ScaleOptions *ScaleOptions `json:"scaleOptions,omitempty"`

	// outputs are the Dapr components the function sends data to, at most 64. Default: none.
	// Example: [{dapr: {name: orders, topic: new}}]
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Outputs []Output `json:"outputs,omitempty"`

	// bindings are Dapr binding components made for this function, by the name that triggers and outputs use for them;
	// at most 64. A name may be used in only one of bindings, pubsub and states.
	// Example: {kafka: {type: bindings.kafka, version: v1, metadata: [{name: brokers, value: "kafka:9092"}]}}
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Bindings map[string]*daprv1alpha1.ComponentSpec `json:"bindings,omitempty"`

	// pubsub are Dapr pub/sub components made for this function, by the name that triggers and outputs use for them; at
	// most 64. Triggers and outputs that use one need a topic.
	// Example: {orders: {type: pubsub.redis, version: v1, metadata: [{name: redisHost, value: "redis:6379"}]}}
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Pubsub map[string]*daprv1alpha1.ComponentSpec `json:"pubsub,omitempty"`

	// states are Dapr state stores the function uses, by name; at most 64. One without spec refers to a Component that
	// exists in the namespace.
	// Example: {store: {spec: {type: state.redis, version: v1, metadata: []}}}
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	States map[string]*State `json:"states,omitempty"`

	// dapr says where Dapr runs for this function. Default: mode Function. The annotations dapr.io/inject-mode and
	// openfunction.io/dapr-service-mode mean the same, and this field wins over them.
	// Example: {mode: Sidecar}
	// +optional
	Dapr *DaprOptions `json:"dapr,omitempty"`

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
	// limit. It is not a limit for requests; that is triggers.http.requestTimeout.
	// Example: 5m
	// +optional
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[+]?(0|([0-9]+([.][0-9]*)?(ns|us|µs|μs|ms|s|m|h))+)$') && duration(self) >= duration('0s')`,message=`timeout must be a duration that is not negative; write it like 5m`
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// hooks are functions-framework plugins that run before and after the function. Default: the platform's.
	// Example: {pre: [auth], post: [audit]}
	// +optional
	Hooks *Hooks `json:"hooks,omitempty"`

	// tracing makes the functions framework send traces. Default: the platform's setting.
	// Example: {enabled: true, provider: {name: skywalking, oapServer: "oap:11800"}}
	// +optional
	Tracing *TracingConfig `json:"tracing,omitempty"`

	// workloadType is the kind of workload an event-driven function runs as: Deployment (default), StatefulSet or Job.
	// HTTP functions do not use it.
	// +optional
	WorkloadType WorkloadType `json:"workloadType,omitempty"`

	// rollout lets a new version of a Function that answers HTTP take over step by step, beside the current one. Default: at once, when the
	// new version is ready. It is for a Function only, and no part of a version itself.
	// Example: {steps: [{percent: 10, pause: 10m}, {percent: 50}]}
	// +optional
	Rollout *Rollout `json:"rollout,omitempty"`
}

// Rollout says by which steps a new version takes over the requests.
type Rollout struct {
	// steps are the shares of the requests that the new version gets one after the other, 1 to 16, each higher than the one before. After the
	// last it gets them all.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule=`self.map(s, s.percent).isSorted() && self.all(a, self.exists_one(b, b.percent == a.percent))`,message=`steps must go up; give each a percent higher than the one before`
	Steps []RolloutStep `json:"steps"`
}

// RolloutStep is one share of the requests, for a while.
type RolloutStep struct {
	// percent is the share that the new version gets, 1 to 99.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=99
	Percent int32 `json:"percent"`

	// pause is how long the step lasts. Without it the step lasts until the annotation openfunction.io/promote on the Function names the new
	// version (status.rollout.revision).
	// Example: 10m
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[+]?(0|([0-9]+([.][0-9]*)?(ns|us|µs|μs|ms|s|m|h))+)$') && duration(self) > duration('0s')`,message=`pause must be a duration above 0; write it like 10m, or leave it out to wait for promotion`
	Pause *metav1.Duration `json:"pause,omitempty"`
}

// WorkloadType is the kind of workload an event-driven function runs as.
// +kubebuilder:validation:Enum="";Deployment;StatefulSet;Job
type WorkloadType string

const (
	// WorkloadTypeDeployment runs the function as a Deployment.
	WorkloadTypeDeployment WorkloadType = "Deployment"
	// WorkloadTypeStatefulSet runs the function as a StatefulSet.
	WorkloadTypeStatefulSet WorkloadType = "StatefulSet"
	// WorkloadTypeJob runs the function as a Job.
	WorkloadTypeJob WorkloadType = "Job"
)

// ServingSpec is how one version of a function runs.
//
// +kubebuilder:validation:XValidation:rule=`!has(self.rollout)`,message=`rollout is for a Function; set it in spec.serving of a Function, or remove it`,fieldPath=`.rollout`
type ServingSpec struct {
	ServingImpl `json:",inline"`

	// version is the function's version, default latest. It must be a valid label value of at most 63 characters.
	// +optional
	// +kubebuilder:default=latest
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule=`self.matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$')`,message=`version must be a valid label value: letters, digits, - _ and . inside; write it like v1.0.0`
	Version *string `json:"version,omitempty"`

	// image is the function image to run. Example: registry.example.com/team/hello@sha256:7d86...
	// +required
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule=`self.matches('^(([a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*|\\[[0-9a-fA-F:]+\\])(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(@[A-Za-z][A-Za-z0-9]*:[0-9a-fA-F]{32,})?$')`,message=`image must be an image reference; write it like registry.example.com/team/hello:v1`
	Image string `json:"image"`

	// imageCredentials names a Secret of type kubernetes.io/dockerconfigjson to pull the image with.
	// +optional
	ImageCredentials *corev1.LocalObjectReference `json:"imageCredentials,omitempty"`

	// split sends a share of the HTTP requests for this Serving to another one of the namespace. Default: none. A Function sets it on its
	// Serving while a new version is tried.
	// Example: {serving: hello--canary, percent: 10}
	// +optional
	Split *ServingSplit `json:"split,omitempty"`
}

// ServingSplit is a share of a Serving's requests that another Serving answers.
type ServingSplit struct {
	// serving is the name of the Serving that gets the share, in the same namespace; at most 63 characters. One that does not exist, is not Ready
	// or answers no HTTP gets none, until it is and does. Only its own version counts, not where it sends a share of its own to.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Serving string `json:"serving"`

	// percent is how many of a hundred requests go there, 0 to 100. The others stay here.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Percent int32 `json:"percent"`
}

// ServingStatus is how the function runs.
type ServingStatus struct {
	// observedGeneration is the metadata.generation this status speaks about.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are the standard conditions: Ready, and while true Reconciling, Stalled and Unsupported.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// phase is Serving once the Serving was taken up.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Phase string `json:"phase,omitempty"`

	// state is where the Serving stands: Starting, Running, Failed, Timeout or UnknownRuntime. Empty means not started.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	State string `json:"state,omitempty"`

	// reason is the cause of the state in one word.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason,omitempty"`

	// message is the cause of the state in a sentence.
	// +optional
	// +kubebuilder:validation:MaxLength=32768
	Message string `json:"message,omitempty"`

	// resourceRef names the objects that run the function, by kind.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	ResourceRef map[string]string `json:"resourceRef,omitempty"`

	// url is the name of the Service that reaches the function. (It was always a name and never a URL.)
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Service string `json:"url,omitempty"`

	// addresses are the URLs of the function: the one inside the cluster, and the one outside that the engine gives it.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Addresses []FunctionAddress `json:"addresses,omitempty"`
}

// Serving is how one function runs now. A Function has one of the same name; it also works alone.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=sv,categories=openfunction
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Image",type=string,priority=1,JSONPath=`.spec.image`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule=`self.metadata.name.size() <= 63`,message=`metadata.name must be at most 63 characters, because it becomes a label and a host name; choose a shorter name`,fieldPath=`.metadata.name`
// +kubebuilder:validation:XValidation:rule=`!self.metadata.name.contains('.')`,message=`metadata.name must not contain a dot when the function is served, because it becomes a host name; use - in place of .`,fieldPath=`.metadata.name`
// +kubebuilder:validation:XValidation:rule=`(has(self.spec.triggers) && has(self.spec.triggers.dapr) && self.spec.triggers.dapr.size() > 0 && !has(self.spec.triggers.http)) || self.metadata.name.matches('^[a-z]')`,message=`metadata.name must begin with a letter when the function answers HTTP, because it becomes the name of a Service; choose a name like fn-1`,fieldPath=`.metadata.name`
// +kubebuilder:validation:XValidation:rule=`!self.metadata.name.matches('--(agent|agent-daprd|app-token|async|dapr|daprd|function|http|knative(-[0-9]+(-private)?)?|redelivery)$')`,message=`metadata.name must not end in --agent, --agent-daprd, --app-token, --async, --dapr, --daprd, --function, --http, --knative or --redelivery, which the platform adds to a function's name for what it makes beside it; use - in place of --`,fieldPath=`.metadata.name`
// +kubebuilder:validation:XValidation:rule=`!has(self.spec.split) || self.spec.split.serving != self.metadata.name`,message=`split.serving must be another Serving than this one; name the one that gets the share`,fieldPath=`.spec.split.serving`
type Serving struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is how the function runs.
	// +required
	Spec ServingSpec `json:"spec"`

	// status is how it goes.
	// +optional
	Status ServingStatus `json:"status,omitempty"`
}

// ServingList is a list of Servings.
//
// +kubebuilder:object:root=true
type ServingList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Serving `json:"items"`
}
