// SPDX-License-Identifier: Apache-2.0

package dapr

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"sigs.k8s.io/yaml"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/problem"
)

// The established keys of serving.annotations and of the operator's ConfigMap, and the newer ones of the ConfigMap.
const (
	pluginsKey        = "plugins"
	pluginsTracingKey = "plugins.tracing"
	hooksKey          = "hooks"
	tracingKey        = "tracing"
	frameworksConfig  = "openfunction-config"
)

// skywalking is the tracing provider whose agents read their settings from the environment.
const skywalking = "skywalking"

// plugins is what runs around a function, as each of the two contexts has it. In the older one the annotations win over all else, and in the newer
// one the spec wins over the annotations.
type plugins struct {
	pre, post           []string
	tracing             *corev1beta2.TracingConfig
	preHooks, postHooks []string
	hooksTracing        *corev1beta2.TracingConfig
}

// pluginsOf joins what the function has with what the operator sets for all.
func pluginsOf(in core.Input) (plugins, error) {
	spec := in.Serving.Spec
	annotated, err := annotatedHooks(spec.Annotations)
	if err != nil {
		return plugins{}, err
	}
	annotatedTracing, err := annotatedTracing(spec.Annotations)
	if err != nil {
		return plugins{}, err
	}
	p := plugins{hooksTracing: mergedTracing(in.Frameworks.Tracing, cmp.Or(spec.Tracing, annotatedTracing))}
	if annotatedTracing != nil {
		p.tracing = mergedTracing(nil, annotatedTracing)
	} else {
		p.tracing = mergedTracing(in.Frameworks.Tracing, spec.Tracing)
	}
	p.pre, p.post = mergedHooks(in.Frameworks.Hooks, cmp.Or(annotated, spec.Hooks))
	p.preHooks, p.postHooks = mergedHooks(in.Frameworks.Hooks, cmp.Or(spec.Hooks, annotated))
	return p, nil
}

// mergedHooks puts the platform's hooks around the function's, unless those are to run alone.
func mergedHooks(all corev1beta2.Hooks, own *corev1beta2.Hooks) (pre, post []string) {
	switch {
	case own == nil:
		return all.Pre, all.Post
	case own.Policy == corev1beta2.HooksPolicyOverride:
		return own.Pre, own.Post
	default:
		return slices.Concat(all.Pre, own.Pre), slices.Concat(own.Post, all.Post)
	}
}

// mergedTracing completes the function's tracing with the platform's; nil when there is to be none.
func mergedTracing(all, own *corev1beta2.TracingConfig) *corev1beta2.TracingConfig {
	if own == nil {
		own, all = all, nil
	}
	if own == nil || !own.Enabled {
		return nil
	}
	merged := own.DeepCopy()
	if all != nil {
		merged.Provider = mergedProvider(all.Provider, merged.Provider)
		merged.Tags = mergedMap(all.Tags, own.Tags)
		merged.Baggage = mergedMap(all.Baggage, own.Baggage)
	}
	if merged.Provider == nil || merged.Provider.Name == "" {
		return nil // nobody to send traces to
	}
	return merged
}

func mergedProvider(all, own *corev1beta2.TracingProvider) *corev1beta2.TracingProvider {
	if own == nil || all == nil {
		return cmp.Or(own, all).DeepCopy()
	}
	own.Name = cmp.Or(own.Name, all.Name)
	own.OapServer = cmp.Or(own.OapServer, all.OapServer)
	if own.Exporter == nil || all.Exporter == nil {
		own.Exporter = cmp.Or(own.Exporter, all.Exporter).DeepCopy()
		return own
	}
	own.Exporter.Name = cmp.Or(own.Exporter.Name, all.Exporter.Name)
	own.Exporter.Endpoint = cmp.Or(own.Exporter.Endpoint, all.Exporter.Endpoint)
	own.Exporter.Headers = cmp.Or(own.Exporter.Headers, all.Exporter.Headers)
	own.Exporter.Compression = cmp.Or(own.Exporter.Compression, all.Exporter.Compression)
	own.Exporter.Timeout = cmp.Or(own.Exporter.Timeout, all.Exporter.Timeout)
	own.Exporter.Protocol = cmp.Or(own.Exporter.Protocol, all.Exporter.Protocol)
	return own
}

