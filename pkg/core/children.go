// SPDX-License-Identifier: Apache-2.0

package core

import (
	"slices"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/names"
)

// part is what the name of an object beside a Serving has after that of the Serving. The schema of Function and Serving refuses names that end in
// one of these parts (see Parts), which keeps names of objects apart from names of users.
type part string

const (
	agentPart      part = "agent"
	agentDaprdPart part = "agent-daprd"
	asyncPart      part = "async"
	canaryPart     part = "canary"
	daprPart       part = "dapr"
	daprdPart      part = "daprd"
	functionPart   part = "function"
	httpPart       part = "http"
	knativePart    part = "knative"
	redeliveryPart part = "redelivery"
	tokenPart      part = "app-token"
)

// Parts returns every part, sorted. To add one, add it to the rule on metadata.name of Function and Serving in both versions of the API too.
func Parts() []string {
	parts := []part{agentPart, agentDaprdPart, tokenPart, asyncPart, canaryPart, daprPart, daprdPart, functionPart, httpPart, knativePart, redeliveryPart}
	sorted := make([]string, len(parts))
	for i := range parts {
		sorted[i] = string(parts[i])
	}
	slices.Sort(sorted)
	return sorted
}

func child(serving string, part part) string { return names.Child(serving, string(part)) }

// scaledChild is child for what KEDA scales: KEDA calls the autoscaler "keda-hpa-<name>", and Kubernetes labels a StatefulSet's pods "<name>-<ten
// characters>", both within 63.
func scaledChild(serving string, part part) string {
	return names.ChildWithin(52, serving, string(part))
}

// HTTPChild is the name of every object by which engine keda serves the Serving: Deployment, Service and HTTPScaledObject. It differs from
// AsyncChild so that both may exist while a function changes from one run to the other.
func HTTPChild(serving string) string { return scaledChild(serving, httpPart) }

// KnativeChild is the name of the Knative Service of the Serving. The Serving's own name is that of its front Service, which Knative must not take.
func KnativeChild(serving string) string { return child(serving, knativePart) }

// AsyncChild is the name of every object by which an event-driven Serving runs: workload, headless Service and scaler.
func AsyncChild(serving string) string { return scaledChild(serving, asyncPart) }

// AsyncRun is the name of the run of event-driven functions, by which their pods are labelled.
const AsyncRun = "openfuncasync"

// FunctionChild is the name of the Service by which a shared daprd finds an event-driven function. Unlike the headless one it has an address that
// stays: daprd's connection looks a name up again only every 30 seconds.
func FunctionChild(serving string) string { return child(serving, functionPart) }

// AgentChild is the name of the function agent's Deployment and Service.
func AgentChild(serving string) string { return child(serving, agentPart) }

// AgentDaprdChild is the name of the Service by which the function finds the daprd beside the agent.
func AgentDaprdChild(serving string) string { return child(serving, agentDaprdPart) }

// SharedDaprChild is the name of the workload that runs daprd in the Dapr mode Shared.
func SharedDaprChild(serving string) string { return child(serving, daprPart) }

// SharedDaprdChild is the name of the Service by which the function finds that daprd. It is none that Dapr's operator gives.
func SharedDaprdChild(serving string) string { return child(serving, daprdPart) }

// RedeliveryChild is the name of the Resiliency by which daprd brings events again.
func RedeliveryChild(serving string) string { return child(serving, redeliveryPart) }

// TokenChild is the name of the Secret with the app token.
func TokenChild(serving string) string { return child(serving, tokenPart) }

const (
	// TokenKey is the key of the app token in its Secret, as Dapr wants it.
	TokenKey = "token"
	// PreviousTokenKey is the key of the token before the last rotation, which is honoured until all pods have the new one.
	PreviousTokenKey = "previous"
	// ScalerPort is the port of the agent's KEDA external push scaler.
	ScalerPort = 9090
	// RouterService is the Service of the router, in the operator's namespace, to which the name of every function that answers HTTP leads.
	RouterService = "router"
)

// CanaryChild is the name of the Serving in which a new version of a function is tried beside the current one.
func CanaryChild(function string) string { return child(function, canaryPart) }

// IsCanary tells whether the Serving is one in which a new version is tried.
func IsCanary(s *corev1beta2.Serving) bool { return s.Labels[corev1beta2.CanaryLabel] != "" }

// FunctionName is the Function the Serving belongs to, or the Serving itself when it stands alone.
func FunctionName(s *corev1beta2.Serving) string {
	if function := s.Labels[corev1beta2.FunctionLabel]; function != "" {
		return function
	}
	return s.Name
}

// FrontHost is the host name by which HTTP functions are called inside the cluster.
func FrontHost(in Input) string {
	return ServiceHost(in.Serving.Name, in.Serving.Namespace, in.ClusterDomain)
}

// ServiceHost is the host name of a Service inside the cluster.
func ServiceHost(name, namespace, clusterDomain string) string {
	return name + "." + namespace + ".svc." + clusterDomain
}
