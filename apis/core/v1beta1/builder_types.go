// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// BuildImpl says how an image is made from source. A Function has it as spec.build; a Builder has it in its spec.
//
// An object that was written in v1beta2 with taskRef or source has neither builder nor srcRepo here, and keeps them out.
//
// +kubebuilder:validation:XValidation:rule=`(has(self.builder) && self.builder != "") || (has(self.dockerfile) && self.dockerfile != "") || (oldSelf.hasValue() && !(has(oldSelf.value().builder) && oldSelf.value().builder != "") && !(has(oldSelf.value().dockerfile) && oldSelf.value().dockerfile != ""))`,optionalOldSelf=true,message=`builder or dockerfile must be set; name a builder image such as openfunction/builder-go:latest, or the path of a Dockerfile`,fieldPath=`.builder`,reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule=`has(self.srcRepo) || (oldSelf.hasValue() && !has(oldSelf.value().srcRepo))`,optionalOldSelf=true,message=`srcRepo must be set; give a repository in srcRepo, or use v1beta2 to write the files into the object`,fieldPath=`.srcRepo`,reason=FieldValueRequired
type BuildImpl struct {
	// builder is the image that builds: a Cloud Native Buildpacks builder, or the tool image of another strategy.
	// Either builder or dockerfile is needed.
	// Example: openfunction/builder-go:latest
	// +optional
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule=`self == "" || self.matches('^(([a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*|\\[[0-9a-fA-F:]+\\])(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(@[A-Za-z][A-Za-z0-9]*:[0-9a-fA-F]{32,})?$')`,message=`builder must be an image reference; write it like registry.example.com/team/hello:v1`
	Builder *string `json:"builder,omitempty"`

	// builderCredentials names a Secret of type kubernetes.io/dockerconfigjson to pull the builder image with.
	// +optional
	BuilderCredentials *corev1.LocalObjectReference `json:"builderCredentials,omitempty"`

	// shipwright chooses the build strategy by its established name. Default: buildpacks when builder is set, else the
	// Dockerfile.
	// Example: {strategy: {name: kaniko}}
	// +optional
	Shipwright *ShipwrightEngine `json:"shipwright,omitempty"`

	// params are parameters of the build strategy, by name, at most 64.
	// Example: {registry-search: docker.io}
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Params map[string]string `json:"params,omitempty"`

	// env are environment variables of the build, by name; at most 1024. Buildpacks read their settings from here.
	// Example: {FUNC_NAME: HelloWorld}
	// +optional
	// +kubebuilder:validation:MaxProperties=1024
	Env map[string]string `json:"env,omitempty"`

	// srcRepo is where the source comes from: a git repository or an image that holds it.
	// Example: {url: "https://github.com/OpenFunction/samples.git", revision: main, sourceSubPath: functions/knative/hello-world-go}
	// +optional
	SrcRepo *corev1beta2.GitRepo `json:"srcRepo,omitempty"`

	// dockerfile is the path of the Dockerfile, relative to the source folder. It is used when builder is not set, and by
	// the strategies buildah and kaniko. Default: Dockerfile, for these strategies.
	// Example: Dockerfile
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule=`!self.split('/').exists(p, p == '..')`,message=`dockerfile must stay inside the source folder; remove the .. parts`
	Dockerfile *string `json:"dockerfile,omitempty"`

	// timeout is how long the whole build may take, counted from the creation of the Builder. Default: no limit.
	// Example: 10m
	// +optional
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[+]?(0|([0-9]+([.][0-9]*)?(ns|us|µs|μs|ms|s|m|h))+)$') && duration(self) >= duration('0s')`,message=`timeout must be a duration that is not negative; write it like 10m`
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// successfulBuildsHistoryLimit is how many succeeded Builders are kept, 0 to 10000, default 0. The Builder of the current
	// spec is always kept.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	SuccessfulBuildsHistoryLimit *int32 `json:"successfulBuildsHistoryLimit,omitempty"`

	// failedBuildsHistoryLimit is how many failed, timed out and canceled Builders are kept, 0 to 10000, default 1. The Builder
	// of the current spec is always kept.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	FailedBuildsHistoryLimit *int32 `json:"failedBuildsHistoryLimit,omitempty"`

	// builderMaxAge is how long a finished Builder is kept, whatever the history limits say. Default 0: for ever.
	// Example: 72h
	// +optional
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[+]?(0|([0-9]+([.][0-9]*)?(ns|us|µs|μs|ms|s|m|h))+)$') && duration(self) >= duration('0s')`,message=`builderMaxAge must be a duration that is not negative; write it like 72h`
	BuilderMaxAge *metav1.Duration `json:"builderMaxAge,omitempty"`
}

// ShipwrightEngine chooses the build strategy by its established name.
type ShipwrightEngine struct {
	// strategy names the build strategy. Default: buildpacks when builder is set, else the Dockerfile.
	// Example: {name: kaniko, kind: ClusterBuildStrategy}
	// +optional
	Strategy *corev1beta2.Strategy `json:"strategy,omitempty"`

	// timeout is accepted as before and not acted on; use build.timeout.
	// +optional
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[+]?(0|([0-9]+([.][0-9]*)?(ns|us|µs|μs|ms|s|m|h))+)$') && duration(self) >= duration('0s')`,message=`timeout must be a duration that is not negative; write it like 10m`
	Timeout *metav1.Duration `json:"timeout,omitempty"`
}

