// SPDX-License-Identifier: Apache-2.0

package dapr

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/problem"
)

// wiring is what the triggers, inputs, outputs and states of a Serving are in Dapr.
type wiring struct {
	// triggers call the function; bindings and pub/sub only.
	triggers []link
	// inputs are read by the function.
	inputs []link
	// outputs are written by the function; bindings and pub/sub only.
	outputs []link
	// states are the function's state stores.
	states []link
}

// link is one Component as the function knows it.
type link struct {
	// key is the function's own name for it; no two links of a list share one.
	key string
	// component is the name of the Component object, and kind its Dapr type, e.g. "bindings.kafka".
	component, kind string
	// topic of a pub/sub component.
	topic string
	// inputName is what a v1beta1 object called a trigger.
	inputName string
	// metadata and operation go with what an output sends.
	metadata  map[string]string
	operation string
}

// uri is the established name of where data comes from or goes to: the topic, or the component where there is none.
func (l link) uri() string { return cmp.Or(l.topic, l.component) }

func isBinding(kind string) bool { return strings.HasPrefix(kind, bindingsBlock+".") }
func isPubsub(kind string) bool  { return strings.HasPrefix(kind, pubsubBlock+".") }
func isState(kind string) bool   { return strings.HasPrefix(kind, stateBlock+".") }

// wire finds the Component of every trigger, input, output and state. Where the Serving is to have no Dapr, nothing is checked.
func wire(in core.Input) (w wiring, err error) {
	f := finder{in: in, lenient: !enabled(in.Serving)}
	if err := f.checkDeclarations(); err != nil {
		return wiring{}, err
	}
	for _, part := range []func(finder) error{w.wireTriggers, w.wireInputs, w.wireOutputs, w.wireStates} {
		if err := part(f); err != nil {
			return wiring{}, err
		}
	}
	return w, nil
}

func (w *wiring) wireTriggers(f finder) error {
	triggers := f.in.Serving.Spec.DaprTriggers()
	for i, t := range triggers {
		field := fmt.Sprintf("spec.serving.triggers.dapr[%d]", i)
		found, err := f.find(reference{name: t.Name, kind: t.Type, topic: t.Topic, field: field, nameField: ".name"})
		if err != nil {
			return err
		}
		found.inputName = t.InputName
		if isState(found.kind) {
			// Established manifests list state stores among the triggers. They can be used by the function, and call nothing.
			if normalType(t.Type) == "" && !f.lenient {
				return problem.Stalled(corev1beta2.InvalidSpecReason,
					"%s.name names %q, a state store (%s), which cannot call the function; name a binding or a pub/sub component, or move it to spec.serving.states",
					field, t.Name, found.kind)
			}
			w.states = append(w.states, found)
			continue
		}
		found.key = cmp.Or(t.InputName, t.Name)
		w.triggers = append(w.triggers, found)
	}
	if len(triggers) > 0 && len(w.triggers) == 0 && f.in.Serving.Spec.HTTP() == nil && !f.lenient {
		return problem.Stalled(corev1beta2.InvalidSpecReason,
			"spec.serving.triggers.dapr names only state stores, which cannot call the function; add a trigger of a binding or a pub/sub component, or triggers.http")
	}
	distinguish(w.triggers)
	return nil
}

func (w *wiring) wireInputs(f finder) error {
	for _, input := range inputsOf(f.in.Serving) {
		found, err := f.find(input)
		if err != nil {
			return err
		}
		w.inputs = append(w.inputs, found)
	}
	distinguish(w.inputs)
	return nil
}

func (w *wiring) wireOutputs(f finder) error {
	for _, output := range outputsOf(f.in.Serving) {
		found, err := f.find(output.reference)
		if err != nil {
			return err
		}
		if isState(found.kind) && !f.lenient {
			return problem.Stalled(corev1beta2.InvalidSpecReason,
				"%s%s names %q, a state store (%s), which takes no output; name a binding or a pub/sub component, or move it to spec.serving.states",
				output.field, output.nameField, output.name, found.kind)
		}
		found.key, found.metadata, found.operation = output.key, output.metadata, output.operation
		w.outputs = append(w.outputs, found)
	}
	distinguish(w.outputs)
	return nil
}

