// SPDX-License-Identifier: Apache-2.0

package knative

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"knative.dev/pkg/apis"
	"knative.dev/serving/pkg/apis/serving"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/serving/podspec"
)

// Health follows the Ready condition of the Knative Service. What the pods of the newest revision say comes first, because
// Knative repeats it only after its progress deadline.
func (Run) Health(live core.Live) core.Health {
	service, found := core.Find[*kservingv1.Service](live)
	if !found || service.Status.ObservedGeneration != service.Generation {
		return core.Health{Phase: core.Starting, Reason: corev1beta2.StartingReason, Message: "Knative has not looked at this version yet"}
	}
	ready := service.Status.GetCondition(apis.ConditionReady)
	if ready.IsTrue() {
		return core.Health{Phase: core.Running, Reason: corev1beta2.RunningReason, Message: "Knative serves this version",
			Since: ready.LastTransitionTime.Inner.Time}
	}
	if outOfDate(service) {
		return core.Health{Phase: core.Starting, Reason: corev1beta2.StartingReason, Message: "Knative is making a revision of this version"}
	}
	health := core.Health{Phase: core.Starting, Reason: corev1beta2.StartingReason, Message: "Knative is starting this version", Serving: older(service)}
	if reason, message, broken := podspec.Trouble(newestPods(service, live.Pods)); broken {
		health.Phase, health.Reason, health.Message = core.Failed, reason, message
	} else if ready.IsFalse() {
		cause := causeOf(service, ready)
		health.Phase, health.Reason, health.Message = core.Failed, reasonOf(cause), messageOf(cause)
	} else if ready != nil && ready.Message != "" {
		health.Message = "Knative is starting this version: " + ready.Message
	}
	if health.Phase == core.Failed && health.Serving != "" {
		health.Message = fmt.Sprintf("%s; the previous version keeps serving", health.Message)
	}
	return health
}

// outOfDate tells that Knative has passed the current version on but not yet made a revision of it: what the newest revision says, and its
// pods, are still about the version before.
func outOfDate(service *kservingv1.Service) bool {
	made := service.Status.GetCondition(kservingv1.ServiceConditionConfigurationsReady)
	return made != nil && made.IsUnknown() && made.Reason == "OutOfDate"
}

// causeOf returns the condition that tells why the service is not ready. Knative sums up in an order in which a route that has no revision to lead to
// may come before the revision that cannot start.
func causeOf(service *kservingv1.Service, ready *apis.Condition) *apis.Condition {
	if revision := service.Status.GetCondition(kservingv1.ServiceConditionConfigurationsReady); revision.IsFalse() {
		return revision
	}
	return ready
}

// conditionReason is what the API server takes for the reason of a condition; Knative's own have a looser schema.
var conditionReason = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`)

func reasonOf(condition *apis.Condition) string {
	if !conditionReason.MatchString(condition.Reason) {
		return corev1beta2.FailedReason
	}
	return condition.Reason
}

func messageOf(condition *apis.Condition) string {
	return cmp.Or(condition.Message, "Knative cannot serve this version and does not say why; look at its revision")
}

// older names the revision that answers while the newest one does not.
func older(service *kservingv1.Service) string {
	if ready := service.Status.LatestReadyRevisionName; ready != service.Status.LatestCreatedRevisionName {
		return ready
	}
	return ""
}

func newestPods(service *kservingv1.Service, pods []corev1.Pod) []corev1.Pod {
	return slices.DeleteFunc(slices.Clone(pods), func(pod corev1.Pod) bool {
		return pod.Labels[serving.RevisionLabelKey] != service.Status.LatestCreatedRevisionName
	})
}
