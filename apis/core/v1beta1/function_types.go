// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// FunctionSpec says what image to build, and how to run it.
//
// +kubebuilder:validation:XValidation:rule=`has(self.build) || has(self.serving)`,message=`build or serving must be set; add build to make an image from source, serving to run it, or both`,fieldPath=`.serving`,reason=FieldValueRequired
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

	// port is the port the function listens on, 0 to 65535. Default, and the meaning of 0: 8080. It is not used with runtime async.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	Port *int32 `json:"port,omitempty"`

	// build says how the image is made from source. Without it nothing is built and image is served as written.
	// +optional
	Build *BuildImpl `json:"build,omitempty"`

	// serving says how the image runs. Without it the Function only builds.
	// +optional
	Serving *ServingImpl `json:"serving,omitempty"`

	// route says at which hosts and paths the function answers outside the cluster. Default: a host made from the Gateway's
	// hostTemplate, every path. It is not used with runtime async.
	// Example: {hostnames: [hello.example.com]}
	// +optional
	Route *corev1beta2.Route `json:"route,omitempty"`
}

// Function is a piece of source code, or a ready image, that the platform builds, runs, scales and gives an address.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:deprecatedversion:warning="core.openfunction.io/v1beta1 Function is deprecated; use core.openfunction.io/v1beta2 Function"
// +kubebuilder:resource:shortName=fn,categories=openfunction
// +kubebuilder:printcolumn:name="BuildState",type=string,JSONPath=`.status.build.state`
// +kubebuilder:printcolumn:name="ServingState",type=string,JSONPath=`.status.serving.state`
// +kubebuilder:printcolumn:name="Builder",type=string,JSONPath=`.status.build.resourceRef`
// +kubebuilder:printcolumn:name="Serving",type=string,JSONPath=`.status.serving.resourceRef`
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.status.addresses[?(@.type=="Internal")].value`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule=`self.metadata.name.size() <= 63`,message=`metadata.name must be at most 63 characters, because it becomes a label and a host name; choose a shorter name`,fieldPath=`.metadata.name`
// +kubebuilder:validation:XValidation:rule=`!has(self.spec.serving) || !self.metadata.name.contains('.')`,message=`metadata.name must not contain a dot when the function is served, because it becomes a host name; use - in place of .`,fieldPath=`.metadata.name`
// +kubebuilder:validation:XValidation:rule=`!has(self.spec.serving) || (self.spec.serving.runtime == 'async' && has(self.spec.serving.inputs) && self.spec.serving.inputs.size() > 0) || self.metadata.name.matches('^[a-z]')`,message=`metadata.name must begin with a letter when the function answers HTTP, because it becomes the name of a Service; choose a name like fn-1`,fieldPath=`.metadata.name`
// +kubebuilder:validation:XValidation:rule=`!self.metadata.name.matches('--(agent|agent-daprd|app-token|async|canary|dapr|daprd|function|http|knative(-[0-9]+(-private)?)?|redelivery)$')`,message=`metadata.name must not end in --agent, --agent-daprd, --app-token, --async, --canary, --dapr, --daprd, --function, --http, --knative or --redelivery, which the platform adds to a function's name for what it makes beside it; use - in place of --`,fieldPath=`.metadata.name`
type Function struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what image to build, and how to run it.
	// +required
	Spec FunctionSpec `json:"spec"`

	// status is what the platform has made of it; the same in every version.
	// +optional
	Status corev1beta2.FunctionStatus `json:"status,omitempty"`
}

// FunctionList is a list of Functions.
//
// +kubebuilder:object:root=true
type FunctionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Function `json:"items"`
}
