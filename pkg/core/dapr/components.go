// SPDX-License-Identifier: Apache-2.0

package dapr

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dapr/dapr/pkg/apis/common"
	daprv1alpha1 "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/names"
	"github.com/openfunction/openfunction/pkg/problem"
)

// The building blocks of Dapr that components belong to; a component's type begins with one.
const (
	bindingsBlock = "bindings"
	pubsubBlock   = "pubsub"
	stateBlock    = "state"
)

// kubernetesSecrets is the secret store that Dapr's operator itself reads for a component.
const kubernetesSecrets = "kubernetes"

// declaration is a component that the spec declares with all it needs.
type declaration struct {
	// block is the building block it is declared for, and field its place in the spec.
	block, field string
	// key is the user's name for it.
	key  string
	spec *daprv1alpha1.ComponentSpec
}

// declarations returns the components the spec declares, in a stable order.
func declarations(s *corev1beta2.Serving) []declaration {
	var all []declaration
	add := func(block, field, key string, spec *daprv1alpha1.ComponentSpec) {
		all = append(all, declaration{block: block, field: fmt.Sprintf("spec.serving.%s[%q]", field, key), key: key, spec: spec})
	}
	for _, key := range slices.Sorted(maps.Keys(s.Spec.Bindings)) {
		add(bindingsBlock, "bindings", key, s.Spec.Bindings[key])
	}
	for _, key := range slices.Sorted(maps.Keys(s.Spec.Pubsub)) {
		add(pubsubBlock, "pubsub", key, s.Spec.Pubsub[key])
	}
	for _, key := range slices.Sorted(maps.Keys(s.Spec.States)) {
		if state := s.Spec.States[key]; state != nil && state.Spec != nil {
			add(stateBlock, "states", key, state.Spec)
		}
	}
	return all
}

// components returns the Components the Serving declares. They are for its app id alone, so that no other app subscribes with them.
func components(in core.Input) ([]client.Object, error) {
	var objects []client.Object
	for _, d := range declarations(in.Serving) {
		name, err := componentName(in.Serving.Name, d.block, d.key)
		if err != nil {
			return nil, err
		}
		component := &daprv1alpha1.Component{
			ObjectMeta: metav1.ObjectMeta{
				Name:      name,
				Namespace: in.Serving.Namespace,
				Labels:    map[string]string{corev1beta2.ManagedLabel: "true", corev1beta2.ServingLabel: in.Serving.Name},
			},
			Spec:   *d.spec.DeepCopy(),
			Scoped: common.Scoped{Scopes: []string{AppID(in.Serving)}},
		}
		component.Spec.Type = normalType(component.Spec.Type)
		if component.Spec.Metadata == nil {
			component.Spec.Metadata = []common.NameValuePair{} // Dapr's schema requires the list
		}
		if slices.ContainsFunc(component.Spec.Metadata, func(m common.NameValuePair) bool { return m.SecretKeyRef.Name != "" }) {
			component.SecretStore = kubernetesSecrets
		}
		objects = append(objects, component)
	}
	return objects, nil
}

// componentName is the name of the Component made for one declaration. No two declarations of a namespace share one, and a declaration has the
// same name in every version of the function.
func componentName(serving, block, key string) (string, error) {
	hash, err := names.Hash([]string{serving, block, key})
	if err != nil {
		return "", err
	}
	return names.WithHash(strings.Trim(serving+"-"+sanitised(key), "-."), hash), nil
}

// sanitised keeps what may stand in a DNS label.
func sanitised(key string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		default:
			return '-'
		}
	}, key)
	return strings.Trim(clean, "-")
}

// normalType is a component type as Dapr writes it. Established manifests also write binding.kafka.
func normalType(kind string) string {
	if rest, singular := strings.CutPrefix(kind, "binding."); singular {
		return bindingsBlock + "." + rest
	}
	return kind
}

// declared returns what the spec declares under a name.
func declared(s *corev1beta2.Serving, key string) (declaration, bool) {
	for _, d := range declarations(s) {
		if d.key == key && d.spec != nil {
			return d, true
		}
	}
	return declaration{}, false
}

// finder finds the Component that a place of the spec names.
type finder struct {
	in core.Input
	// lenient takes every name as it is.
	lenient bool
}

// checkDeclarations finds a declared component that does not fit its place.
func (f finder) checkDeclarations() error {
	if f.lenient {
		return nil
	}
	for _, d := range declarations(f.in.Serving) {
		if d.spec == nil {
			return problem.Stalled(corev1beta2.InvalidSpecReason, "%s is empty; set type, version and metadata of the component, or remove it", d.field)
		}
		if !strings.HasPrefix(normalType(d.spec.Type), d.block+".") {
			return problem.Stalled(corev1beta2.InvalidSpecReason,
				"%s.type is %q; a component there has a type that begins with %s.; correct it, or move the component", d.field, d.spec.Type, d.block)
		}
	}
	return nil
}

// find returns the Component that r names: one the spec declares, or else one that exists.
func (f finder) find(r reference) (link, error) {
	found := link{key: r.name, component: r.name, kind: normalType(r.kind), topic: r.topic}
	actual, exists := f.in.Components[r.name]
	if d, is := declared(f.in.Serving, r.name); is {
		name, err := componentName(f.in.Serving.Name, d.block, d.key)
		if err != nil {
			return link{}, err
		}
		actual, exists, found.component = normalType(d.spec.Type), true, name
	}
	if f.lenient {
		found.component, found.kind = r.name, cmp.Or(found.kind, actual)
		return found, nil
	}
	if !exists {
		return link{}, problem.Stalled(corev1beta2.ComponentNotFoundReason,
			"Component %q, which %s%s names, does not exist in namespace %q; create it, declare it in spec.serving.bindings, pubsub or states, or correct the name",
			r.name, r.field, r.nameField, f.in.Serving.Namespace)
	}
	if found.kind != "" && found.kind != actual {
		return link{}, problem.Stalled(corev1beta2.InvalidSpecReason, "%s.type is %q, but component %q has the type %q; correct the type or leave it out",
			r.field, r.kind, r.name, actual)
	}
	found.kind = actual
	return found, checkBlock(r, found)
}

// checkBlock refuses what no function can use, and a pub/sub component without a topic.
func checkBlock(r reference, found link) error {
	switch {
	case isPubsub(found.kind) && found.topic == "":
		return problem.Stalled(corev1beta2.InvalidSpecReason,
			"%s.topic is empty, but %q is a pub/sub component (%s); set the topic", r.field, r.name, found.kind)
	case isBinding(found.kind), isPubsub(found.kind), isState(found.kind):
		return nil
	default:
		return problem.Stalled(corev1beta2.InvalidSpecReason,
			"%s%s names %q, a component of type %q; functions use components of the types bindings.…, pubsub.… and state.…",
			r.field, r.nameField, r.name, found.kind)
	}
}
