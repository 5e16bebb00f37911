// SPDX-License-Identifier: Apache-2.0

package v1beta2

// Condition types. Ready, Reconciling and Stalled follow kstatus; the others are the parts that Ready sums up.
const (
	// ReadyCondition is True while the object's current spec is fully carried out. All kinds have it.
	ReadyCondition = "Ready"
	// ReconcilingCondition exists, and is True, while the object is on its way without the user. All kinds.
	ReconcilingCondition = "Reconciling"
	// StalledCondition exists, and is True, while the object cannot go on until the user acts. All kinds.
	StalledCondition = "Stalled"
	// UnsupportedCondition exists, and is True, while the spec has fields that are accepted but not acted on by this
	// release. Its message lists them. Functions, Builders and Servings.
	UnsupportedCondition = "Unsupported"
	// BuiltCondition is True when the current source was built into an image. Functions with spec.build.
	BuiltCondition = "Built"
	// ServedCondition is True when the current image and settings serve. Functions with spec.serving.
	ServedCondition = "Served"
	// RoutedCondition is True when the function has an address, and its route is carried where it has one. Functions with an HTTP trigger.
	RoutedCondition = "Routed"
	// RolledBackCondition exists, and is True, while spec.rollbackTo keeps an earlier version serving. Functions.
	RolledBackCondition = "RolledBack"
)

// Reasons of conditions and of the established status fields.
const (
	// ReadyReason: everything is done.
	ReadyReason = "Ready"
	// FieldsNotActedOnReason: Unsupported; the message lists the fields.
	FieldsNotActedOnReason = "FieldsNotActedOn"
	// InvalidSpecReason: a value that admission could not judge is wrong; the message names field and fix.
	InvalidSpecReason = "InvalidSpec"
	// NameTakenReason: an object of somebody else has the name of a child.
	NameTakenReason = "NameTaken"
	// PodSecurityReason: the namespace enforces a Pod Security level that the pods would break; the message says how.
	PodSecurityReason = "PodSecurity"
	// ProviderNotInstalledReason: an engine's CRDs are missing; the message says how to install it.
	ProviderNotInstalledReason = "ProviderNotInstalled"
	// RefusedReason: the API server or an engine's webhook refused an object; the message is its own.
	RefusedReason = "Refused"

	// HostNotAllowedReason: a host name in route.hostnames belongs to another namespace; the message names it.
	HostNotAllowedReason = "HostNotAllowed"
	// ReferenceNotGrantedReason: the spec refers to an object of others that does not grant it; the message says how it would.
	ReferenceNotGrantedReason = "ReferenceNotGranted"

	// ComponentNotFoundReason: a Dapr Component that the spec refers to does not exist; the message names it.
	ComponentNotFoundReason = "ComponentNotFound"
	// DaprStartingReason: the agent or the shared daprd of the function is not ready yet.
	DaprStartingReason = "DaprStarting"
	// DaprFailedReason: the agent or the shared daprd of the function cannot start; the message says why.
	DaprFailedReason = "DaprFailed"
	// ScalerFailedReason: KEDA cannot work with the scaler; the message is KEDA's.
	ScalerFailedReason = "ScalerFailed"
	// TimeoutReason: the current version was not ready within spec.timeout.
	TimeoutReason = "Timeout"

	// BuildPendingReason: the build is about to begin.
	BuildPendingReason = "BuildPending"
	// BuildingReason: the build is at work.
	BuildingReason = "Building"
	// BuildSucceededReason: the image was pushed.
	BuildSucceededReason = "BuildSucceeded"
	// BuildFailedReason: a step of the build failed; status.failure has the step and the end of its log.
	BuildFailedReason = "BuildFailed"
	// BuildTimeoutReason: the build took longer than build.timeout.
	BuildTimeoutReason = "BuildTimeout"
	// BuildCanceledReason: the build was cancelled.
	BuildCanceledReason = "BuildCanceled"
	// SecretNotFoundReason: the Secret of build.srcRepo.credentials, imageCredentials or builderCredentials does not exist.
	SecretNotFoundReason = "SecretNotFound"

	// StartingReason: the current version is starting.
	StartingReason = "Starting"
	// RunningReason: the current version serves, scaled to zero or not.
	RunningReason = "Running"
	// FailedReason: the current version does not serve; used when the engine gives no reason of its own.
	FailedReason = "Failed"
	// ImagePullFailedReason: the node cannot pull the image.
	ImagePullFailedReason = "ImagePullFailed"
	// ContainerCrashedReason: the container keeps exiting.
	ContainerCrashedReason = "ContainerCrashed"
	// ContainerConfigReason: the container cannot be created, often for a missing ConfigMap or Secret.
	ContainerConfigReason = "ContainerConfigError"
	// WaitingForImageReason: serving waits for the build.
	WaitingForImageReason = "WaitingForImage"

	// RolledBackReason: spec.rollbackTo is in effect; what else the spec says waits until it is removed.
	RolledBackReason = "RolledBack"
	// RevisionNotFoundReason: spec.rollbackTo names no revision that is kept; the message lists those that are.
	RevisionNotFoundReason = "RevisionNotFound"
	// RollingOutReason: a new version is tried beside the current one.
	RollingOutReason = "RollingOut"
	// WaitingForPromotionReason: the new version stays at its share of the requests until the annotation openfunction.io/promote names it.
	WaitingForPromotionReason = "WaitingForPromotion"
	// RolloutStoppedReason: the new version failed and gets no requests any more; the one before serves.
	RolloutStoppedReason = "RolloutStopped"

	// AddressedReason: the function has an address.
	AddressedReason = "Addressed"
	// NoAddressReason: the engine has not given an address yet.
	NoAddressReason = "NoAddress"
	// NoGatewayReason: the function is reached inside the cluster; its hostnames and rules wait for the default Gateway.
	NoGatewayReason = "NoGateway"
	// GatewayNotFoundReason: the Gateway that the route names does not exist.
	GatewayNotFoundReason = "GatewayNotFound"
	// NotAllowedByListenersReason: no listener of the Gateway takes routes of the function's namespace.
	NotAllowedByListenersReason = "NotAllowedByListeners"
	// InvalidTemplateReason: the Gateway's hostTemplate or pathTemplate cannot be used; the message says why.
	InvalidTemplateReason = "InvalidTemplate"
	// PendingReason: the gateway has not taken up the route yet.
	PendingReason = "Pending"
)

