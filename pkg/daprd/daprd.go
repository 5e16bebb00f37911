// SPDX-License-Identifier: Apache-2.0

package daprd

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// Names and paths that Dapr fixes.
const (
	// ContainerName is the name of daprd's container, by which Dapr's own tools find it.
	ContainerName = "daprd"
	// TrustBundle is the ConfigMap in the namespace of Dapr's control plane that sentry keeps its trust anchors in.
	TrustBundle = "dapr-trust-bundle"
	// TrustAnchorsKey is the key of the trust anchors (PEM) in TrustBundle.
	TrustAnchorsKey = "ca.crt"
	// TrustAnchorsVariable is the environment variable daprd reads the trust anchors from; it has no flag and no file for them.
	TrustAnchorsVariable = "DAPR_TRUST_ANCHORS"
	// TokenKey is the key of a token in the Secrets that Options name.
	TokenKey = "token"

	// AppIDAnnotation on the pod tells sentry which app id the pod may have. Without it sentry expects the pod's name.
	AppIDAnnotation = "dapr.io/app-id"
	// ConfigAnnotation on the pod tells sentry which Configuration has the app's trust domain.
	ConfigAnnotation = "dapr.io/config"

	identityVolume = "dapr-identity-token"
	identityMount  = "/var/run/secrets/dapr.io/sentrytoken"
	program        = "/daprd"
	// identitySeconds is how long a token for sentry is valid; the kubelet renews it well before.
	identitySeconds = 7200
)

// Defaults of the fields of Options that are zero.
const (
	DefaultControlPlaneNamespace = "dapr-system"
	DefaultTrustDomain           = "cluster.local"
	DefaultClusterDomain         = "cluster.local"
	DefaultListenAddresses       = "[::],0.0.0.0"
	DefaultHTTPPort              = 3500
	DefaultPublicPort            = 3501
	DefaultGRPCPort              = 50001
	DefaultInternalGRPCPort      = 50002
	DefaultMetricsPort           = 9090
)

// Options say which daprd a pod gets. AppID, Namespace, Image and TrustAnchors are required; what else is zero has the default that
// Dapr's injector gives it.
type Options struct {
	// AppID is the app daprd speaks for, at most 58 characters (see ServiceName).
	AppID string
	// Namespace of the pod.
	Namespace string
	// Image of daprd, of the version of the control plane.
	Image string
	// ImagePullPolicy of the image; "" leaves it to Kubernetes.
	ImagePullPolicy corev1.PullPolicy

	// ControlPlaneNamespace is where Dapr's control plane is; default "dapr-system".
	ControlPlaneNamespace string
	// TrustDomain of the control plane; default "cluster.local".
	TrustDomain string
	// ClusterDomain is the domain of the cluster's Services; default "cluster.local".
	ClusterDomain string
	// TrustAnchors are the certificates sentry is known by (PEM), TrustAnchorsKey of the ConfigMap TrustBundle. "" leaves the
	// environment variable out, for a program that sets it before daprd starts.
	TrustAnchors string
	// MTLS makes calls between daprds mutually authenticated, as Dapr's default installation does. The calls to the control plane
	// always are.
	MTLS bool
	// WithoutActors leaves out the addresses of Dapr's placement and scheduler, for installations that have none.
	WithoutActors bool

	// AppAddress is the host where the app is; "" means daprd's own pod.
	AppAddress string
	// AppPort of the app; 0 means there is no app to call. daprd calls nothing before it could open a connection to it.
	AppPort int32
	// AppProtocol is http, https, h2c, grpc or grpcs; default http.
	AppProtocol string
	// AppMaxConcurrency is how many calls the app gets at once; 0 is no limit.
	AppMaxConcurrency int
	// AppHealth makes daprd ask the app whether it is well, and hold its events back while it is not.
	AppHealth *AppHealth
	// AppTokenSecret names the Secret whose key TokenKey daprd sends to the app as dapr-api-token.
	AppTokenSecret string
	// APITokenSecret names the Secret whose key TokenKey callers of Dapr's API must send.
	APITokenSecret string

	// Config names the Configuration of daprd; "" is none.
	Config string
	// LogLevel is debug, info, warn or error; default info.
	LogLevel string
	// LogAsJSON writes logs as JSON.
	LogAsJSON bool
	// APILogging logs every call of the API; nil leaves it to the Configuration.
	APILogging *bool
	// MaxBodySize of requests as a quantity, "4Mi"; "" is daprd's own default.
	MaxBodySize string
	// ReadBufferSize for request headers as a quantity, "4Ki"; "" is daprd's own default.
	ReadBufferSize string
	// GracefulShutdownSeconds is how long daprd finishes what it does after SIGTERM; nil and less than 0 are daprd's own default (5).
	GracefulShutdownSeconds *int
	// BlockShutdownDuration is how long daprd keeps serving the app's own calls after SIGTERM, "5s"; "" is not at all.
	BlockShutdownDuration string
	// PlacementAddress and SchedulerAddress replace those of the control plane.
	PlacementAddress, SchedulerAddress string
	// WithoutKubernetesSecrets leaves out the secret store "kubernetes" that daprd has built in.
	WithoutKubernetesSecrets bool

	// ListenAddresses of Dapr's API, separated by commas; default every address, since the app is in another pod.
	ListenAddresses string
	// Ports; 0 is the default of the same name.
	HTTPPort, PublicPort, GRPCPort, InternalGRPCPort, MetricsPort int32
	// WithoutMetrics serves no metrics.
	WithoutMetrics bool

	// Env is added to the container's environment, and made known to daprd for components that refer to it by envRef.
	Env []corev1.EnvVar
	// Resources of the container.
	Resources corev1.ResourceRequirements
}

