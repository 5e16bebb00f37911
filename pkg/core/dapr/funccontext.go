// SPDX-License-Identifier: Apache-2.0

package dapr

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
)

// The runtimes the functions frameworks know, in FUNC_CONTEXT.
const (
	// syncRuntime is the runtime of functions that HTTP requests call, whatever engine serves them.
	syncRuntime = "Knative"
	// asyncRuntime is the runtime of functions that events of Dapr call.
	asyncRuntime = "Async"
)

// functionContext is the established variable FUNC_CONTEXT, which the functions frameworks for Go and Node.js read.
type functionContext struct {
	Name    string                   `json:"name"`
	Version string                   `json:"version"`
	Inputs  map[string]contextInput  `json:"inputs,omitempty"`
	Outputs map[string]contextOutput `json:"outputs,omitempty"`
	States  map[string]contextState  `json:"states,omitempty"`
	Runtime string                   `json:"runtime"`
	// Port is the port to listen on, as text.
	Port           string                     `json:"port"`
	PrePlugins     []string                   `json:"prePlugins,omitempty"`
	PostPlugins    []string                   `json:"postPlugins,omitempty"`
	PluginsTracing *corev1beta2.TracingConfig `json:"pluginsTracing,omitempty"`
}

type contextInput struct {
	URI           string `json:"uri"`
	ComponentName string `json:"componentName"`
	ComponentType string `json:"componentType"`
}

type contextOutput struct {
	URI           string            `json:"uri"`
	ComponentName string            `json:"componentName"`
	ComponentType string            `json:"componentType"`
	Metadata      map[string]string `json:"metadata,omitempty"`
	Operation     string            `json:"operation,omitempty"`
}

type contextState struct {
	ComponentName string `json:"componentName"`
	ComponentType string `json:"componentType"`
}

// functionContextV1Beta2 is the established variable FUNC_CONTEXT_V1BETA2, which the framework for Java prefers.
type functionContextV1Beta2 struct {
	Name      string                          `json:"name"`
	Version   string                          `json:"version"`
	Triggers  contextTriggers                 `json:"triggers"`
	Inputs    map[string]contextInputV1Beta2  `json:"inputs,omitempty"`
	Outputs   map[string]contextOutputV1Beta2 `json:"outputs,omitempty"`
	States    map[string]contextState         `json:"states,omitempty"`
	PreHooks  []string                        `json:"preHooks,omitempty"`
	PostHooks []string                        `json:"postHooks,omitempty"`
	Tracing   *corev1beta2.TracingConfig      `json:"tracing,omitempty"`
}

type contextTriggers struct {
	HTTP   *contextHTTP       `json:"http,omitempty"`
	Dapr   []contextTrigger   `json:"dapr,omitempty"`
	Inputs []contextInputLink `json:"inputs,omitempty"`
}

type contextHTTP struct {
	Port   int32               `json:"port"`
	Route  *corev1beta2.Route  `json:"route,omitempty"`
	Engine *corev1beta2.Engine `json:"engine,omitempty"`
}

type contextTrigger struct {
	Name      string `json:"name"`
	Type      string `json:"type,omitempty"`
	Topic     string `json:"topic,omitempty"`
	InputName string `json:"inputName,omitempty"`
}

type contextInputLink struct {
	Dapr contextTrigger `json:"dapr"`
}

type contextInputV1Beta2 struct {
	ComponentName string `json:"componentName"`
	ComponentType string `json:"componentType"`
	Topic         string `json:"topic,omitempty"`
}

type contextOutputV1Beta2 struct {
	ComponentName string            `json:"componentName"`
	ComponentType string            `json:"componentType"`
	Topic         string            `json:"topic,omitempty"`
	Metadata      map[string]string `json:"metadata,omitempty"`
	Operation     string            `json:"operation,omitempty"`
}

