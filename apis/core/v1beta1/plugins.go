// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/yaml"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// The annotations of a v1beta1 object that v1beta2 has fields for: hooks and tracing.
const (
	pluginsAnnotation = "plugins"
	tracingAnnotation = "plugins.tracing"
)

// The bounds of the v1beta2 fields. An annotation that does not keep them stays an annotation.
const (
	maxHooks    = 64
	maxHookName = 253
	maxTags     = 64
	maxAddress  = 2048
	maxHeaders  = 8192
	maxWord     = 64
)

// hooksOf returns the hooks that the annotation asks for; nil when there is none, or none that can be read.
func hooksOf(annotations map[string]string) *corev1beta2.Hooks {
	text, set := annotations[pluginsAnnotation]
	if !set {
		return nil
	}
	var plugins struct {
		Order []string `json:"order"`
		Pre   []string `json:"pre"`
		Post  []string `json:"post"`
	}
	if err := yaml.Unmarshal([]byte(text), &plugins); err != nil {
		return nil
	}
	// The plugins of order run before the function in that order, and after it in the reverse.
	hooks := &corev1beta2.Hooks{Pre: plugins.Order, Post: slices.Clone(plugins.Order), Policy: corev1beta2.HooksPolicyOverride}
	slices.Reverse(hooks.Post)
	if plugins.Pre != nil {
		hooks.Pre = plugins.Pre
	}
	if plugins.Post != nil {
		hooks.Post = plugins.Post
	}
	if !validHooks(hooks.Pre) || !validHooks(hooks.Post) {
		return nil
	}
	return hooks
}

func validHooks(names []string) bool {
	return len(names) <= maxHooks && !slices.ContainsFunc(names, func(name string) bool { return len(name) > maxHookName })
}

// tracingOf returns the tracing that the annotation asks for; nil when there is none, or none that can be read.
func tracingOf(annotations map[string]string) *corev1beta2.TracingConfig {
	text, set := annotations[tracingAnnotation]
	if !set {
		return nil
	}
	var plugin struct {
		Enabled  bool                         `json:"enabled"`
		Provider *corev1beta2.TracingProvider `json:"provider"`
		Tags     pairs                        `json:"tags"`
		Baggage  pairs                        `json:"baggage"`
	}
	if err := yaml.Unmarshal([]byte(text), &plugin); err != nil {
		return nil
	}
	tracing := &corev1beta2.TracingConfig{Enabled: plugin.Enabled, Provider: plugin.Provider, Tags: plugin.Tags, Baggage: plugin.Baggage}
	if !tracing.Enabled && (tracing.Provider == nil || tracing.Provider.Name == "") {
		tracing.Provider = &corev1beta2.TracingProvider{Name: "skywalking"} // v1beta2 needs one, also where nothing is traced
	}
	if !validTracing(tracing) {
		return nil
	}
	return tracing
}

func validTracing(t *corev1beta2.TracingConfig) bool {
	p := t.Provider
	if p == nil || (p.Name != "skywalking" && p.Name != "opentelemetry") || len(p.OapServer) > maxAddress || len(t.Tags) > maxTags || len(t.Baggage) > maxTags {
		return false
	}
	e := p.Exporter
	return e == nil || (e.Name != "" && len(e.Name) <= maxHookName && e.Endpoint != "" && len(e.Endpoint) <= maxAddress &&
		len(e.Headers) <= maxHeaders && max(len(e.Compression), len(e.Timeout), len(e.Protocol)) <= maxWord)
}

// pairs are names and values, written as a map or as a list of maps.
type pairs map[string]string

// UnmarshalJSON implements json.Unmarshaler.
func (p *pairs) UnmarshalJSON(text []byte) error {
	var list []map[string]any
	if err := json.Unmarshal(text, &list); err != nil {
		one := map[string]any{}
		if err := json.Unmarshal(text, &one); err != nil {
			return err
		}
		list = []map[string]any{one}
	}
	for _, entries := range list {
		for name, entry := range entries {
			if *p == nil {
				*p = pairs{}
			}
			switch entry.(type) {
			case string, float64, bool:
				(*p)[name] = fmt.Sprint(entry)
			default:
				return fmt.Errorf("%q is neither a text nor a number", name)
			}
		}
	}
	return nil
}

// pluginsFromHub returns the annotations of the v1beta1 object, so that they say what hooks and tracing say.
func pluginsFromHub(annotations map[string]string, h *corev1beta2.ServingImpl) map[string]string {
	if h == nil {
		return annotations
	}
	annotations = maps.Clone(annotations)
	if h.Hooks != nil {
		said := hooksOf(annotations)
		if said == nil || !slices.Equal(said.Pre, h.Hooks.Pre) || !slices.Equal(said.Post, h.Hooks.Post) {
			annotations = written(annotations, pluginsAnnotation, corev1beta2.Hooks{Pre: h.Hooks.Pre, Post: h.Hooks.Post})
		}
	}
	if h.Tracing != nil && !equality.Semantic.DeepEqual(tracingOf(annotations), h.Tracing) {
		annotations = written(annotations, tracingAnnotation, h.Tracing)
	}
	return annotations
}

// written sets an annotation to a value as YAML.
func written(annotations map[string]string, key string, value any) map[string]string {
	text, err := yaml.Marshal(value)
	if err != nil {
		return annotations // cannot be: these are structs of texts
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = string(text)
	return annotations
}
