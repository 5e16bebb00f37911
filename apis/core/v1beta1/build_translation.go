// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	"maps"
	"slices"

	shipwrightv1beta1 "github.com/shipwright-io/build/pkg/apis/build/v1beta1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/apis/internal/carry"
)

func builderToHub(from *part[BuilderSpec]) *part[corev1beta2.BuilderSpec] {
	b := from.Spec
	return &part[corev1beta2.BuilderSpec]{Annotations: from.Annotations, Spec: corev1beta2.BuilderSpec{
		BuildImpl:        *buildToHub(&b.BuildImpl),
		Image:            b.Image,
		ImageCredentials: b.ImageCredentials,
		State:            b.State,
	}}
}

func builderFromHub(from *part[corev1beta2.BuilderSpec]) *part[BuilderSpec] {
	b := from.Spec
	return &part[BuilderSpec]{Annotations: from.Annotations, Spec: BuilderSpec{
		BuildImpl:        *buildFromHub(&b.BuildImpl),
		Image:            b.Image,
		ImageCredentials: b.ImageCredentials,
		State:            b.State,
	}}
}

func buildToHub(b *BuildImpl) *corev1beta2.BuildImpl {
	if b == nil {
		return nil
	}
	return &corev1beta2.BuildImpl{
		Builder:                      b.Builder,
		BuilderCredentials:           b.BuilderCredentials,
		Shipwright:                   shipwrightToHub(b.Shipwright, b.Params),
		Env:                          b.Env,
		SrcRepo:                      b.SrcRepo,
		Dockerfile:                   b.Dockerfile,
		Cache:                        corev1beta2.RegistryBuildCache, // the default
		Timeout:                      b.Timeout,
		SuccessfulBuildsHistoryLimit: b.SuccessfulBuildsHistoryLimit,
		FailedBuildsHistoryLimit:     b.FailedBuildsHistoryLimit,
		BuilderMaxAge:                b.BuilderMaxAge,
	}
}

func buildFromHub(b *corev1beta2.BuildImpl) *BuildImpl {
	if b == nil {
		return nil
	}
	shipwright, params := shipwrightFromHub(b.Shipwright)
	return &BuildImpl{
		Builder:                      b.Builder,
		BuilderCredentials:           b.BuilderCredentials,
		Shipwright:                   shipwright,
		Params:                       params,
		Env:                          b.Env,
		SrcRepo:                      b.SrcRepo,
		Dockerfile:                   b.Dockerfile,
		Timeout:                      b.Timeout,
		SuccessfulBuildsHistoryLimit: b.SuccessfulBuildsHistoryLimit,
		FailedBuildsHistoryLimit:     b.FailedBuildsHistoryLimit,
		BuilderMaxAge:                b.BuilderMaxAge,
	}
}

func shipwrightToHub(s *ShipwrightEngine, params map[string]string) *corev1beta2.ShipwrightEngine {
	if s == nil && len(params) == 0 {
		return nil
	}
	h := &corev1beta2.ShipwrightEngine{}
	if s != nil {
		h.Strategy, h.Timeout = s.Strategy, s.Timeout
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		value := params[name]
		h.Params = append(h.Params, shipwrightv1beta1.ParamValue{Name: name, SingleValue: &shipwrightv1beta1.SingleValue{Value: &value}})
	}
	return h
}

// shipwrightFromHub returns the strategy, and the parameters that are plain values.
func shipwrightFromHub(h *corev1beta2.ShipwrightEngine) (*ShipwrightEngine, map[string]string) {
	if h == nil {
		return nil, nil
	}
	named := map[string]int{}
	for _, p := range h.Params {
		named[p.Name]++
	}
	var params map[string]string
	for _, p := range h.Params {
		if isPlain(p) && named[p.Name] == 1 {
			if params == nil {
				params = map[string]string{}
			}
			params[p.Name] = *p.Value
		}
	}
	if h.Strategy == nil && h.Timeout == nil && len(params) > 0 && len(params) == len(h.Params) {
		return nil, params
	}
	return &ShipwrightEngine{Strategy: h.Strategy, Timeout: h.Timeout}, params
}

func isPlain(p shipwrightv1beta1.ParamValue) bool {
	return p.SingleValue != nil && p.Value != nil && p.ConfigMapValue == nil && p.SecretValue == nil && len(p.Values) == 0
}

// hubBuildLists are the lists of a v1beta2 build at a path that v1beta1 writes in another way.
func hubBuildLists(path ...string) []carry.List {
	return []carry.List{{Path: below(path, "shipwright", "params"), Key: keyOf("name")}}
}

func below(path []string, names ...string) []string { return slices.Concat(path, names) }

// keyOf returns the first of the fields, given by their names, that is not empty.
func keyOf(names ...string) func(map[string]any) string {
	return func(entry map[string]any) string {
		for _, name := range names {
			if text, _ := entry[name].(string); text != "" {
				return text
			}
		}
		return ""
	}
}
