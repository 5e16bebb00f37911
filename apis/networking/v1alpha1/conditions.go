// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Condition types of a Gateway. Ready, Reconciling and Stalled follow kstatus; the others are the parts that Ready sums up.
const (
	// ReadyCondition is True while the Kubernetes Gateway serves every listener of the current spec.
	ReadyCondition = "Ready"
	// ReconcilingCondition exists, and is True, while the Gateway is on its way without the user.
	ReconcilingCondition = "Reconciling"
	// StalledCondition exists, and is True, while the Gateway cannot go on until the user acts.
	StalledCondition = "Stalled"
	// ScheduledCondition is True when the Kubernetes Gateway has the listeners and its controller has accepted it.
	ScheduledCondition = "Scheduled"
	// ProgrammedCondition is True when what carries the traffic of the Kubernetes Gateway has its configuration.
	ProgrammedCondition = "Programmed"
	// ListenersReadyCondition is True when each listener of this Gateway is served.
	ListenersReadyCondition = "ListenersReady"
	// UnsupportedCondition exists, and is True, while the spec has values that are accepted and not acted on; its message lists them.
	UnsupportedCondition = "Unsupported"
)

// Reasons of conditions.
const (
	// NotReconciledReason: no controller has looked at the Gateway yet.
	NotReconciledReason = "NotReconciled"
	// InvalidTemplateReason: hostTemplate or pathTemplate cannot be used; the message says why.
	InvalidTemplateReason = "InvalidTemplate"
	// GatewayNotFoundReason: the Kubernetes Gateway of gatewayRef does not exist.
	GatewayNotFoundReason = "GatewayNotFound"
	// NamespaceNotFoundReason: the namespace of gatewayDef does not exist yet.
	NamespaceNotFoundReason = "NamespaceNotFound"
	// NotGrantedReason: the Kubernetes Gateway is in another namespace and no ReferenceGrant there lets this one use it.
	NotGrantedReason = "NotGranted"
	// NameTakenReason: the name of the Kubernetes Gateway to make is used by one of somebody else.
	NameTakenReason = "NameTaken"
	// ListenerTakenReason: the Kubernetes Gateway has another listener of somebody else with the name of one of ours.
	ListenerTakenReason = "ListenerTaken"
	// PendingReason: the controller of the Kubernetes Gateway has not answered yet.
	PendingReason = "Pending"
	// ListenerNotReadyReason: a listener is not served; the message names it and says why.
	ListenerNotReadyReason = "ListenerNotReady"
	// ListenersReadyReason: every listener is served.
	ListenersReadyReason = "ListenersReady"
	// HostnameOverriddenReason: of Unsupported; a listener answers to every subdomain of domain instead of its hostname.
	HostnameOverriddenReason = "HostnameOverridden"
)

const (
	// Finalizer keeps a Gateway until its listeners are gone from the Kubernetes Gateway.
	Finalizer = "networking.openfunction.io/finalizer"
	// InjectedListenersAnnotation on a Kubernetes Gateway says which of its listeners came from which Gateways: a JSON object from the name of
	// a listener to a list of <namespace>/<name>.
	InjectedListenersAnnotation = "networking.openfunction.io/injected-listeners"
	// GatewayUIDLabel on a Kubernetes Gateway holds the UID of the Gateway that it was made for.
	GatewayUIDLabel = "networking.openfunction.io/gateway-uid"
)
