// SPDX-License-Identifier: Apache-2.0

package v1beta2

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// FunctionSpec says what image to build, and how to run it.
//
// +kubebuilder:validation:XValidation:rule=`has(self.build) || has(self.serving)`,message=`build or serving must be set; add build to make an image from source, serving to run it, or both`,fieldPath=`.serving`,reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule=`!has(self.rollbackTo) || has(self.serving)`,message=`rollbackTo is about what is served; set serving, or remove rollbackTo`,fieldPath=`.rollbackTo`
// +kubebuilder:validation:XValidation:rule=`!has(self.build) || !has(self.imageCredentials) || self.imageCredentials.name != ""`,message=`imageCredentials.name must not be empty; name the Secret the build pushes with, or leave imageCredentials out`,fieldPath=`.imageCredentials.name`,reason=FieldValueRequired
type FunctionSpec struct {
	// workloadRuntime is the runtime the function is made for: OCIContainer (default) or WasmEdge, in any case.
	// +optional
	// +kubebuilder:default=OCIContainer
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule=`self == "" || self.lowerAscii() in ['ocicontainer', 'wasmedge']`,message=`workloadRuntime must be OCIContainer or WasmEdge; leave it out for OCIContainer`
	WorkloadRuntime string `json:"workloadRuntime,omitempty"`

	// version is the function's version, default latest. It becomes the label app.kubernetes.io/version and is told
	// to the function in FUNC_CONTEXT, so it must be a valid label value of at most 63 characters.
	// Example: v2.0.0
	// +optional
	// +kubebuilder:default=latest
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule=`self.matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$')`,message=`version must be a valid label value: letters, digits, - _ and . inside; write it like v1.0.0`
	Version *string `json:"version,omitempty"`

	// image is the image the build pushes, and the image that is served when there is no build.
	// Example: registry.example.com/team/hello:v1
	// +required
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule=`self.matches('^(([a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*|\\[[0-9a-fA-F:]+\\])(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(@[A-Za-z][A-Za-z0-9]*:[0-9a-fA-F]{32,})?$')`,message=`image must be an image reference; write it like registry.example.com/team/hello:v1`
	Image string `json:"image"`

	// imageCredentials names a Secret of type kubernetes.io/dockerconfigjson in the Function's namespace. The build
	// pushes with it and the function's pods pull with it.
	// +optional
	ImageCredentials *corev1.LocalObjectReference `json:"imageCredentials,omitempty"`

	// build says how the image is made from source. Without it nothing is built and image is served as written.
	// +optional
	Build *BuildImpl `json:"build,omitempty"`

	// serving says how the image runs. Without it the Function only builds.
	// +optional
	Serving *ServingImpl `json:"serving,omitempty"`

	// rollbackTo serves an earlier version again, at once and without a build: its number in status.revisions, 1 or more. While it is set,
	// changes of source and settings are not served; remove it to go forward again. Default: the newest version.
	// Example: 3
	// +optional
	// +kubebuilder:validation:Minimum=1
	RollbackTo *int64 `json:"rollbackTo,omitempty"`

	// revisionHistoryLimit is how many versions that were replaced are kept for rollbackTo, 0 to 100, default 10. The one that is served, or
	// rolled back to, is always kept.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	RevisionHistoryLimit *int32 `json:"revisionHistoryLimit,omitempty"`
}

// FunctionStatus is what the platform has made of the Function.
type FunctionStatus struct {
	// observedGeneration is the metadata.generation this status speaks about.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are the standard conditions. Ready sums up; Built, Served and Routed explain; Reconciling and
	// Stalled are present only while true; Unsupported lists accepted fields this release does not act on.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// route tells how requests reach the function from outside.
	// +optional
	Route *RouteStatus `json:"route,omitempty"`

	// build is the state of the build of the current spec.
	// +optional
	Build *StageStatus `json:"build,omitempty"`

	// serving is the state of the Serving of this Function.
	// +optional
	Serving *StageStatus `json:"serving,omitempty"`

	// addresses are the URLs the function answers at.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Addresses []FunctionAddress `json:"addresses,omitempty"`

	// image is the image being served, by digest when it was built here.
	// Example: registry.example.com/team/hello@sha256:7d86...
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Image string `json:"image,omitempty"`

	// revision identifies what the last successful build made.
	// +optional
	Revision *Revision `json:"revision,omitempty"`

	// sources are the sources the last build used: the commit, or the digest of the bundle.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Sources []SourceResult `json:"sources,omitempty"`

	// currentRevision is the number of the version that is served; during a rollout, of the one that is about to be replaced.
	// +optional
	// +kubebuilder:validation:Minimum=0
	CurrentRevision int64 `json:"currentRevision,omitempty"`

	// revisions are the versions that spec.rollbackTo can name, newest first: those that were replaced, and the current one.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=128
	Revisions []FunctionRevision `json:"revisions,omitempty"`

	// rollout tells how far the rollout of a new version has come; absent while there is none.
	// +optional
	Rollout *RolloutStatus `json:"rollout,omitempty"`
}

// FunctionRevision is one version of a Function that serves or did.
type FunctionRevision struct {
	// revision is its number, by which spec.rollbackTo names it. It is higher than that of the versions before.
	// +required
	// +kubebuilder:validation:Minimum=1
	Revision int64 `json:"revision"`

	// name is the name of the ControllerRevision that keeps it, made from its content. Example: hello-3f2a91c07d
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// image is what it serves. Example: registry.example.com/team/hello@sha256:7d86...
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Image string `json:"image,omitempty"`

	// version is its spec.version. Example: v1.0.0
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Version string `json:"version,omitempty"`

	// recordedTime is when another version first took its place; absent for one that nothing has replaced.
	// +optional
	RecordedTime *metav1.Time `json:"recordedTime,omitempty"`
}

