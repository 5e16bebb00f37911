// SPDX-License-Identifier: Apache-2.0

package dapr

import (
	"slices"

	daprv1alpha1 "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	"github.com/dapr/dapr/pkg/injector/annotations"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
)

// ComponentKind is the kind of Dapr's Components.
var ComponentKind = schema.GroupVersionKind{Group: "dapr.io", Version: daprv1alpha1.Version, Kind: daprv1alpha1.Kind}

// Use is how one Serving uses Dapr.
type Use struct {
	in       core.Input
	enabled  bool
	mode     corev1beta2.DaprMode
	protocol string
	wiring   wiring
}

// Of returns how the Serving uses Dapr, or a Stalled problem when what it asks for cannot be.
func Of(in core.Input) (Use, error) {
	s := in.Serving
	if !enabled(s) {
		return Use{in: in}, nil
	}
	mode, err := modeOf(s)
	if err != nil {
		return Use{}, err
	}
	if err := checkAppID(s); err != nil {
		return Use{}, err
	}
	protocol, err := protocolOf(s, mode)
	if err != nil {
		return Use{}, err
	}
	wiring, err := wire(in)
	if err != nil {
		return Use{}, err
	}
	return Use{in: in, enabled: true, mode: mode, protocol: protocol, wiring: wiring}, nil
}

// Enabled tells whether the Serving uses Dapr at all.
func (u Use) Enabled() bool { return u.enabled }

// Mode is where daprd runs; meaningful when Enabled. It is "" where the user runs daprd himself (see modeOf).
func (u Use) Mode() corev1beta2.DaprMode { return u.mode }

// AppID is the app id the function has in Dapr.
func (u Use) AppID() string { return AppID(u.in.Serving) }

// AppProtocol is what the function speaks with daprd: grpc, http, or in mode Sidecar another of Dapr's protocols.
func (u Use) AppProtocol() string { return u.protocol }

// HasAgent tells whether a function agent stands between daprd and the function.
func (u Use) HasAgent() bool { return u.enabled && u.mode == corev1beta2.DaprModeFunction }

// TakesEvents tells whether events of Dapr call the function.
func (u Use) TakesEvents() bool { return u.enabled && len(u.wiring.triggers) > 0 }

// Objects returns what the Serving's use of Dapr consists of besides its own workload: Components, and what runs daprd outside of the
// function's pods. The reconciler applies them in this order, before the objects of the run.
func (u Use) Objects() ([]client.Object, error) {
	if !u.enabled {
		return nil, nil
	}
	objects, err := components(u.in)
	if err != nil {
		return nil, err
	}
	if policy := u.resiliency(); policy != nil {
		objects = append(objects, policy)
	}
	var workload []client.Object
	switch u.mode {
	case corev1beta2.DaprModeFunction:
		workload, err = u.agent()
	case corev1beta2.DaprModeShared:
		workload, err = u.shared()
	case corev1beta2.DaprModeSidecar:
	}
	return append(objects, workload...), err
}

// References returns the sorted names of the existing Components the spec refers to: those that it does not declare itself.
func References(s *corev1beta2.Serving) []string {
	if !enabled(s) {
		return nil
	}
	var names []string
	for _, name := range named(s) {
		if _, is := declared(s, name); !is {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// NeedsToken tells whether an app token must be made for the Serving: the agent does not work without one, and a function that takes
// events is to know who brings them. A user who names a Secret of his own brings the token himself.
func NeedsToken(s *corev1beta2.Serving) bool {
	mode, err := modeOf(s)
	if err != nil || mode == "" || !enabled(s) || s.Spec.Annotations[annotations.KeyAppTokenSecret] != "" {
		return false
	}
	return mode == corev1beta2.DaprModeFunction || len(s.Spec.DaprTriggers()) > 0
}

// IsShared tells whether the Serving uses Dapr in the mode Shared.
func IsShared(s *corev1beta2.Serving) bool {
	mode, err := modeOf(s)
	return err == nil && enabled(s) && mode == corev1beta2.DaprModeShared
}

// Needs returns Dapr, when the Serving uses it.
func Needs(s *corev1beta2.Serving) (core.Provider, bool) {
	return core.Provider{
		Title: "Dapr",
		Kinds: []schema.GroupVersionKind{ComponentKind, ResiliencyKind},
		Install: "helm upgrade --install dapr dapr --repo https://dapr.github.io/helm-charts --version 1.18.2 " +
			"--namespace dapr-system --create-namespace --wait",
	}, enabled(s)
}

// tokenSecret names the Secret with the app token.
func (u Use) tokenSecret() string {
	if own := u.in.Serving.Spec.Annotations[annotations.KeyAppTokenSecret]; own != "" {
		return own
	}
	return core.TokenChild(u.in.Serving.Name)
}

// hasToken tells whether daprd has an app token to send.
func (u Use) hasToken() bool { return u.HasAgent() || (u.mode != "" && u.TakesEvents()) }

// FunctionPort is where the function listens for daprd: its own port, unless the user names another by Dapr's annotation.
func (u Use) FunctionPort() int32 {
	return portAnnotation(u.in.Serving, annotations.KeyAppPort, u.in.Serving.Spec.HTTP().ContainerPort())
}

// secretVariable is an environment variable by reference to the token of a Secret.
func secretVariable(name, secret string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: core.TokenKey,
	}}}
}
