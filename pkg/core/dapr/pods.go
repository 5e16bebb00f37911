// SPDX-License-Identifier: Apache-2.0

package dapr

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dapr/dapr/pkg/injector/annotations"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/names"
)

const (
	// componentsAnnotation holds a hash of the components on the pods that run daprd, so that a changed one reaches them.
	componentsAnnotation = "openfunction.io/dapr-components"
	// tokenAnnotation holds the version of the app token on the pods that have it in their environment.
	tokenAnnotation = "openfunction.io/app-token-version"
	// roleLabel tells the pods of the agent from those of a shared daprd.
	roleLabel = "app.kubernetes.io/component"

	// injectedMetricsPort is where an injected daprd has its metrics. Its own default, 9090, is taken: by the agent, and by Knative.
	injectedMetricsPort = 19090
	// daprd's ports, where its API is; the second may be changed by an annotation.
	httpPort = 3500
	grpcPort = 50001

	// everyAddress is where daprd listens: in a Go program it stands for IPv6 too, where there is any. The established "[::],0.0.0.0" makes daprd
	// try for 19 seconds to listen twice before it is ready.
	everyAddress = "0.0.0.0"

	// blockShutdown is how long a daprd that was told to stop takes no new events and still serves the function's own calls.
	blockShutdown = "5s"
	// gracefulShutdownSeconds is how long daprd waits for events that are being worked on after that. The agent drains within 25 seconds.
	gracefulShutdownSeconds = 30
	// terminationSeconds has room for both.
	terminationSeconds = 60
	// unprivilegedUser runs the agent and a shared daprd; the daprd image is made for it.
	unprivilegedUser = 65532
)

// PodAnnotations returns Dapr's part of the annotations of the function's pods.
func (u Use) PodAnnotations() map[string]string {
	if !u.enabled {
		return u.withoutDapr()
	}
	wanted := map[string]string{annotations.KeyEnabled: "false"}
	if u.mode == corev1beta2.DaprModeSidecar {
		wanted = u.sidecarAnnotations()
	}
	if u.TakesEvents() && u.hasToken() && u.in.TokenVersion != "" {
		wanted[tokenAnnotation] = u.in.TokenVersion
	}
	return wanted
}

// withoutDapr takes back a user's own wish for a sidecar only where he has also turned Dapr off.
func (u Use) withoutDapr() map[string]string {
	if _, asked := u.in.Serving.Spec.Annotations[annotations.KeyEnabled]; asked && turnedOff(u.in.Serving) {
		return map[string]string{annotations.KeyEnabled: "false"}
	}
	return nil
}

func (u Use) sidecarAnnotations() map[string]string {
	wanted := u.established(u.FunctionPort())
	wanted[annotations.KeySidecarSeccompProfileType] = string(corev1.SeccompProfileTypeRuntimeDefault) // Knative leaves the pod none
	if spec := u.in.Serving.Spec; spec.HTTP() != nil && !spec.UsesKEDA() {
		wanted[annotations.KeyMetricsPort] = strconv.Itoa(injectedMetricsPort)
	}
	if u.hasToken() {
		wanted[annotations.KeyAppTokenSecret] = u.tokenSecret()
	}
	wanted[componentsAnnotation] = u.componentsHash()
	return wanted
}

// established are the annotations that pods with an injected daprd have always had.
func (u Use) established(appPort int32) map[string]string {
	return map[string]string{
		annotations.KeyEnabled:     "true",
		annotations.KeyAppID:       u.AppID(),
		annotations.KeyLogAsJSON:   "true",
		annotations.KeyAppProtocol: u.protocol,
		annotations.KeyAppPort:     strconv.Itoa(int(appPort)),
	}
}

// componentsHash changes with what the declared components and their policy are, and with the types of those referred to.
func (u Use) componentsHash() string {
	specs := map[string]any{}
	for _, d := range declarations(u.in.Serving) {
		specs[d.block+"/"+d.key] = d.spec
	}
	hash, err := names.Hash(map[string]any{"declared": specs, "existing": u.in.Components, "resiliency": u.resiliency()})
	if err != nil {
		return "" // a spec that came from JSON has a JSON encoding
	}
	return hash
}

// Env returns how the function finds daprd, and the token by which it knows who brings events. In mode Sidecar Dapr's injector sets the rest.
func (u Use) Env() []corev1.EnvVar {
	if !u.enabled {
		return nil
	}
	var env []corev1.EnvVar
	if host := u.host(); host != "" {
		env = append(env,
			corev1.EnvVar{Name: "DAPR_HOST", Value: host},
			corev1.EnvVar{Name: "DAPR_SIDECAR_IP", Value: host},
			corev1.EnvVar{Name: "DAPR_GRPC_PORT", Value: strconv.Itoa(int(portAnnotation(u.in.Serving, annotations.KeyAPIGRPCPort, grpcPort)))},
			corev1.EnvVar{Name: "DAPR_HTTP_PORT", Value: strconv.Itoa(httpPort)})
		if secret := annotation(u.in.Serving, annotations.KeyAPITokenSecret); secret != "" {
			env = append(env, secretVariable("DAPR_API_TOKEN", secret))
		}
	}
	if u.TakesEvents() && u.hasToken() {
		env = append(env, secretVariable("APP_API_TOKEN", u.tokenSecret()))
	}
	return env
}