// Labels and annotations.
const (
	// FunctionLabel names the Function a Builder belongs to.
	FunctionLabel = "openfunction.io/function"
	// BuilderLabel names the Builder that an object belongs to.
	BuilderLabel = "openfunction.io/builder"
	// ServingLabel names the Serving that an object belongs to.
	ServingLabel = "openfunction.io/serving"
	// ManagedLabel marks what this project made.
	ManagedLabel = "openfunction.io/managed"
	// ProxyLabel names the Serving whose agent or shared daprd a pod runs.
	ProxyLabel = "openfunction.io/proxy"
	// RunLabel names the run that made a workload and its pods.
	RunLabel = "openfunction.io/run"
	// InjectModeAnnotation in serving.annotations is the seeds' way to choose the Dapr mode: function, sidecar or shared.
	InjectModeAnnotation = "dapr.io/inject-mode"
	// DaprServiceModeAnnotation in serving.annotations is the established way to choose it: standalone or sidecar.
	DaprServiceModeAnnotation = "openfunction.io/dapr-service-mode"
	// EnableDaprAnnotation in serving.annotations turns Dapr off with "false" and on with any other value; without it Dapr is on where
	// the spec uses it.
	EnableDaprAnnotation = "openfunction.io/enable-dapr"
	// RotateTokenAnnotation on a Function or Serving makes a new app token whenever its value changes.
	RotateTokenAnnotation = "openfunction.io/rotate-token"
	// AllowedNamespacesAnnotation on a ClusterTriggerAuthentication of KEDA lists the namespaces, with commas, whose functions may use it; "*" is all.
	AllowedNamespacesAnnotation = "openfunction.io/allowed-namespaces"
	// StartedAnnotation on a workload holds the version of its pods that is known to have started once.
	StartedAnnotation = "openfunction.io/started"
	// RebuildAnnotation on a Function builds the unchanged source again whenever its value changes.
	RebuildAnnotation = "openfunction.io/rebuild"
	// PromoteAnnotation on a Function lets the new version that it names (status.rollout.revision) take over at once; with "/<n>" after the
	// name it goes on to step n only.
	PromoteAnnotation = "openfunction.io/promote"
	// RevisionAnnotation on a Serving names the version it serves: the name of the ControllerRevision that keeps it.
	RevisionAnnotation = "openfunction.io/revision"
	// RolloutAnnotation on the Serving of a new version that is tried holds how far its rollout has come.
	RolloutAnnotation = "openfunction.io/rollout"
	// CanaryLabel marks the Serving of a new version that is tried beside the current one.
	CanaryLabel = "openfunction.io/canary"
)
