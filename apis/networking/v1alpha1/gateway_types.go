// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// GatewaySpec says which Kubernetes Gateway carries the functions, with which listeners, and how hosts and paths are made for functions that
// name none.
//
// +kubebuilder:validation:XValidation:rule=`has(self.gatewayRef) != has(self.gatewayDef)`,message=`exactly one of gatewayRef and gatewayDef must be set; gatewayRef for a Gateway that exists, gatewayDef to have one made`,fieldPath=`.gatewayRef`
type GatewaySpec struct {
	// domain is the domain under which functions are reached from outside. Listeners answer to its subdomains.
	// Example: example.com
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=251
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')`,message=`domain must be a DNS name in small letters without a wildcard; write it like example.com`
	Domain string `json:"domain"`

	// clusterDomain is the DNS suffix of Services, default cluster.local.
	// +optional
	// +kubebuilder:default=cluster.local
	// +kubebuilder:validation:MaxLength=251
	// +kubebuilder:validation:XValidation:rule=`self == "" || self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')`,message=`clusterDomain must be a DNS name in small letters; leave it out for cluster.local`
	ClusterDomain string `json:"clusterDomain,omitempty"`

	// hostTemplate makes the host name of a function that names none. It is a Go template over Name, Namespace and
	// Domain, without range, define and template.
	// Example: {{.Name}}.{{.Namespace}}.{{.Domain}}
	// +optional
	// +kubebuilder:default="{{.Name}}.{{.Namespace}}.{{.Domain}}"
	// +kubebuilder:validation:MaxLength=512
	HostTemplate string `json:"hostTemplate,omitempty"`

	// pathTemplate makes the path of a function that names host names and no rules. It is a Go template over Name and
	// Namespace, without range, define and template.
	// Example: {{.Namespace}}/{{.Name}}
	// +optional
	// +kubebuilder:default="{{.Namespace}}/{{.Name}}"
	// +kubebuilder:validation:MaxLength=512
	PathTemplate string `json:"pathTemplate,omitempty"`

	// httpRouteLabelKey is the label of the functions' HTTPRoutes, default app.kubernetes.io/managed-by. Its value is
	// <namespace>.<name> of this Gateway.
	// +optional
	// +kubebuilder:default=app.kubernetes.io/managed-by
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule=`self == "" || self.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$')`,message=`httpRouteLabelKey must be the key of a label; write it like app.kubernetes.io/managed-by`
	HTTPRouteLabelKey string `json:"httpRouteLabelKey,omitempty"`

	// gatewayRef names the Kubernetes Gateway that exists and gets the listeners. One in another namespace needs a
	// ReferenceGrant there, unless this Gateway is in the platform's own namespace.
	// +optional
	GatewayRef *GatewayRef `json:"gatewayRef,omitempty"`

	// gatewayDef describes the Kubernetes Gateway to make.
	// +optional
	GatewayDef *GatewayDef `json:"gatewayDef,omitempty"`

	// gatewaySpec has the listeners.
	// +required
	GatewaySpec K8sGatewaySpec `json:"gatewaySpec"`
}

// GatewayRef names a Kubernetes Gateway.
type GatewayRef struct {
	// name is the name of the Kubernetes Gateway.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// namespace is the namespace of the Kubernetes Gateway.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace string `json:"namespace"`
}

// GatewayDef describes a Kubernetes Gateway to make.
type GatewayDef struct {
	// name is the name of the Kubernetes Gateway. Default: that of this Gateway.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// namespace is the namespace of the Kubernetes Gateway. Another one than that of this Gateway needs a
	// ReferenceGrant there, unless this Gateway is in the platform's own namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace string `json:"namespace"`

	// gatewayClassName is the GatewayClass of the Kubernetes Gateway.
	// Example: traefik
	// +required
	GatewayClassName gatewayv1.ObjectName `json:"gatewayClassName"`
}

// K8sGatewaySpec has what the Kubernetes Gateway gets from this one.
type K8sGatewaySpec struct {
	// listeners are the listeners of the Kubernetes Gateway, 1 to 64, one of them other than ofn-http-internal. Each answers to
	// every subdomain of domain, whatever its hostname says. A listener ofn-http-internal for *.<clusterDomain> on port 80 is added.
	// Example: [{name: ofn-http-external, protocol: HTTP, port: 80, allowedRoutes: {namespaces: {from: All}}}]
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule=`self.exists(l, l.name != 'ofn-http-internal')`,message=`listeners must have one besides ofn-http-internal; add the listener at which functions are reached from outside`
	// +kubebuilder:validation:XValidation:rule=`self.all(a, a.name == 'ofn-http-internal' || self.exists_one(b, b.name != 'ofn-http-internal' && b.port == a.port && b.protocol == a.protocol))`,message=`listeners must differ in port or protocol, because all answer to the subdomains of domain; leave one of them out`
	Listeners []gatewayv1.Listener `json:"listeners"`
}

// GatewayStatus is what has become of the Gateway.
type GatewayStatus struct {
	// observedGeneration is the metadata.generation this status speaks about.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// addresses are where the Kubernetes Gateway is reached.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Addresses []gatewayv1.GatewayStatusAddress `json:"addresses,omitempty"`

	// conditions are the standard conditions. Ready sums up; Scheduled, Programmed and ListenersReady explain; Reconciling and
	// Stalled are present only while true.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:default={{type: "Scheduled", status: "Unknown", reason: "NotReconciled", message: "Waiting for controller", lastTransitionTime: "1970-01-01T00:00:00Z"}}
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// listeners are what the Kubernetes Gateway says of each listener of this one.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Listeners []gatewayv1.ListenerStatus `json:"listeners,omitempty"`
}

// Gateway is where functions are reached from outside the cluster: it has its listeners put on a Kubernetes Gateway and says which hosts and paths
// functions get.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=openfunction
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.status.addresses[*].value`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Domain",type=string,priority=1,JSONPath=`.spec.domain`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type Gateway struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says which Kubernetes Gateway carries the functions, and how.
	// +required
	Spec GatewaySpec `json:"spec"`

	// status is what has become of it.
	// +optional
	// +kubebuilder:default={}
	Status GatewayStatus `json:"status,omitempty"`
}

// GatewayList is a list of Gateways.
//
// +kubebuilder:object:root=true
type GatewayList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Gateway `json:"items"`
}