// host is the Service in front of a daprd that is not in the function's pod; "" where there is none of ours. It is not <app-id>-dapr: that one Dapr's
// operator gives by turns to every Deployment whose pods have the app id, and on Knative the versions of mode Sidecar stay when the mode changes.
func (u Use) host() string {
	switch u.mode {
	case corev1beta2.DaprModeFunction:
		return u.serviceHost(core.AgentDaprdChild(u.in.Serving.Name))
	case corev1beta2.DaprModeShared:
		return u.serviceHost(core.SharedDaprdChild(u.in.Serving.Name))
	default:
		return ""
	}
}

func (u Use) serviceHost(service string) string {
	return service + "." + u.in.Serving.Namespace + ".svc." + u.in.ClusterDomain
}

// functionHost is where agent and shared daprd find the function, and at which port: HTTP functions by the name under which they wake up, and
// others by a Service of their pods, which is headless for the agent and has an address of its own for daprd.
func (u Use) functionHost() (string, int32) {
	switch {
	case u.in.Serving.Spec.HTTP() != nil:
		return core.FrontHost(u.in), 80
	case u.mode == corev1beta2.DaprModeShared:
		return u.serviceHost(core.FunctionChild(u.in.Serving.Name)), u.FunctionPort()
	default:
		return u.serviceHost(core.AsyncChild(u.in.Serving.Name)), u.FunctionPort()
	}
}

// meta is the metadata of an object that belongs to the agent or the shared daprd.
func (u Use) meta(name, role string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: u.in.Serving.Namespace, Labels: u.labels(role)}
}

func (u Use) labels(role string) map[string]string {
	labels := u.selector(role)
	labels[corev1beta2.ManagedLabel] = "true"
	return labels
}

// selector never changes: the selector of a Deployment cannot.
func (u Use) selector(role string) map[string]string {
	return map[string]string{corev1beta2.ProxyLabel: u.in.Serving.Name, roleLabel: role}
}

// replicas is how many agents or shared daprds are wanted.
func (u Use) replicas() int32 {
	if options := u.in.Serving.Spec.Dapr; options != nil && options.Replicas != nil {
		return *options.Replicas
	}
	return 1
}

// pod is what the pods of agent and shared daprd have in common. They run where the function may run, and with its identity, which components
// may need: as daprd would in the function's own pod.
func (u Use) pod(role string, extra map[string]string, containers ...corev1.Container) corev1.PodTemplateSpec {
	pod := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: u.labels(role), Annotations: map[string]string{componentsAnnotation: u.componentsHash()}},
		Spec: corev1.PodSpec{
			Containers:                    containers,
			EnableServiceLinks:            ptr.To(false),
			TerminationGracePeriodSeconds: ptr.To[int64](terminationSeconds),
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot:   ptr.To(true),
				RunAsUser:      ptr.To[int64](unprivilegedUser),
				RunAsGroup:     ptr.To[int64](unprivilegedUser),
				FSGroup:        ptr.To[int64](unprivilegedUser),
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
		},
	}
	maps.Copy(pod.Annotations, extra)
	if u.hasToken() && u.in.TokenVersion != "" {
		pod.Annotations[tokenAnnotation] = u.in.TokenVersion
	}
	if credentials := u.in.Serving.Spec.ImageCredentials; credentials != nil && credentials.Name != "" {
		pod.Spec.ImagePullSecrets = []corev1.LocalObjectReference{*credentials} // a registry for everything may want them
	}
	if template := u.in.Serving.Spec.Template; template != nil {
		template = template.DeepCopy()
		pod.Spec.ServiceAccountName = template.ServiceAccountName
		pod.Spec.AutomountServiceAccountToken = template.AutomountServiceAccountToken
		pod.Spec.NodeSelector, pod.Spec.Tolerations = template.NodeSelector, template.Tolerations
		pod.Spec.Volumes = mounted(template.Volumes, u.in.Serving.Spec.Annotations)
	}
	if u.replicas() > 1 {
		pod.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway,
			LabelSelector: &metav1.LabelSelector{MatchLabels: u.selector(role)},
		}}
	}
	return pod
}

// mounted returns the volumes that the user's annotations mount into daprd.
func mounted(volumes []corev1.Volume, of map[string]string) []corev1.Volume {
	var wanted []string
	for _, key := range []string{annotations.KeyVolumeMountsReadOnly, annotations.KeyVolumeMountsReadWrite} {
		for entry := range strings.SplitSeq(of[key], ",") {
			name, _, _ := strings.Cut(strings.TrimSpace(entry), ":")
			wanted = append(wanted, name)
		}
	}
	return slices.DeleteFunc(volumes, func(v corev1.Volume) bool { return !slices.Contains(wanted, v.Name) })
}

// deployment runs the pods, and replaces one only after the next is ready.
func (u Use) deployment(name, role string, pod corev1.PodTemplateSpec) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: u.meta(name, role),
		Spec: appsv1.DeploymentSpec{
			Replicas:             ptr.To(u.replicas()),
			RevisionHistoryLimit: ptr.To[int32](2),
			Selector:             &metav1.LabelSelector{MatchLabels: u.selector(role)},
			Strategy: appsv1.DeploymentStrategy{
				Type: appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{
					MaxUnavailable: ptr.To(intstr.FromInt32(0)), MaxSurge: ptr.To(intstr.FromInt32(1)),
				},
			},
			Template: pod,
		},
	}
}