// Contexts returns the variables FUNC_CONTEXT and FUNC_CONTEXT_V1BETA2 of the function, with Dapr and without.
func Contexts(in core.Input) (v1beta1, v1beta2 string, err error) {
	w, err := wire(in)
	if err != nil {
		return "", "", err
	}
	plugins, err := pluginsOf(in)
	if err != nil {
		return "", "", err
	}
	if v1beta1, err = encoded("FUNC_CONTEXT", contextV1Beta1(in, w, plugins)); err != nil {
		return "", "", err
	}
	v1beta2, err = encoded("FUNC_CONTEXT_V1BETA2", contextV1Beta2(in, w, plugins))
	return v1beta1, v1beta2, err
}

func encoded(name string, value any) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("encoding %s: %w", name, err)
	}
	return string(text), nil
}

func contextV1Beta1(in core.Input, w wiring, plugins plugins) functionContext {
	spec := in.Serving.Spec
	c := functionContext{
		Name:        core.FunctionName(in.Serving),
		Version:     spec.EffectiveVersion(),
		States:      contextStates(w),
		Runtime:     syncRuntime,
		Port:        strconv.Itoa(int(spec.HTTP().ContainerPort())),
		PrePlugins:  plugins.pre,
		PostPlugins: plugins.post,
	}
	if len(spec.DaprTriggers()) > 0 {
		c.Runtime = asyncRuntime
	}
	c.Inputs = byKey(w.triggers, func(l link) contextInput {
		return contextInput{URI: l.uri(), ComponentName: l.component, ComponentType: l.kind}
	})
	c.Outputs = byKey(w.outputs, func(l link) contextOutput {
		return contextOutput{URI: l.uri(), ComponentName: l.component, ComponentType: l.kind, Metadata: l.metadata, Operation: l.operation}
	})
	if tracing := plugins.tracing; tracing != nil {
		c.PluginsTracing = tracing
		// The frameworks run tracing as a plugin: first of all that ends, last of all that begins.
		c.PrePlugins = append(slices.Clone(plugins.pre), tracing.Provider.Name)
		c.PostPlugins = append([]string{tracing.Provider.Name}, plugins.post...)
	}
	return c
}

func contextV1Beta2(in core.Input, w wiring, plugins plugins) functionContextV1Beta2 {
	spec := in.Serving.Spec
	c := functionContextV1Beta2{
		Name:      core.FunctionName(in.Serving),
		Version:   spec.EffectiveVersion(),
		States:    contextStates(w),
		PreHooks:  plugins.preHooks,
		PostHooks: plugins.postHooks,
		Tracing:   plugins.hooksTracing,
	}
	if http := spec.HTTP(); http != nil {
		c.Triggers.HTTP = &contextHTTP{Port: http.ContainerPort(), Route: http.Route, Engine: http.Engine}
	}
	for _, t := range w.triggers {
		c.Triggers.Dapr = append(c.Triggers.Dapr, contextTrigger{Name: t.component, Type: t.kind, Topic: t.topic, InputName: t.inputName})
	}
	for _, i := range w.inputs {
		c.Triggers.Inputs = append(c.Triggers.Inputs, contextInputLink{contextTrigger{Name: i.component, Type: i.kind, Topic: i.topic}})
	}
	c.Inputs = byKey(w.inputs, func(l link) contextInputV1Beta2 {
		return contextInputV1Beta2{ComponentName: l.component, ComponentType: l.kind, Topic: l.topic}
	})
	c.Outputs = byKey(w.outputs, func(l link) contextOutputV1Beta2 {
		return contextOutputV1Beta2{ComponentName: l.component, ComponentType: l.kind, Topic: l.topic, Metadata: l.metadata, Operation: l.operation}
	})
	return c
}

func contextStates(w wiring) map[string]contextState {
	return byKey(w.states, func(l link) contextState { return contextState{ComponentName: l.component, ComponentType: l.kind} })
}

// byKey returns what each link is in a context, by the function's own name for it.
func byKey[T any](links []link, describe func(link) T) map[string]T {
	all := make(map[string]T, len(links))
	for _, l := range links {
		all[l.key] = describe(l)
	}
	return all
}
