// SPDX-License-Identifier: Apache-2.0

package dapr

import (
	"slices"
	"strconv"
	"strings"

	"github.com/dapr/dapr/pkg/config/protocol"
	"github.com/dapr/dapr/pkg/injector/annotations"
	"github.com/dapr/dapr/pkg/validation"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/names"
	"github.com/openfunction/openfunction/pkg/problem"
)

// maxAppID leaves room for the Service "<app-id>-dapr" that Dapr makes, whose name is a DNS label.
const maxAppID = names.MaxLength - len("-dapr")

// enabled tells whether the Serving uses Dapr: as its annotation says, and otherwise when the spec has something that only Dapr can do, or chooses
// where Dapr runs. (The established annotation for the latter never had that meaning.)
func enabled(s *corev1beta2.Serving) bool {
	if text, set := s.Spec.Annotations[corev1beta2.EnableDaprAnnotation]; set {
		return !strings.EqualFold(strings.TrimSpace(text), "false")
	}
	spec := s.Spec
	return spec.Dapr != nil || annotation(s, corev1beta2.InjectModeAnnotation) != "" ||
		len(spec.DaprTriggers()) > 0 || len(inputsOf(s)) > 0 || len(spec.Outputs) > 0 ||
		len(spec.States) > 0 || len(spec.Bindings) > 0 || len(spec.Pubsub) > 0
}

// turnedOff tells that the user wants no Dapr, whatever the spec has.
func turnedOff(s *corev1beta2.Serving) bool {
	_, set := s.Spec.Annotations[corev1beta2.EnableDaprAnnotation]
	return set && !enabled(s)
}

// modeOf returns where daprd runs for the Serving: as serving.dapr says, else dapr.io/inject-mode, else openfunction.io/dapr-service-mode, else
// mode Function. It returns "" where daprd is the user's own matter: the last of the three has always taken other values for that.
func modeOf(s *corev1beta2.Serving) (corev1beta2.DaprMode, error) {
	if s.Spec.Dapr != nil && s.Spec.Dapr.Mode != "" {
		return s.Spec.Dapr.Mode, nil
	}
	if text := annotation(s, corev1beta2.InjectModeAnnotation); text != "" {
		switch strings.ToLower(text) {
		case "function":
			return corev1beta2.DaprModeFunction, nil
		case "sidecar":
			return corev1beta2.DaprModeSidecar, nil
		case "shared":
			return corev1beta2.DaprModeShared, nil
		default:
			return "", invalidAnnotation(corev1beta2.InjectModeAnnotation, text, "set function, sidecar or shared, or use spec.serving.dapr.mode")
		}
	}
	switch strings.ToLower(annotation(s, corev1beta2.DaprServiceModeAnnotation)) {
	case "", "standalone":
		return corev1beta2.DaprModeFunction, nil
	case "sidecar":
		return corev1beta2.DaprModeSidecar, nil
	default:
		return "", nil
	}
}

// protocolOf returns the function's app protocol. The agent knows two of them.
func protocolOf(s *corev1beta2.Serving, mode corev1beta2.DaprMode) (string, error) {
	text := annotation(s, annotations.KeyAppProtocol)
	if text == "" {
		return string(protocol.GRPCProtocol), nil
	}
	allowed := []protocol.Protocol{protocol.GRPCProtocol, protocol.HTTPProtocol}
	fix := "set grpc or http"
	if mode != corev1beta2.DaprModeFunction {
		allowed = append(allowed, protocol.GRPCSProtocol, protocol.HTTPSProtocol, protocol.H2CProtocol)
		fix = "set grpc, http, grpcs, https or h2c"
	}
	if !slices.Contains(allowed, protocol.Protocol(text)) {
		return "", invalidAnnotation(annotations.KeyAppProtocol, text, fix)
	}
	return text, nil
}

// AppID is the app id of the Serving in Dapr: the user's, or one made from the names of function and namespace.
func AppID(s *corev1beta2.Serving) string {
	if own := annotation(s, annotations.KeyAppID); own != "" {
		return own
	}
	id := core.FunctionName(s) + "-" + s.Namespace
	if len(id) <= maxAppID {
		return id
	}
	hash, _ := names.Hash(id) // a string has a JSON encoding
	return strings.TrimRight(id[:maxAppID-len(hash)-1], "-.") + "-" + hash
}

func checkAppID(s *corev1beta2.Serving) error {
	if id := AppID(s); validation.ValidateKubernetesAppID(id) != nil {
		return invalidAnnotation(annotations.KeyAppID, id, "use lower-case letters, digits and -, at most "+strconv.Itoa(maxAppID)+" of them")
	}
	return nil
}

// annotation is one of the user's annotations without surrounding space.
func annotation(s *corev1beta2.Serving, key string) string {
	return strings.TrimSpace(s.Spec.Annotations[key])
}

// portAnnotation reads a port as Dapr's injector does, which passes over what is no number.
func portAnnotation(s *corev1beta2.Serving, key string, otherwise int32) int32 {
	port, err := strconv.ParseInt(annotation(s, key), 10, 32)
	if err != nil || port < 1 || port > 65535 {
		return otherwise
	}
	return int32(port)
}

func invalidAnnotation(key, value, fix string) error {
	return problem.Stalled(corev1beta2.InvalidSpecReason, "spec.serving.annotations[%q] is %q; %s", key, value, fix)
}