// RolloutStatus tells how far the rollout of a new version has come.
type RolloutStatus struct {
	// revision names the new version, as the annotation openfunction.io/promote has to. Example: hello-3f2a91c07d
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Revision string `json:"revision"`

	// step is the step of serving.rollout that it has come to, from 1; 0 while the new version gets no requests.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Step int32 `json:"step,omitempty"`

	// steps is how many there are.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Steps int32 `json:"steps,omitempty"`

	// percent is the share of the requests that the new version gets.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Percent int32 `json:"percent"`

	// sinceTime is when that step began.
	// +optional
	SinceTime *metav1.Time `json:"sinceTime,omitempty"`
}

// RouteStatus tells how requests reach the function from outside.
type RouteStatus struct {
	// hosts are the host names the route answers to, at most 16.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Hosts []gatewayv1.Hostname `json:"hosts,omitempty"`

	// paths are the path matches of the route, at most 16.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Paths []gatewayv1.HTTPPathMatch `json:"paths,omitempty"`

	// conditions are what the gateway says about the route.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// StageStatus is the state of one stage of a Function: its build or its serving.
type StageStatus struct {
	// state is where the stage stands: Created, Building, Starting, Running, Succeeded, Failed, Skipped, Timeout,
	// Canceled or UnknownRuntime. Empty means not started.
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

	// resourceRef is the name of the Builder or Serving of this stage.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ResourceRef string `json:"resourceRef,omitempty"`

	// lastSuccessfulResourceRef is the name of the last Builder or Serving of this stage that succeeded.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	LastSuccessfulResourceRef string `json:"lastSuccessfulResourceRef,omitempty"`

	// resourceHash is the hash of the part of the spec this stage depends on.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	ResourceHash string `json:"resourceHash,omitempty"`

	// service is the name of the Service that reaches the function; set on the serving stage only.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Service string `json:"service,omitempty"`

	// buildDuration is how long the build took; set on the build stage only.
	// +optional
	BuildDuration *metav1.Duration `json:"buildDuration,omitempty"`

	// failure says which step of the build failed and what it printed last; set on the build stage only.
	// +optional
	Failure *BuildFailure `json:"failure,omitempty"`
}

// AddressType says from where an address can be reached.
// +kubebuilder:validation:Enum=Internal;External
type AddressType string

const (
	// InternalAddressType marks an address that answers inside the cluster.
	InternalAddressType AddressType = "Internal"
	// ExternalAddressType marks an address that answers outside the cluster.
	ExternalAddressType AddressType = "External"
)

// FunctionAddress is one URL the function answers at.
type FunctionAddress struct {
	// type is Internal for an address that answers inside the cluster and External for one that answers outside.
	// +optional
	Type *AddressType `json:"type,omitempty"`

	// value is the URL. Example: http://hello.default.svc.cluster.local/
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Value string `json:"value"`
}

// Revision identifies what the last successful build made.
type Revision struct {
	// imageDigest is the digest of the built image. Example: sha256:7d86...
	// +optional
	// +kubebuilder:validation:MaxLength=256
	ImageDigest string `json:"imageDigest,omitempty"`
}

// Function is a piece of source code, or a ready image, that the platform builds, runs, scales and gives an address.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=fn,categories=openfunction
// +kubebuilder:printcolumn:name="BuildState",type=string,JSONPath=`.status.build.state`
// +kubebuilder:printcolumn:name="ServingState",type=string,JSONPath=`.status.serving.state`
// +kubebuilder:printcolumn:name="Builder",type=string,JSONPath=`.status.build.resourceRef`
// +kubebuilder:printcolumn:name="Serving",type=string,JSONPath=`.status.serving.resourceRef`
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.status.addresses[?(@.type=="Internal")].value`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Revision",type=integer,priority=1,JSONPath=`.status.currentRevision`
// +kubebuilder:printcolumn:name="URL",type=string,priority=1,JSONPath=`.status.addresses[?(@.type=="External")].value`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule=`self.metadata.name.size() <= 63`,message=`metadata.name must be at most 63 characters, because it becomes a label and a host name; choose a shorter name`,fieldPath=`.metadata.name`
// +kubebuilder:validation:XValidation:rule=`!has(self.spec.serving) || !self.metadata.name.contains('.')`,message=`metadata.name must not contain a dot when the function is served, because it becomes a host name; use - in place of .`,fieldPath=`.metadata.name`
// +kubebuilder:validation:XValidation:rule=`!has(self.spec.serving) || (has(self.spec.serving.triggers) && has(self.spec.serving.triggers.dapr) && self.spec.serving.triggers.dapr.size() > 0 && !has(self.spec.serving.triggers.http)) || self.metadata.name.matches('^[a-z]')`,message=`metadata.name must begin with a letter when the function answers HTTP, because it becomes the name of a Service; choose a name like fn-1`,fieldPath=`.metadata.name`
// +kubebuilder:validation:XValidation:rule=`!self.metadata.name.matches('--(agent|agent-daprd|app-token|async|canary|dapr|daprd|function|http|knative(-[0-9]+(-private)?)?|redelivery)$')`,message=`metadata.name must not end in --agent, --agent-daprd, --app-token, --async, --canary, --dapr, --daprd, --function, --http, --knative or --redelivery, which the platform adds to a function's name for what it makes beside it; use - in place of --`,fieldPath=`.metadata.name`
type Function struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what image to build, and how to run it.
	// +required
	Spec FunctionSpec `json:"spec"`

	// status is what the platform has made of it.
	// +optional
	Status FunctionStatus `json:"status,omitempty"`
}

// FunctionList is a list of Functions.
//
// +kubebuilder:object:root=true
type FunctionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Function `json:"items"`
}
