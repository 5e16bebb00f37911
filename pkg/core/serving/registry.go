// SPDX-License-Identifier: Apache-2.0

package serving

import (
	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/serving/knative"
	"github.com/openfunction/openfunction/pkg/core/serving/openfuncasync"
	"github.com/openfunction/openfunction/pkg/core/serving/openfuncsync"
)

// Runs returns every serving run, with all that it may need.
func Runs() []core.ServingRun {
	return []core.ServingRun{knative.Run{}, openfuncsync.Run{}, openfuncasync.Run{}}
}

// For returns the run that serves the Serving (architecture.md, section 3). There is one for every spec.
func For(s *corev1beta2.Serving) core.ServingRun {
	switch {
	case s.Spec.HTTP() == nil:
		return openfuncasync.For(s)
	case s.Spec.UsesKEDA():
		return openfuncsync.Run{}
	default:
		return knative.Run{}
	}
}
