// SPDX-License-Identifier: Apache-2.0

package v1beta2

import (
	shipwrightv1beta1 "github.com/shipwright-io/build/pkg/apis/build/v1beta1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BuildImpl says how an image is made from source. A Function has it as spec.build; a Builder has it in its spec.
//
// +kubebuilder:validation:XValidation:rule=`(has(self.builder) && self.builder != "") || (has(self.dockerfile) && self.dockerfile != "") || has(self.taskRef)`,message=`builder, dockerfile or taskRef must be set; name a builder image such as openfunction/builder-go:latest, or the path of a Dockerfile`,fieldPath=`.builder`,reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule=`has(self.srcRepo) || has(self.source)`,message=`srcRepo or source must be set; give a repository in srcRepo, or the files in source.inline`,fieldPath=`.srcRepo`,reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule=`!(has(self.srcRepo) && has(self.source))`,message=`srcRepo and source must not both be set; remove one of them`,fieldPath=`.source`,reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule=`!(has(self.taskRef) && has(self.dockerfile))`,message=`taskRef and dockerfile must not both be set; a Task of your own builds in its own way, so remove one of them`,fieldPath=`.taskRef`,reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule=`!(has(self.taskRef) && has(self.shipwright) && has(self.shipwright.strategy))`,message=`taskRef and shipwright.strategy must not both be set; remove one of them`,fieldPath=`.taskRef`,reason=FieldValueForbidden
type BuildImpl struct {
	// builder is the image that builds: a Cloud Native Buildpacks builder, or the tool image of another strategy.
	// Either builder or dockerfile is needed, except with taskRef.
	// Example: openfunction/builder-go:latest
	// +optional
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule=`self == "" || self.matches('^(([a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*|\\[[0-9a-fA-F:]+\\])(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(@[A-Za-z][A-Za-z0-9]*:[0-9a-fA-F]{32,})?$')`,message=`builder must be an image reference; write it like registry.example.com/team/hello:v1`
	Builder *string `json:"builder,omitempty"`

	// builderCredentials names a Secret of type kubernetes.io/dockerconfigjson to pull the builder image with.
	// +optional
	BuilderCredentials *corev1.LocalObjectReference `json:"builderCredentials,omitempty"`

	// shipwright chooses the build strategy by its established name, and gives it parameters. Default: buildpacks when
	// builder is set, else the Dockerfile.
	// Example: {strategy: {name: kaniko}}
	// +optional
	Shipwright *ShipwrightEngine `json:"shipwright,omitempty"`

	// taskRef names a Tekton Task of your own in the same namespace that does the build in place of a strategy. It cannot
	// be combined with dockerfile or shipwright.strategy.
	// Example: {name: my-build}
	// +optional
	TaskRef *TaskRef `json:"taskRef,omitempty"`

	// env are environment variables of the build, by name; at most 1024. Buildpacks read their settings from here.
	// Example: {FUNC_NAME: HelloWorld}
	// +optional
	// +kubebuilder:validation:MaxProperties=1024
	Env map[string]string `json:"env,omitempty"`

	// srcRepo is where the source comes from: a git repository or an image that holds it.
	// Exactly one of srcRepo and source is needed.
	// Example: {url: "https://github.com/OpenFunction/samples.git", revision: main, sourceSubPath: functions/knative/hello-world-go}
	// +optional
	SrcRepo *GitRepo `json:"srcRepo,omitempty"`

	// source is source code written in the object itself. Exactly one of srcRepo and source is needed.
	// Example: {inline: {main.go: "package main ..."}}
	// +optional
	Source *Source `json:"source,omitempty"`

	// dockerfile is the path of the Dockerfile, relative to the source folder. It is used when builder is not set, and by
	// the strategies buildah and kaniko. Default: Dockerfile, for these strategies.
	// Example: Dockerfile
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule=`!self.split('/').exists(p, p == '..')`,message=`dockerfile must stay inside the source folder; remove the .. parts`
	Dockerfile *string `json:"dockerfile,omitempty"`

	// cache is where layers are kept between builds: Registry (default) keeps them in an image beside the output
	// image, None keeps nothing.
	// +optional
	// +kubebuilder:default=Registry
	Cache BuildCache `json:"cache,omitempty"`

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

// BuildCache is where layers are kept between builds.
// +kubebuilder:validation:Enum=Registry;None
type BuildCache string

const (
	// RegistryBuildCache keeps layers in an image beside the output image.
	RegistryBuildCache BuildCache = "Registry"
	// NoBuildCache keeps nothing between builds.
	NoBuildCache BuildCache = "None"
)

// ShipwrightEngine chooses the build strategy by its established name, and gives it parameters.
type ShipwrightEngine struct {
	// strategy names the build strategy. Default: buildpacks when builder is set, else the Dockerfile.
	// Example: {name: kaniko, kind: ClusterBuildStrategy}
	// +optional
	Strategy *Strategy `json:"strategy,omitempty"`

	// params are parameters of the strategy, by name, at most 64.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Params []shipwrightv1beta1.ParamValue `json:"params,omitempty"`

	// timeout is accepted as before and not acted on; use build.timeout.
	// +optional
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[+]?(0|([0-9]+([.][0-9]*)?(ns|us|µs|μs|ms|s|m|h))+)$') && duration(self) >= duration('0s')`,message=`timeout must be a duration that is not negative; write it like 10m`
	Timeout *metav1.Duration `json:"timeout,omitempty"`
}

// Strategy names a build strategy.
type Strategy struct {
	// name is the strategy: openfunction or buildpacks; buildah, kaniko or dockerfile.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// kind is BuildStrategy or ClusterBuildStrategy.
	// +optional
	// +kubebuilder:validation:Enum=BuildStrategy;ClusterBuildStrategy
	Kind *string `json:"kind,omitempty"`
}

// TaskRef names a Tekton Task.
type TaskRef struct {
	// name is the name of the Task.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// GitRepo is where source comes from: a git repository, or an image that holds the source.
//
// +kubebuilder:validation:XValidation:rule=`(has(self.url) && self.url != "") || has(self.bundleContainer)`,message=`url or bundleContainer must be set; give the git repository in url, or the image that holds the source in bundleContainer.image`,fieldPath=`.url`,reason=FieldValueRequired
type GitRepo struct {
	// url is the git repository, over https, http, ssh or git. Either url or bundleContainer is needed.
	// Example: https://github.com/OpenFunction/samples.git
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule=`self == "" || self.matches('^(https?|ssh|git)://[^[:space:]]+$') || self.matches('^[^[:space:]/:@]+@[^[:space:]/:]+:[^[:space:]]+$')`,message=`url must be a git address over https, http, ssh or git; write it like https://github.com/OpenFunction/samples.git`
	URL string `json:"url,omitempty"`

	// bundleContainer is an image that holds the source.
	// +optional
	BundleContainer *BundleContainer `json:"bundleContainer,omitempty"`

	// revision is the branch, tag or commit. Default: the repository's default branch.
	// Example: main
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Revision *string `json:"revision,omitempty"`

	// sourceSubPath is the folder inside the repository that holds the function. Default: the top folder.
	// Example: functions/knative/hello-world-go
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule=`!self.split('/').exists(p, p == '..')`,message=`sourceSubPath must stay inside the repository; remove the .. parts`
	SourceSubPath *string `json:"sourceSubPath,omitempty"`

	// credentials names a Secret for the repository (kubernetes.io/basic-auth or kubernetes.io/ssh-auth) or for the
	// bundle (kubernetes.io/dockerconfigjson).
	// +optional
	Credentials *corev1.LocalObjectReference `json:"credentials,omitempty"`
}

// BundleContainer is an image that holds source.
type BundleContainer struct {
	// image is the image reference. Example: registry.example.com/team/hello-source:main
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule=`self.matches('^(([a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*|\\[[0-9a-fA-F:]+\\])(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(@[A-Za-z][A-Za-z0-9]*:[0-9a-fA-F]{32,})?$')`,message=`image must be an image reference; write it like registry.example.com/team/hello:v1`
	Image string `json:"image"`
}

// Source is source code written in the object itself.
type Source struct {
	// inline maps a file name to its content: at most 64 files and 512 KiB together. Names are relative paths
	// without . or .. parts.
	// Example: {main.go: "package main ..."}
	// +required
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule=`self.all(name, name.size() <= 255 && !name.split('/').exists(p, p in ["", '.', '..']))`,message=`names in inline must be relative paths of at most 255 characters without empty, . or .. parts; write them like cmd/main.go`
	// +kubebuilder:validation:XValidation:rule=`self.map(name, self[name].size()).sum() <= 524288`,message=`the files in inline must not be over 512 KiB together; use srcRepo for larger sources`
	Inline map[string]string `json:"inline"`
}

// BuilderState is what a user asks of a build that exists.
// +kubebuilder:validation:Enum=Cancelled
type BuilderState string

// BuilderStateCancelled asks to stop the build.
const BuilderStateCancelled BuilderState = "Cancelled"

// BuilderSpec is one build: its source, how it is built and the image it makes. Only state may be changed later.
//
// +kubebuilder:validation:XValidation:rule=`has(self.builder) == has(oldSelf.builder) && (!has(self.builder) || self.builder == oldSelf.builder)`,message=`builder cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.builder`
// +kubebuilder:validation:XValidation:rule=`has(self.builderCredentials) == has(oldSelf.builderCredentials) && (!has(self.builderCredentials) || self.builderCredentials == oldSelf.builderCredentials)`,message=`builderCredentials cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.builderCredentials`
// +kubebuilder:validation:XValidation:rule=`has(self.shipwright) == has(oldSelf.shipwright) && (!has(self.shipwright) || self.shipwright == oldSelf.shipwright)`,message=`shipwright cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.shipwright`
// +kubebuilder:validation:XValidation:rule=`has(self.taskRef) == has(oldSelf.taskRef) && (!has(self.taskRef) || self.taskRef == oldSelf.taskRef)`,message=`taskRef cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.taskRef`
// +kubebuilder:validation:XValidation:rule=`has(self.env) == has(oldSelf.env) && (!has(self.env) || self.env == oldSelf.env)`,message=`env cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.env`
// +kubebuilder:validation:XValidation:rule=`has(self.srcRepo) == has(oldSelf.srcRepo) && (!has(self.srcRepo) || self.srcRepo == oldSelf.srcRepo)`,message=`srcRepo cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.srcRepo`
// +kubebuilder:validation:XValidation:rule=`has(self.source) == has(oldSelf.source) && (!has(self.source) || self.source == oldSelf.source)`,message=`source cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.source`
// +kubebuilder:validation:XValidation:rule=`has(self.dockerfile) == has(oldSelf.dockerfile) && (!has(self.dockerfile) || self.dockerfile == oldSelf.dockerfile)`,message=`dockerfile cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.dockerfile`
// +kubebuilder:validation:XValidation:rule=`has(self.cache) == has(oldSelf.cache) && (!has(self.cache) || self.cache == oldSelf.cache)`,message=`cache cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.cache`
// +kubebuilder:validation:XValidation:rule=`has(self.timeout) == has(oldSelf.timeout) && (!has(self.timeout) || self.timeout == oldSelf.timeout)`,message=`timeout cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.timeout`
// +kubebuilder:validation:XValidation:rule=`has(self.successfulBuildsHistoryLimit) == has(oldSelf.successfulBuildsHistoryLimit) && (!has(self.successfulBuildsHistoryLimit) || self.successfulBuildsHistoryLimit == oldSelf.successfulBuildsHistoryLimit)`,message=`successfulBuildsHistoryLimit cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.successfulBuildsHistoryLimit`
// +kubebuilder:validation:XValidation:rule=`has(self.failedBuildsHistoryLimit) == has(oldSelf.failedBuildsHistoryLimit) && (!has(self.failedBuildsHistoryLimit) || self.failedBuildsHistoryLimit == oldSelf.failedBuildsHistoryLimit)`,message=`failedBuildsHistoryLimit cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.failedBuildsHistoryLimit`
// +kubebuilder:validation:XValidation:rule=`has(self.builderMaxAge) == has(oldSelf.builderMaxAge) && (!has(self.builderMaxAge) || self.builderMaxAge == oldSelf.builderMaxAge)`,message=`builderMaxAge cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.builderMaxAge`
// +kubebuilder:validation:XValidation:rule=`has(self.imageCredentials) == has(oldSelf.imageCredentials) && (!has(self.imageCredentials) || self.imageCredentials == oldSelf.imageCredentials)`,message=`imageCredentials cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.imageCredentials`
// +kubebuilder:validation:XValidation:rule=`self.image == oldSelf.image`,message=`image cannot be changed once the Builder exists; create another Builder, or change the Function it belongs to`,fieldPath=`.image`
// +kubebuilder:validation:XValidation:rule=`!has(self.imageCredentials) || self.imageCredentials.name != ""`,message=`imageCredentials.name must not be empty; name the Secret the build pushes with, or leave imageCredentials out`,fieldPath=`.imageCredentials.name`,reason=FieldValueRequired
type BuilderSpec struct {
	BuildImpl `json:",inline"`

	// image is the image the build pushes. Example: registry.example.com/team/hello:v1
	// +required
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule=`self.matches('^(([a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*|\\[[0-9a-fA-F:]+\\])(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(@[A-Za-z][A-Za-z0-9]*:[0-9a-fA-F]{32,})?$')`,message=`image must be an image reference; write it like registry.example.com/team/hello:v1`
	Image string `json:"image"`

	// imageCredentials names a Secret of type kubernetes.io/dockerconfigjson to push the image with.
	// +optional
	ImageCredentials *corev1.LocalObjectReference `json:"imageCredentials,omitempty"`

	// state may be set to Cancelled to stop the build.
	// +optional
	State BuilderState `json:"state,omitempty"`
}

// BuilderStatus is how the build goes and what it made.
type BuilderStatus struct {
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

	// phase is Build once the build was taken up.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Phase string `json:"phase,omitempty"`

	// state is where the build stands: Building, Succeeded, Failed, Timeout or Canceled. Empty means not started.
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

	// buildDuration is how long the build took.
	// +optional
	BuildDuration *metav1.Duration `json:"buildDuration,omitempty"`

	// resourceRef names the objects that do the build, by kind.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	ResourceRef map[string]string `json:"resourceRef,omitempty"`

	// output is the image that was made.
	// +optional
	Output *BuilderOutput `json:"output,omitempty"`

	// sources are the sources that were built: the commit, or the digest of the bundle.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Sources []SourceResult `json:"sources,omitempty"`

	// failure says which step failed and what it printed last.
	// +optional
	Failure *BuildFailure `json:"failure,omitempty"`
}

// BuilderOutput is an image a build made.
type BuilderOutput struct {
	// digest is the digest of the image. Example: sha256:7d86...
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Digest string `json:"digest,omitempty"`

	// size is the compressed size of the image in bytes.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Size int64 `json:"size,omitempty"`
}

// BuildFailure says which step of a build failed and what it printed last.
type BuildFailure struct {
	// step is the name of the step that failed. Example: fetch
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Step string `json:"step,omitempty"`

	// exitCode is the exit code of that step.
	// +optional
	ExitCode int32 `json:"exitCode,omitempty"`

	// log is the end of what that step printed, at most 4096 bytes.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Log string `json:"log,omitempty"`
}

// SourceResult identifies a source that was built.
type SourceResult struct {
	// name is the name of the source, default when there is only one.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// git identifies the commit of a git source.
	// +optional
	Git *GitSourceResult `json:"git,omitempty"`

	// bundle identifies the image of a bundle source.
	// +optional
	Bundle *BundleSourceResult `json:"bundle,omitempty"`
}

// GitSourceResult identifies a commit.
type GitSourceResult struct {
	// commitSha is the full hash of the commit.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	CommitSha string `json:"commitSha,omitempty"`

	// commitAuthor is the author of the commit.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	CommitAuthor string `json:"commitAuthor,omitempty"`

	// branchName is the branch, when the revision was one.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	BranchName string `json:"branchName,omitempty"`
}

// BundleSourceResult identifies the image of a bundle source.
type BundleSourceResult struct {
	// digest is the digest of the image.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Digest string `json:"digest,omitempty"`
}

// Builder is one build of an image from source. A Function makes one for each spec it builds; it also works alone.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=fb,categories=openfunction
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.reason`
// +kubebuilder:printcolumn:name="BuildDuration",type=string,JSONPath=`.status.buildDuration`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Digest",type=string,priority=1,JSONPath=`.status.output.digest`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule=`self.metadata.name.size() <= 63`,message=`metadata.name must be at most 63 characters, because it becomes a label; choose a shorter name`,fieldPath=`.metadata.name`
type Builder struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the build: its source, how it is built and the image it makes. Only state may be changed later.
	// +required
	Spec BuilderSpec `json:"spec"`

	// status is how the build goes and what it made.
	// +optional
	Status BuilderStatus `json:"status,omitempty"`
}

// BuilderList is a list of Builders.
//
// +kubebuilder:object:root=true
type BuilderList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Builder `json:"items"`
}
