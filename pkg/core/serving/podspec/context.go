// SPDX-License-Identifier: Apache-2.0

package podspec

import (
	"encoding/json"
	"fmt"
	"strconv"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
)

// functionContext is the established variable FUNC_CONTEXT, without which the functions frameworks do not start. Of its fields those are
// given that this release acts on: a framework that is told of Dapr inputs or outputs waits for a daprd that is not there.
type functionContext struct {
	// Name of the function.
	Name string `json:"name"`
	// Version is spec.version.
	Version string `json:"version"`
	// Runtime is "Knative" for every function with an HTTP trigger, whatever serves it.
	Runtime string `json:"runtime"`
	// Port is the port to listen on, as text.
	Port string `json:"port"`
}

// functionContextV1Beta2 is the established variable FUNC_CONTEXT_V1BETA2, which the Java framework prefers.
type functionContextV1Beta2 struct {
	// Name of the function.
	Name string `json:"name"`
	// Version is spec.version.
	Version string `json:"version"`
	// Triggers has the HTTP trigger.
	Triggers contextTriggers `json:"triggers"`
}

type contextTriggers struct {
	HTTP contextHTTP `json:"http"`
}

type contextHTTP struct {
	Port int32 `json:"port"`
}

// contexts returns the two variables.
func contexts(in core.Input) (v1beta1, v1beta2 string, err error) {
	spec := in.Serving.Spec
	name, version, port := functionName(in.Serving), spec.EffectiveVersion(), spec.HTTP().ContainerPort()
	first, err := json.Marshal(functionContext{Name: name, Version: version, Runtime: "Knative", Port: strconv.Itoa(int(port))})
	if err != nil {
		return "", "", fmt.Errorf("encoding FUNC_CONTEXT: %w", err)
	}
	second, err := json.Marshal(functionContextV1Beta2{Name: name, Version: version, Triggers: contextTriggers{HTTP: contextHTTP{Port: port}}})
	if err != nil {
		return "", "", fmt.Errorf("encoding FUNC_CONTEXT_V1BETA2: %w", err)
	}
	return string(first), string(second), nil
}

// functionName is the Function the Serving belongs to, or the Serving itself when it stands alone.
func functionName(s *corev1beta2.Serving) string {
	if function := s.Labels[corev1beta2.FunctionLabel]; function != "" {
		return function
	}
	return s.Name
}
