// SPDX-License-Identifier: Apache-2.0

package serving

import (
	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/serving/knative"
	"github.com/openfunction/openfunction/pkg/problem"
)

// Runs returns every serving run of this release.
func Runs() []core.ServingRun {
	return []core.ServingRun{knative.Run{}}
}

// For returns the run that serves the Serving (architecture.md, section 3), or a Stalled problem where this release has none.
func For(s *corev1beta2.Serving) (core.ServingRun, error) {
	switch {
	case s.Spec.HTTP() == nil:
		return nil, problem.Stalled(corev1beta2.RunNotAvailableReason,
			"Functions without an HTTP trigger are not served by this release; set spec.serving.triggers.http, or remove spec.serving.triggers.dapr")
	case s.Spec.UsesKEDA():
		return nil, problem.Stalled(corev1beta2.RunNotAvailableReason,
			"Engine keda is not served by this release; set spec.serving.triggers.http.engine to knative and remove scaleOptions.keda.httpScaledObject")
	default:
		return knative.Run{}, nil
	}
}
