// SPDX-License-Identifier: Apache-2.0

package networking

import (
	"encoding/json"
	"fmt"
	"slices"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
	"github.com/openfunction/openfunction/pkg/apply"
	"github.com/openfunction/openfunction/pkg/names"
)

// injected says of a listener on a Kubernetes Gateway what was put there and for which Gateways of ours.
type injected struct {
	// Hash covers the listener as it was wanted: a field taken out of it cannot be seen by looking at the live one.
	Hash string `json:"hash"`
	// Gateways are <namespace>/<name> of those that want it, in order.
	Gateways []string `json:"gateways"`
}

// record is the value of the annotation, by the name of the listener.
type record map[string]injected

// ListenerTakenError tells that a listener of somebody else has a name of ours.
type ListenerTakenError struct {
	// Listener is the name.
	Listener string
}

// Error says what to do.
func (e *ListenerTakenError) Error() string {
	return fmt.Sprintf("the listener %q exists and belongs to somebody else; give yours another name, or make it the same", e.Listener)
}

// Adopt puts the listeners that g wants onto a Kubernetes Gateway, takes away those it no longer wants, and tells whether that changed anything. A
// listener that g did not bring is left as it is: where it is what g wants it serves both, and otherwise it is an error. On a Kubernetes Gateway that
// was made for g, one that is what g wants was brought by it, though somebody took the record away. The Kubernetes Gateway is not typed, because
// what we do not know of other people's listeners must stay.
func Adopt(gateway *unstructured.Unstructured, g *networkingv1alpha1.Gateway) (changed bool, err error) {
	had := readRecord(gateway)
	has, me := record{}, Key(g)
	listeners, _, _ := unstructured.NestedSlice(gateway.Object, "spec", "listeners")
	wanted := g.Listeners()
	for name, entry := range had {
		if !slices.ContainsFunc(wanted, func(l gatewayv1.Listener) bool { return string(l.Name) == name }) {
			listeners = leave(listeners, has, name, entry, me)
		} else {
			has[name] = entry
		}
	}
	for _, l := range wanted {
		if listeners, err = join(listeners, has, l, me, g.Spec.GatewayDef != nil); err != nil {
			return false, err
		}
	}
	return write(gateway, listeners, has)
}

// Release takes away what was brought for the Gateway me (<namespace>/<name>), and tells whether that changed anything. A Kubernetes Gateway must
// have a listener: the last one stays where there would be none.
func Release(gateway *unstructured.Unstructured, me string) (changed bool, err error) {
	has := record{}
	listeners, _, _ := unstructured.NestedSlice(gateway.Object, "spec", "listeners")
	for name, entry := range readRecord(gateway) {
		listeners = leave(listeners, has, name, entry, me)
	}
	if before, _, _ := unstructured.NestedSlice(gateway.Object, "spec", "listeners"); len(listeners) == 0 && len(before) > 0 {
		listeners = before[:1]
	}
	return write(gateway, listeners, has)
}

// IsAdoptedBy tells whether a Kubernetes Gateway has listeners that were brought for the Gateway me.
func IsAdoptedBy(gateway *gatewayv1.Gateway, me string) bool {
	for _, entry := range parseRecord(gateway.Annotations[networkingv1alpha1.InjectedListenersAnnotation]) {
		if slices.Contains(entry.Gateways, me) {
			return true
		}
	}
	return false
}

// Key is how the record of a Kubernetes Gateway names a Gateway of ours.
func Key(g *networkingv1alpha1.Gateway) string { return g.Namespace + "/" + g.Name }

// leave takes me out of an entry, and the listener away with the last one who wanted it.
func leave(listeners []any, has record, name string, entry injected, me string) []any {
	entry.Gateways = slices.DeleteFunc(slices.Clone(entry.Gateways), func(other string) bool { return other == me })
	if len(entry.Gateways) > 0 {
		has[name] = entry
		return listeners
	}
	return slices.DeleteFunc(listeners, func(l any) bool { return nameOf(l) == name })
}

// join puts one wanted listener among the others; made tells that the Kubernetes Gateway was made for me.
func join(listeners []any, has record, l gatewayv1.Listener, me string, made bool) ([]any, error) {
	name := string(l.Name)
	wanted, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&l)
	if err != nil {
		return nil, fmt.Errorf("converting listener %s: %w", name, err)
	}
	hash, err := names.Hash(wanted)
	if err != nil {
		return nil, err
	}
	entry, known := has[name]
	mine := injected{Hash: hash, Gateways: []string{me}}
	i := slices.IndexFunc(listeners, func(l any) bool { return nameOf(l) == name })
	if i < 0 {
		has[name] = mine
		return append(listeners, wanted), nil
	}
	same, err := apply.Contains(listeners[i], wanted)
	if err != nil {
		return nil, err
	}
	switch alone := known && slices.Equal(entry.Gateways, mine.Gateways); {
	case alone && (entry.Hash != hash || !same):
		listeners[i], has[name] = wanted, mine
	case alone:
	case known && entry.Hash == hash:
		if !slices.Contains(entry.Gateways, me) {
			entry.Gateways = append(slices.Clone(entry.Gateways), me)
			slices.Sort(entry.Gateways)
			has[name] = entry
		}
		if !same {
			listeners[i] = wanted
		}
	case !known && same && made:
		has[name] = mine
	case known, !same:
		return nil, &ListenerTakenError{Listener: name}
	}
	return listeners, nil
}

func nameOf(listener any) string {
	fields, _ := listener.(map[string]any)
	name, _ := fields["name"].(string)
	return name
}

func readRecord(gateway *unstructured.Unstructured) record {
	return parseRecord(gateway.GetAnnotations()[networkingv1alpha1.InjectedListenersAnnotation])
}

// parseRecord reads the annotation. One that cannot be read says nothing: what was brought then belongs to whoever runs the Kubernetes Gateway.
func parseRecord(text string) record {
	var r record
	if json.Unmarshal([]byte(text), &r) != nil {
		return nil
	}
	return r
}

// write puts listeners and record into the Kubernetes Gateway where they differ from what it has.
func write(gateway *unstructured.Unstructured, listeners []any, has record) (changed bool, err error) {
	before := gateway.DeepCopy()
	annotations := gateway.GetAnnotations()
	delete(annotations, networkingv1alpha1.InjectedListenersAnnotation)
	if len(has) > 0 {
		text, err := json.Marshal(has)
		if err != nil {
			return false, fmt.Errorf("writing the record of listeners: %w", err)
		}
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[networkingv1alpha1.InjectedListenersAnnotation] = string(text)
	}
	gateway.SetAnnotations(annotations)
	if err := unstructured.SetNestedSlice(gateway.Object, listeners, "spec", "listeners"); err != nil {
		return false, fmt.Errorf("setting the listeners: %w", err)
	}
	return !apiequality.Semantic.DeepEqual(before.Object, gateway.Object), nil
}
