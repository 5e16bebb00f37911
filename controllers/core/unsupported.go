// SPDX-License-Identifier: Apache-2.0

package core

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/status"
)

// markUnsupported says which accepted fields this release does not act on, so that none is silently ignored.
func markUnsupported(object status.Object, fields []string) {
	if len(fields) == 0 {
		status.Clear(object, corev1beta2.UnsupportedCondition)
		return
	}
	status.Mark(object, corev1beta2.UnsupportedCondition, metav1.ConditionTrue, corev1beta2.FieldsNotActedOnReason,
		"Accepted but not acted on by this release: "+strings.Join(fields, ", "))
}

// field is one entry of the lists below: a path, and whether the spec sets it.
type field struct {
	path string
	set  bool
}

// present returns the paths of the fields that are set, each under the prefix.
func present(prefix string, fields ...field) []string {
	var paths []string
	for _, f := range fields {
		if f.set {
			paths = append(paths, prefix+f.path)
		}
	}
	return paths
}

func notActedOnByServing(prefix string, s *corev1beta2.ServingImpl) []string {
	http, keda := s.HTTP(), s.Keda()
	served := http != nil
	onKnative := served && !s.UsesKEDA()
	return present(prefix,
		field{"scaleOptions.keda.scaledObject", served && keda.ScaledObject != nil},
		field{"scaleOptions.keda.scaledJob", (served || s.Workload() != corev1beta2.WorkloadTypeJob) && keda.ScaledJob != nil},
		field{"scaleOptions.keda.triggers", served && len(keda.Triggers) > 0},
		field{"scaleOptions.knative", !onKnative && s.ScaleOptions != nil && s.ScaleOptions.Knative != nil},
		field{"rollout", !served && s.Rollout != nil},
		field{"workloadType", served && s.WorkloadType != ""},
	)
}

// notActedOnAlone is what only a Function acts on: a Serving that stands alone has no HTTPRoute.
func notActedOnAlone(s *corev1beta2.Serving) []string {
	http := s.Spec.HTTP()
	return present("spec.", field{"triggers.http.route", metav1.GetControllerOf(s) == nil && http != nil && http.Route != nil})
}

func notActedOnByBuild(prefix string, b *corev1beta2.BuildImpl) []string {
	shipwright := b.Shipwright
	if shipwright == nil {
		shipwright = &corev1beta2.ShipwrightEngine{}
	}
	byName := shipwright.Strategy != nil
	return present(prefix,
		field{"shipwright.strategy.kind", byName && shipwright.Strategy.Kind != nil},
		field{"shipwright.timeout", shipwright.Timeout != nil},
		field{"shipwright.params", len(shipwright.Params) > 0 && b.TaskRef == nil},
		field{"builder", b.Builder != nil && byName && (shipwright.Strategy.Name == "buildah" || shipwright.Strategy.Name == "kaniko")},
	)
}

func notActedOnByFunction(f *corev1beta2.Function) []string {
	var fields []string
	if f.Spec.Build != nil {
		fields = append(fields, notActedOnByBuild("spec.build.", f.Spec.Build)...)
	}
	if f.Spec.Serving != nil {
		fields = append(fields, notActedOnByServing("spec.serving.", f.Spec.Serving)...)
	}
	return append(fields, present("spec.",
		field{"workloadRuntime", f.Spec.WorkloadRuntime != "" && f.Spec.WorkloadRuntime != corev1beta2.WorkloadRuntimeOCIContainer})...)
}