// AppHealth is how daprd asks the app whether it is well. A field that is zero has daprd's own default.
type AppHealth struct {
	// Path asked by HTTP; default /healthz. An app that speaks gRPC is asked by Dapr's AppCallbackHealthCheck.
	Path string
	// IntervalSeconds between two questions; default 5.
	IntervalSeconds int32
	// TimeoutMilliseconds of a question; default 500.
	TimeoutMilliseconds int32
	// Threshold is how many failures in a row make the app unwell; default 3.
	Threshold int32
}

// Container returns the container of daprd and the volumes its pod must have. The pod also needs PodAnnotations, a service account,
// and a user that is not root.
func Container(o Options) (corev1.Container, []corev1.Volume) {
	o = o.withDefaults()
	return corev1.Container{
			Name:            ContainerName,
			Image:           o.Image,
			ImagePullPolicy: o.ImagePullPolicy,
			// The program is an argument, as in the injector's container, so that an image may have an entry point of its own.
			Args:           append([]string{program}, o.arguments()...),
			Ports:          o.containerPorts(),
			Env:            o.environment(),
			Resources:      o.Resources,
			VolumeMounts:   []corev1.VolumeMount{{Name: identityVolume, MountPath: identityMount, ReadOnly: true}},
			ReadinessProbe: o.readiness(),
			LivenessProbe:  o.liveness(),
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: ptr.To(false),
				Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				ReadOnlyRootFilesystem:   ptr.To(true),
				RunAsNonRoot:             ptr.To(true),
				SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
		}, []corev1.Volume{{
			Name: identityVolume,
			VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
				DefaultMode: ptr.To[int32](0o644),
				Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{
					Audience:          o.sentryID(),
					ExpirationSeconds: ptr.To[int64](identitySeconds),
					Path:              "token",
				}}},
			}},
		}}
}

// PodAnnotations returns what sentry reads from daprd's pod before it signs an identity.
func PodAnnotations(o Options) map[string]string {
	annotations := map[string]string{AppIDAnnotation: o.AppID}
	if o.Config != "" {
		annotations[ConfigAnnotation] = o.Config
	}
	return annotations
}

// ServiceName returns the name of the Service under which other daprds look for the app. It must be a DNS label, which leaves 58
// characters to the app id.
func ServiceName(appID string) string { return appID + "-dapr" }

// ServicePorts returns the ports of that Service: those that Dapr's operator gives a Service it makes for an injected workload, and
// the API under its own number too.
func ServicePorts(o Options) []corev1.ServicePort {
	o = o.withDefaults()
	ports := []corev1.ServicePort{servicePort("dapr-http", o.HTTPPort, "dapr-http")}
	if o.HTTPPort != 80 {
		ports = append(ports, servicePort("http", 80, "dapr-http"))
	}
	ports = append(ports, servicePort("dapr-grpc", o.GRPCPort, "dapr-grpc"), servicePort("dapr-internal", o.InternalGRPCPort, "dapr-internal"))
	if !o.WithoutMetrics {
		ports = append(ports, servicePort("dapr-metrics", o.MetricsPort, "dapr-metrics"))
	}
	return ports
}

func servicePort(name string, port int32, target string) corev1.ServicePort {
	return corev1.ServicePort{Name: name, Port: port, TargetPort: intstr.FromString(target), Protocol: corev1.ProtocolTCP}
}