func (w *wiring) wireStates(f finder) error {
	stores := f.in.Serving.Spec.States
	w.states = slices.DeleteFunc(w.states, func(l link) bool { return stores[l.key] != nil })
	for _, name := range slices.Sorted(maps.Keys(stores)) {
		field := fmt.Sprintf("spec.serving.states[%q]", name)
		found, err := f.find(reference{name: name, field: field})
		if err != nil {
			return err
		}
		if !isState(found.kind) && !f.lenient {
			return problem.Stalled(corev1beta2.InvalidSpecReason,
				"%s names a Component of type %s; name a state store (state.…), or use it by triggers, inputs or outputs", field, found.kind)
		}
		w.states = append(w.states, found)
	}
	return nil
}

// distinguish makes the keys of a list differ: two topics of one component are two links. The first keeps its key, and the later ones have their
// topic added.
func distinguish(links []link) {
	taken := map[string]bool{}
	for i := range links {
		key := links[i].key
		for taken[key] {
			key += "-" + cmp.Or(links[i].topic, links[i].component)
		}
		links[i].key, taken[key] = key, true
	}
}

// reference is a place of the spec that names a Component.
type reference struct {
	// name, kind and topic are the user's; kind may be empty.
	name, kind, topic string
	// field is the path of the entry, and nameField of the name in it.
	field, nameField string
}

// outputReference is an output, however it is written.
type outputReference struct {
	reference
	key       string
	metadata  map[string]string
	operation string
}

// inputsOf returns what the function reads, from both places of the spec and in both ways of writing it.
func inputsOf(s *corev1beta2.Serving) []reference {
	triggers := s.Spec.Triggers
	if triggers == nil {
		return nil
	}
	var all []reference
	add := func(field string, inputs []corev1beta2.Input) {
		for i, input := range inputs {
			r := reference{name: input.Name, kind: input.Type, topic: input.Topic, field: fmt.Sprintf("%s[%d]", field, i), nameField: ".name"}
			if d := input.Dapr; d != nil {
				r.name, r.kind, r.topic, r.field = d.Name, d.Type, d.Topic, r.field+".dapr"
			}
			all = append(all, r)
		}
	}
	add("spec.serving.triggers.inputs", triggers.Inputs)
	if triggers.HTTP != nil {
		add("spec.serving.triggers.http.inputs", triggers.HTTP.Inputs)
	}
	return all
}

func outputsOf(s *corev1beta2.Serving) []outputReference {
	all := make([]outputReference, 0, len(s.Spec.Outputs))
	for i, output := range s.Spec.Outputs {
		field := fmt.Sprintf("spec.serving.outputs[%d]", i)
		if d := output.Dapr; d != nil {
			all = append(all, outputReference{
				reference: reference{name: d.Name, kind: d.Type, topic: d.Topic, field: field + ".dapr", nameField: ".name"},
				key:       cmp.Or(d.OutputName, d.Name), metadata: d.Metadata, operation: d.Operation,
			})
			continue
		}
		all = append(all, outputReference{
			reference: reference{name: output.Component, topic: output.Topic, field: field, nameField: ".component"},
			key:       cmp.Or(output.Name, output.Component), metadata: output.Params, operation: output.Operation,
		})
	}
	return all
}

// named returns the names of all Components the spec uses, declared or not.
func named(s *corev1beta2.Serving) []string {
	var all []string
	for _, t := range s.Spec.DaprTriggers() {
		all = append(all, t.Name)
	}
	for _, input := range inputsOf(s) {
		all = append(all, input.name)
	}
	for _, output := range outputsOf(s) {
		all = append(all, output.name)
	}
	return append(all, slices.Collect(maps.Keys(s.Spec.States))...)
}
