// SPDX-License-Identifier: Apache-2.0

package core

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core/route"
)

// ServingRun turns a Serving into the objects that serve it, and reads their health back.
type ServingRun interface {
	// Name is the stable identifier shown to users, e.g. "knative".
	Name() string
	// Needs lists the kinds that must be installed before Desired may be applied, and how to install them.
	Needs() Provider
	// Desired returns every object the Serving owns under this run. Equal inputs give equal bytes.
	Desired(in Input) ([]client.Object, error)
	// Health judges the live objects. A missing object is Starting, never an error.
	Health(live Live) Health
}

// Fronted is a ServingRun that answers requests: callers reach it by the function's own name, through the router.
type Fronted interface {
	// Backend returns where the router finds what the run serves, which depends on names only. Its weight is 0.
	Backend(in Input) route.Backend
}

// Addresser is a ServingRun whose engine makes it known outside the cluster.
type Addresser interface {
	// Addresses returns where the live objects can be reached besides the function's own name; none before the engine has said so.
	Addresses(live Live) []corev1beta2.FunctionAddress
}

// Starter is a ServingRun whose engine scales a version to zero before anybody knows whether it can start. It keeps one copy until it has.
type Starter interface {
	// Version identifies what runs; it changes with the pods, and only with them.
	Version(in Input) (string, error)
	// HasStarted tells that a copy of the current version is ready.
	HasStarted(live Live) bool
}

// Explainer is a ServingRun that knows what to do about some refusals of its engine.
type Explainer interface {
	// Explain returns what to do about a refusal, or "" when it knows nothing better than the refusal itself.
	Explain(refusal string) string
}

// BuildRun turns a Builder into the objects that carry out one build, and reads the outcome back.
type BuildRun interface {
	// Name is the stable identifier shown to users, e.g. "tekton".
	Name() string
	// Needs lists the kinds that must be installed before Desired may be applied, and how to install them.
	Needs() Provider
	// Desired returns the objects of the build; they are created once and not changed afterwards.
	Desired(in BuildInput) ([]client.Object, error)
}

// Provider is an engine this project drives but does not install.
type Provider struct {
	// Title is the engine's name as users know it, e.g. "Knative Serving".
	Title string
	// Kinds are the kinds that its CRDs must define.
	Kinds []schema.GroupVersionKind
	// Install is the command or page that installs it.
	Install string
}

// Input is everything a ServingRun may depend on.
type Input struct {
	// Serving is what to serve; a run does not change it.
	Serving *corev1beta2.Serving
	// ClusterDomain is the DNS suffix of Services, e.g. "cluster.local".
	ClusterDomain string
	// Settings are the operator's.
	Settings ServingSettings
	// Frameworks is what the operator sets for the functions frameworks of all functions.
	Frameworks Frameworks
	// Components has the Dapr type of every existing Component the spec refers to, by name.
	Components map[string]string
	// TokenVersion changes whenever the app token does; empty when the Serving has none.
	TokenVersion string
	// Trust is how a daprd that is not injected proves who it is; empty unless the Dapr mode is Shared.
	Trust Trust
	// Started is the version (see Starter) that is known to have started once; empty before.
	Started string
	// PodSecurity is the Pod Security level that the namespace enforces, e.g. "restricted"; empty when it names none.
	PodSecurity string
}

// ServingSettings are the operator's settings for serving.
type ServingSettings struct {
	// AgentImage is the function agent (cmd/agent).
	AgentImage string
	// DaprdImage is daprd, for the Dapr mode Shared; the injector knows its own.
	DaprdImage string
	// DaprNamespace is where Dapr's control plane runs, e.g. "dapr-system".
	DaprNamespace string
	// PlatformNamespace is where the operator and the router run, e.g. "openfunction".
	PlatformNamespace string
	// Interceptor is the Service of KEDA's HTTP add-on that takes requests.
	Interceptor types.NamespacedName
	// Settle is how long the objects of another run must have existed, and been healthy, before requests go there: the engine's own proxies have
	// to learn of them.
	Settle time.Duration
	// Drain is how long the objects of the run before stay after requests go elsewhere, for those that they still answer.
	Drain time.Duration
}