func (o Options) withDefaults() Options {
	o.ControlPlaneNamespace = cmp.Or(o.ControlPlaneNamespace, DefaultControlPlaneNamespace)
	o.TrustDomain = cmp.Or(o.TrustDomain, DefaultTrustDomain)
	o.ClusterDomain = cmp.Or(o.ClusterDomain, DefaultClusterDomain)
	o.AppProtocol = cmp.Or(o.AppProtocol, "http")
	o.LogLevel = cmp.Or(o.LogLevel, "info")
	o.ListenAddresses = cmp.Or(o.ListenAddresses, DefaultListenAddresses)
	o.HTTPPort = cmp.Or(o.HTTPPort, DefaultHTTPPort)
	o.PublicPort = cmp.Or(o.PublicPort, DefaultPublicPort)
	o.GRPCPort = cmp.Or(o.GRPCPort, DefaultGRPCPort)
	o.InternalGRPCPort = cmp.Or(o.InternalGRPCPort, DefaultInternalGRPCPort)
	o.MetricsPort = cmp.Or(o.MetricsPort, DefaultMetricsPort)
	if !o.WithoutActors {
		o.PlacementAddress = cmp.Or(o.PlacementAddress, o.controlPlane("dapr-placement-server", 50005))
		o.SchedulerAddress = cmp.Or(o.SchedulerAddress, o.controlPlane("dapr-scheduler-server-a", 443))
	}
	return o
}

// sentryID is how sentry calls itself, and the audience of the tokens it takes.
func (o Options) sentryID() string {
	return fmt.Sprintf("spiffe://%s/ns/%s/dapr-sentry", o.TrustDomain, o.ControlPlaneNamespace)
}

// controlPlane is the address of a Service of the control plane.
func (o Options) controlPlane(service string, port int32) string {
	return fmt.Sprintf("%s.%s.svc.%s:%d", service, o.ControlPlaneNamespace, o.ClusterDomain, port)
}

func (o Options) containerPorts() []corev1.ContainerPort {
	ports := []corev1.ContainerPort{
		{Name: "dapr-http", ContainerPort: o.HTTPPort, Protocol: corev1.ProtocolTCP},
		{Name: "dapr-grpc", ContainerPort: o.GRPCPort, Protocol: corev1.ProtocolTCP},
		{Name: "dapr-internal", ContainerPort: o.InternalGRPCPort, Protocol: corev1.ProtocolTCP},
		{Name: "dapr-public", ContainerPort: o.PublicPort, Protocol: corev1.ProtocolTCP},
	}
	if !o.WithoutMetrics {
		ports = append(ports, corev1.ContainerPort{Name: "dapr-metrics", ContainerPort: o.MetricsPort, Protocol: corev1.ProtocolTCP})
	}
	return ports
}

// readiness is when Dapr's API can be used. The injector asks for /v1.0/healthz, which also waits for the app: beside the app that is
// right, but an app of its own life, at zero perhaps, must not make Dapr's API unreachable, nor its daprd look broken.
func (o Options) readiness() *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
			Path: "/v1.0/healthz/outbound", Port: intstr.FromString("dapr-public"), Scheme: corev1.URISchemeHTTP,
		}},
		InitialDelaySeconds: 1, TimeoutSeconds: 1, PeriodSeconds: 1, FailureThreshold: 5, SuccessThreshold: 1,
	}
}

// liveness waits as long as the injector's: daprd may be long in starting when the control plane is.
func (o Options) liveness() *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:        corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString("dapr-public")}},
		InitialDelaySeconds: 180, TimeoutSeconds: 3, PeriodSeconds: 10, FailureThreshold: 5, SuccessThreshold: 1,
	}
}

func (o Options) environment() []corev1.EnvVar {
	env := []corev1.EnvVar{
		{Name: "NAMESPACE", Value: o.Namespace},
		field("POD_NAME", "metadata.name"),
		field("DAPR_HOST_IP", "status.podIP"),
		{Name: "DAPR_CONTROLPLANE_NAMESPACE", Value: o.ControlPlaneNamespace},
		{Name: "DAPR_CONTROLPLANE_TRUST_DOMAIN", Value: o.TrustDomain},
	}
	if o.TrustAnchors != "" {
		env = append(env, corev1.EnvVar{Name: TrustAnchorsVariable, Value: o.TrustAnchors})
	}
	if o.APITokenSecret != "" {
		env = append(env, secret("DAPR_API_TOKEN", o.APITokenSecret))
	}
	if o.AppTokenSecret != "" {
		env = append(env, secret("APP_API_TOKEN", o.AppTokenSecret))
	}
	if len(o.Env) == 0 {
		return env
	}
	keys := make([]string, 0, len(o.Env))
	for _, variable := range o.Env {
		keys = append(keys, variable.Name)
	}
	return append(append(env, o.Env...), corev1.EnvVar{Name: "DAPR_ENV_KEYS", Value: strings.Join(keys, " ")})
}

func field(name, path string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path}}}
}

func secret(name, of string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: of}, Key: TokenKey,
	}}}
}

func number[T int | int32](n T) string { return strconv.FormatInt(int64(n), 10) }