func mergedMap(all, own map[string]string) map[string]string {
	merged := maps.Clone(all)
	if merged == nil {
		return maps.Clone(own)
	}
	maps.Copy(merged, own)
	return merged
}

// Skywalking returns the address of the SkyWalking server the function sends traces to; found is false when it sends none there.
func Skywalking(in core.Input) (server string, found bool, err error) {
	p, err := pluginsOf(in)
	if err != nil {
		return "", false, err
	}
	tracing := cmp.Or(p.tracing, p.hooksTracing)
	if tracing == nil || tracing.Provider.Name != skywalking {
		return "", false, nil
	}
	return tracing.Provider.OapServer, true, nil
}

// annotatedHooks reads the established annotation; nil when there is none. It has always replaced the platform's plugins.
func annotatedHooks(annotations map[string]string) (*corev1beta2.Hooks, error) {
	text, set := annotations[pluginsKey]
	if !set {
		return nil, nil
	}
	hooks, err := parsePlugins(text)
	if err != nil {
		return nil, problem.Stalled(corev1beta2.InvalidSpecReason,
			"spec.serving.annotations[%q] is not YAML of the form {pre: [a], post: [b]}: %v; correct it", pluginsKey, err)
	}
	hooks.Policy = corev1beta2.HooksPolicyOverride
	return hooks, nil
}

func annotatedTracing(annotations map[string]string) (*corev1beta2.TracingConfig, error) {
	text, set := annotations[pluginsTracingKey]
	if !set {
		return nil, nil
	}
	tracing, err := parseTracing(text)
	if err != nil {
		return nil, problem.Stalled(corev1beta2.InvalidSpecReason,
			"spec.serving.annotations[%q] is not YAML like that of spec.serving.tracing: %v; correct it", pluginsTracingKey, err)
	}
	return tracing, nil
}

// parsePlugins reads the established form of hooks, in which order stands for plugins that run before the function in that order, and after it in the
// reverse. An empty text is no plugins.
func parsePlugins(text string) (*corev1beta2.Hooks, error) {
	var plugins struct {
		Order []string `json:"order"`
		Pre   []string `json:"pre"`
		Post  []string `json:"post"`
	}
	if err := yaml.Unmarshal([]byte(text), &plugins); err != nil {
		return nil, err
	}
	hooks := &corev1beta2.Hooks{Pre: plugins.Order, Post: slices.Clone(plugins.Order)}
	slices.Reverse(hooks.Post)
	if plugins.Pre != nil {
		hooks.Pre = plugins.Pre
	}
	if plugins.Post != nil {
		hooks.Post = plugins.Post
	}
	return hooks, nil
}

func parseTracing(text string) (*corev1beta2.TracingConfig, error) {
	tracing := &corev1beta2.TracingConfig{}
	if err := yaml.Unmarshal([]byte(text), tracing); err != nil {
		return nil, err
	}
	if provider := tracing.Provider; tracing.Enabled && provider != nil && !slices.Contains([]string{"", skywalking, "opentelemetry"}, provider.Name) {
		return nil, fmt.Errorf("provider.name is %q, not skywalking or opentelemetry", provider.Name)
	}
	return tracing, nil
}

// ParseFrameworks reads what the operator sets for the functions frameworks of all functions. A newer key wins over the older one of its kind.
func ParseFrameworks(data map[string]string) (core.Frameworks, error) {
	var frameworks core.Frameworks
	for _, key := range []string{pluginsKey, hooksKey} {
		if text, set := data[key]; set {
			hooks, err := parsePlugins(text)
			if err != nil {
				return core.Frameworks{}, invalidConfig(key, err)
			}
			frameworks.Hooks = *hooks
		}
	}
	for _, key := range []string{pluginsTracingKey, tracingKey} {
		if text, set := data[key]; set {
			tracing, err := parseTracing(text)
			if err != nil {
				return core.Frameworks{}, invalidConfig(key, err)
			}
			frameworks.Tracing = tracing
		}
	}
	return frameworks, nil
}

func invalidConfig(key string, err error) error {
	return problem.Stalled(corev1beta2.InvalidSpecReason, "Key %q of the operator's ConfigMap %s cannot be read: %v; its operator must correct it",
		key, frameworksConfig, err)
}
