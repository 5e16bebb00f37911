// SPDX-License-Identifier: Apache-2.0

package knative

import (
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"

	"github.com/openfunction/openfunction/pkg/core"
)

var _ core.NameTaker = Run{}

// WantsName tells that the newest revision is ready and the route is not: Knative makes the Service of the function's name for the route.
func (Run) WantsName(live core.Live) bool {
	service, found := core.Find[*kservingv1.Service](live)
	if !found || service.Status.ObservedGeneration != service.Generation {
		return false
	}
	return service.Status.GetCondition(kservingv1.ServiceConditionConfigurationsReady).IsTrue() &&
		!service.Status.GetCondition(kservingv1.ServiceConditionRoutesReady).IsTrue()
}
