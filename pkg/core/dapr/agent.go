// SPDX-License-Identifier: Apache-2.0

package dapr

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/dapr/dapr/pkg/injector/annotations"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
)

const (
	agentRole      = "agent"
	agentContainer = "agent"
	// agentPort is where daprd finds the agent.
	agentPort = 8080
	// agentStatusPort has health, metrics and what is pending.
	agentStatusPort = 8081
	tokenVolume     = "app-token"
	tokenDir        = "/var/run/openfunction/app-token" //nolint:gosec // G101: the name of a folder
)

// agent returns what runs daprd and the function agent in mode Function.
func (u Use) agent() ([]client.Object, error) {
	arguments, err := u.agentArguments()
	if err != nil {
		return nil, err
	}
	pod := u.pod(agentRole, u.agentAnnotations(), corev1.Container{
		Name:  agentContainer,
		Image: u.in.Settings.AgentImage,
		Args:  arguments,
		Ports: []corev1.ContainerPort{
			{Name: "app", ContainerPort: agentPort, Protocol: corev1.ProtocolTCP},
			{Name: "scaler", ContainerPort: core.ScalerPort, Protocol: corev1.ProtocolTCP},
			{Name: "status", ContainerPort: agentStatusPort, Protocol: corev1.ProtocolTCP},
		},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("32Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")},
		},
		ReadinessProbe: &corev1.Probe{ProbeHandler: statusProbe("/readyz"), PeriodSeconds: 1, TimeoutSeconds: 2, FailureThreshold: 3},
		LivenessProbe:  &corev1.Probe{ProbeHandler: statusProbe("/healthz"), PeriodSeconds: 10, TimeoutSeconds: 5, FailureThreshold: 3},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr.To(false),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			ReadOnlyRootFilesystem:   ptr.To(true),
		},
		VolumeMounts: []corev1.VolumeMount{{Name: tokenVolume, MountPath: tokenDir, ReadOnly: true}},
	})
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: tokenVolume, VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{SecretName: u.tokenSecret(), DefaultMode: ptr.To[int32](0o440)},
	}})
	name := core.AgentChild(u.in.Serving.Name)
	return []client.Object{u.deployment(name, agentRole, pod), u.agentService(name), u.daprOfAgent()}, nil
}

func statusProbe(path string) corev1.ProbeHandler {
	return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("status"), Scheme: corev1.URISchemeHTTP}}
}

// agentService is headless: KEDA and the agents find every agent by it, ready or not, since events may wait in one whose daprd is not ready.
func (u Use) agentService(name string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: u.meta(name, agentRole),
		Spec: corev1.ServiceSpec{
			ClusterIP:                corev1.ClusterIPNone,
			PublishNotReadyAddresses: true,
			Selector:                 u.selector(agentRole),
			Ports: []corev1.ServicePort{
				{Name: "scaler", Port: core.ScalerPort, TargetPort: intstr.FromString("scaler"), Protocol: corev1.ProtocolTCP},
				{Name: "status", Port: agentStatusPort, TargetPort: intstr.FromString("status"), Protocol: corev1.ProtocolTCP},
			},
		},
	}
}

func (u Use) daprOfAgent() *corev1.Service {
	grpc := portAnnotation(u.in.Serving, annotations.KeyAPIGRPCPort, grpcPort)
	return &corev1.Service{
		ObjectMeta: u.meta(core.AgentDaprdChild(u.in.Serving.Name), agentRole),
		Spec: corev1.ServiceSpec{
			Selector: u.selector(agentRole),
			Ports: []corev1.ServicePort{
				{Name: "dapr-http", Port: httpPort, TargetPort: intstr.FromInt32(httpPort), Protocol: corev1.ProtocolTCP},
				{Name: "dapr-grpc", Port: grpc, TargetPort: intstr.FromInt32(grpc), Protocol: corev1.ProtocolTCP},
			},
		},
	}
}