// BuilderSpec is one build: its source, how it is built and the image it makes. Only state may be changed later.
//
// +kubebuilder:validation:XValidation:rule=`has(self.builder) == has(oldSelf.builder) && (!has(self.builder) || self.builder == oldSelf.builder)`,message=`builder cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.builder`
// +kubebuilder:validation:XValidation:rule=`has(self.builderCredentials) == has(oldSelf.builderCredentials) && (!has(self.builderCredentials) || self.builderCredentials == oldSelf.builderCredentials)`,message=`builderCredentials cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.builderCredentials`
// +kubebuilder:validation:XValidation:rule=`has(self.shipwright) == has(oldSelf.shipwright) && (!has(self.shipwright) || self.shipwright == oldSelf.shipwright)`,message=`shipwright cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.shipwright`
// +kubebuilder:validation:XValidation:rule=`has(self.params) == has(oldSelf.params) && (!has(self.params) || self.params == oldSelf.params)`,message=`params cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.params`
// +kubebuilder:validation:XValidation:rule=`has(self.env) == has(oldSelf.env) && (!has(self.env) || self.env == oldSelf.env)`,message=`env cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.env`
// +kubebuilder:validation:XValidation:rule=`has(self.srcRepo) == has(oldSelf.srcRepo) && (!has(self.srcRepo) || self.srcRepo == oldSelf.srcRepo)`,message=`srcRepo cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.srcRepo`
// +kubebuilder:validation:XValidation:rule=`has(self.dockerfile) == has(oldSelf.dockerfile) && (!has(self.dockerfile) || self.dockerfile == oldSelf.dockerfile)`,message=`dockerfile cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.dockerfile`
// +kubebuilder:validation:XValidation:rule=`has(self.timeout) == has(oldSelf.timeout) && (!has(self.timeout) || self.timeout == oldSelf.timeout)`,message=`timeout cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.timeout`
// +kubebuilder:validation:XValidation:rule=`has(self.successfulBuildsHistoryLimit) == has(oldSelf.successfulBuildsHistoryLimit) && (!has(self.successfulBuildsHistoryLimit) || self.successfulBuildsHistoryLimit == oldSelf.successfulBuildsHistoryLimit)`,message=`successfulBuildsHistoryLimit cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.successfulBuildsHistoryLimit`
// +kubebuilder:validation:XValidation:rule=`has(self.failedBuildsHistoryLimit) == has(oldSelf.failedBuildsHistoryLimit) && (!has(self.failedBuildsHistoryLimit) || self.failedBuildsHistoryLimit == oldSelf.failedBuildsHistoryLimit)`,message=`failedBuildsHistoryLimit cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.failedBuildsHistoryLimit`
// +kubebuilder:validation:XValidation:rule=`has(self.builderMaxAge) == has(oldSelf.builderMaxAge) && (!has(self.builderMaxAge) || self.builderMaxAge == oldSelf.builderMaxAge)`,message=`builderMaxAge cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.builderMaxAge`
// +kubebuilder:validation:XValidation:rule=`has(self.imageCredentials) == has(oldSelf.imageCredentials) && (!has(self.imageCredentials) || self.imageCredentials == oldSelf.imageCredentials)`,message=`imageCredentials cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.imageCredentials`
// +kubebuilder:validation:XValidation:rule=`has(self.port) == has(oldSelf.port) && (!has(self.port) || self.port == oldSelf.port)`,message=`port cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.port`
// +kubebuilder:validation:XValidation:rule=`self.image == oldSelf.image`,message=`image cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.image`
// +kubebuilder:validation:XValidation:rule=`!has(self.imageCredentials) || self.imageCredentials.name != ""`,message=`imageCredentials.name must not be empty; name the Secret the build pushes with, or leave imageCredentials out`,fieldPath=`.imageCredentials.name`,reason=FieldValueRequired
type BuilderSpec struct {
	BuildImpl `json:",inline"`

	// image is the image the build pushes.
	// Example: registry.example.com/team/hello:v1
	// +required
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule=`self.matches('^(([a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*|\\[[0-9a-fA-F:]+\\])(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(@[A-Za-z][A-Za-z0-9]*:[0-9a-fA-F]{32,})?$')`,message=`image must be an image reference; write it like registry.example.com/team/hello:v1`
	Image string `json:"image"`

	// imageCredentials names a Secret of type kubernetes.io/dockerconfigjson to push the image with.
	// +optional
	ImageCredentials *corev1.LocalObjectReference `json:"imageCredentials,omitempty"`

	// port is accepted as before and not acted on: a build has no port.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	Port *int32 `json:"port,omitempty"`

	// state may be set to Cancelled to stop the build.
	// +optional
	State corev1beta2.BuilderState `json:"state,omitempty"`
}

// Builder is one build of an image from source. A Function makes one for each spec it builds; it also works alone.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:deprecatedversion:warning="core.openfunction.io/v1beta1 Builder is deprecated; use core.openfunction.io/v1beta2 Builder"
// +kubebuilder:resource:shortName=fb,categories=openfunction
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.reason`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule=`self.metadata.name.size() <= 63`,message=`metadata.name must be at most 63 characters, because it becomes a label; choose a shorter name`,fieldPath=`.metadata.name`
type Builder struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the build: its source, how it is built and the image it makes. Only state may be changed later.
	// +required
	Spec BuilderSpec `json:"spec"`

	// status is how the build goes and what it made; the same in every version.
	// +optional
	Status corev1beta2.BuilderStatus `json:"status,omitempty"`
}

// BuilderList is a list of Builders.
//
// +kubebuilder:object:root=true
type BuilderList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Builder `json:"items"`
}