// Frameworks is what the operator sets for the functions frameworks of all functions: the keys "hooks" and "tracing", or their older names
// "plugins" and "plugins.tracing", of the ConfigMap openfunction-config.
type Frameworks struct {
	// Hooks run around every function that does not override them.
	Hooks corev1beta2.Hooks
	// Tracing completes each function's own; nil when there is none.
	Tracing *corev1beta2.TracingConfig
}

// Trust is what daprd needs to get an identity from Dapr's sentry.
type Trust struct {
	// Anchors are the PEM certificates of Dapr's trust bundle.
	Anchors string
	// Domain is Dapr's trust domain, e.g. "cluster.local".
	Domain string
}

// Live is what was read of the objects a run asked for.
type Live struct {
	// Objects are the live objects in the order of Desired; one that is absent is left out.
	Objects []client.Object
	// Pods are the pods of the function.
	Pods []corev1.Pod
	// ClusterDomain is the DNS suffix of Services.
	ClusterDomain string
}

// Find returns the first live object of the type P.
func Find[P client.Object](live Live) (P, bool) {
	for _, object := range live.Objects {
		if found, ok := object.(P); ok {
			return found, true
		}
	}
	var none P
	return none, false
}

// Phase is how far a Serving has come.
type Phase string

const (
	// Starting means that the current version does not serve yet and may do so without the user.
	Starting Phase = "Starting"
	// Running means that the current version serves, scaled to zero or not.
	Running Phase = "Running"
	// Failed means that the current version will not serve until the user acts.
	Failed Phase = "Failed"
)

// Health is the judgement of a run about its live objects.
type Health struct {
	// Phase is how far the current version has come.
	Phase Phase
	// Reason is a CamelCase word for a machine.
	Reason string
	// Message is a sentence for the user; it says what to look at next when Phase is Failed.
	Message string
	// Serving names an older version that still answers while the current one does not; empty when there is none.
	Serving string
	// Since is when what Running rests on was last seen to change, by the engine's own account; zero when it does not say.
	Since time.Time
}

// BuildInput is everything a BuildRun may depend on.
type BuildInput struct {
	// Builder is what to build; a run does not change it.
	Builder *corev1beta2.Builder
	// Settings are the operator's.
	Settings BuildSettings
}

// BuildSettings are the operator's settings for builds.
type BuildSettings struct {
	// FetcherImage brings the source into the build and reports its result (cmd/fetcher).
	FetcherImage string
	// DockerfileImage runs the dockerfile strategy: a kaniko executor.
	DockerfileImage string
	// InsecureRegistries are registry hosts that are spoken to over plain HTTP.
	InsecureRegistries []string
	// GoProxy is the Go module proxy builds use unless the user names another.
	GoProxy string
}

// BuildPhase is how far a build has come.
type BuildPhase string

const (
	// BuildRunning means that the build is waiting or at work.
	BuildRunning BuildPhase = "Building"
	// BuildSucceeded means that the image was pushed.
	BuildSucceeded BuildPhase = "Succeeded"
	// BuildFailed means that a step of the build failed.
	BuildFailed BuildPhase = "Failed"
	// BuildTimedOut means that the build took longer than build.timeout.
	BuildTimedOut BuildPhase = "Timeout"
	// BuildCanceled means that the build was cancelled, by a newer source or by its user.
	BuildCanceled BuildPhase = "Canceled"
)

// BuildResult is the outcome of a build so far.
type BuildResult struct {
	// Phase is how far the build has come.
	Phase BuildPhase
	// Reason is a CamelCase word for a machine.
	Reason string
	// Message is a sentence for the user.
	Message string
	// Digest is the pushed image's digest, e.g. "sha256:…"; only with BuildSucceeded.
	Digest string
	// Size is the pushed image's compressed size in bytes, 0 when unknown.
	Size int64
	// Source is where the built code came from; nil for inline source.
	Source *corev1beta2.SourceResult
	// FailedStep is the step that failed, and Pod and Container hold its log; only with BuildFailed.
	FailedStep, Pod, Container string
	// ExitCode is the failed step's.
	ExitCode int32
	// Duration is how long the build took, from its creation to its end; zero while it runs.
	Duration time.Duration
}