func (u Use) agentArguments() ([]string, error) {
	triggers, err := json.Marshal(u.agentTriggers())
	if err != nil {
		return nil, fmt.Errorf("encoding the triggers of the agent: %w", err)
	}
	host, port := u.functionHost()
	return []string{
		"--app-protocol=" + u.protocol,
		"--app-port=" + strconv.Itoa(agentPort),
		"--function-address=" + address(host+".", port), // complete: it is not looked for in the pod's search domains
		"--triggers=" + string(triggers),
		"--token-dir=" + tokenDir,
		"--scaler-port=" + strconv.Itoa(core.ScalerPort),
		"--status-port=" + strconv.Itoa(agentStatusPort),
		"--peers=" + address(u.serviceHost(core.AgentChild(u.in.Serving.Name)), agentStatusPort),
	}, nil
}

func address(host string, port int32) string { return net.JoinHostPort(host, strconv.Itoa(int(port))) }

// agentTrigger is one of the agent's --triggers.
type agentTrigger struct {
	Component string `json:"component"`
	Kind      string `json:"kind"`
	Topic     string `json:"topic,omitempty"`
	Path      string `json:"path,omitempty"`
}

// agentTriggers are what daprd is to subscribe to. A binding is one trigger, whatever topics the spec gives it.
func (u Use) agentTriggers() []agentTrigger {
	triggers := []agentTrigger{}
	for _, t := range u.wiring.triggers {
		trigger := agentTrigger{Component: t.component, Kind: pubsubBlock, Topic: t.topic}
		if isBinding(t.kind) {
			trigger.Kind, trigger.Topic = bindingsBlock, ""
			if route := u.metadataOf(t.component, "route"); route != "" {
				trigger.Path = "/" + strings.TrimPrefix(route, "/")
			}
		}
		if !slices.Contains(triggers, trigger) {
			triggers = append(triggers, trigger)
		}
	}
	return triggers
}

// metadataOf is what a Component that the spec declares has in its metadata under a name; "" for a Component that exists already.
func (u Use) metadataOf(component, key string) string {
	for _, d := range declarations(u.in.Serving) {
		if name, err := componentName(u.in.Serving.Name, d.block, d.key); err != nil || name != component {
			continue
		}
		for _, item := range d.spec.Metadata {
			if strings.EqualFold(item.Name, key) {
				return item.Value.String()
			}
		}
	}
	return ""
}

// notForTheAgent are Dapr's annotations that are about the function's own pod, or that would keep daprd from the agent.
var notForTheAgent = []string{
	annotations.KeyEnabled, annotations.KeyAppPort, annotations.KeyAppChannel, annotations.KeyAppSSL, annotations.KeyUnixDomainSocketPath,
	annotations.KeySidecarListenAddresses, annotations.KeyPluggableComponents, corev1beta2.InjectModeAnnotation,
}

// agentAnnotations are what Dapr's injector reads on the agent's pods: the established ones, and the user's that configure daprd.
func (u Use) agentAnnotations() map[string]string {
	wanted := u.established(agentPort)
	wanted[annotations.KeySidecarListenAddresses] = everyAddress
	wanted[annotations.KeyMetricsPort] = strconv.Itoa(injectedMetricsPort)
	wanted[annotations.KeyBlockShutdownDuration] = blockShutdown
	wanted[annotations.KeyGracefulShutdownSeconds] = strconv.Itoa(gracefulShutdownSeconds)
	maps.Copy(wanted, daprdAnnotations(u.in.Serving))
	switch portAnnotation(u.in.Serving, annotations.KeyMetricsPort, injectedMetricsPort) {
	case agentPort, agentStatusPort, core.ScalerPort:
		wanted[annotations.KeyMetricsPort] = strconv.Itoa(injectedMetricsPort)
	}
	wanted[annotations.KeyAppID] = u.AppID()
	wanted[annotations.KeyAppProtocol] = u.protocol
	wanted[annotations.KeyAppTokenSecret] = u.tokenSecret()
	return wanted
}

// daprdAnnotations are the user's annotations that configure daprd, wherever it runs.
func daprdAnnotations(s *corev1beta2.Serving) map[string]string {
	configuring := maps.Clone(s.Spec.Annotations)
	maps.DeleteFunc(configuring, func(key, _ string) bool {
		return !strings.HasPrefix(key, "dapr.io/") || slices.Contains(notForTheAgent, key)
	})
	return configuring
}
