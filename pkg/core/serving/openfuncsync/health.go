// SPDX-License-Identifier: Apache-2.0

package openfuncsync

import (
	httpv1alpha1 "github.com/kedacore/http-add-on/operator/apis/http/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/serving/workload"
)

// Health judges the copies, and then what the add-on says of the scaler.
func (Run) Health(live core.Live) core.Health {
	deployment, found := workload.Find[*appsv1.Deployment](live, name)
	if !found {
		return core.Health{Phase: core.Starting, Reason: corev1beta2.StartingReason, Message: "The Deployment of this version is being made"}
	}
	health := opinion(live, deployment.Name).Scaled(workload.RolloutOf(deployment, live.Pods).Health())
	if scaler, found := core.Find[*httpv1alpha1.HTTPScaledObject](live); found && health.Phase == core.Running {
		if ready := meta.FindStatusCondition(scaler.Status.Conditions, httpv1alpha1.ConditionTypeReady); ready != nil {
			health.Since = ready.LastTransitionTime.Time
		}
	}
	return health
}

// opinion reads the condition of the HTTPScaledObject. One about an earlier generation that is good stays good; one that is not is being mended.
func opinion(live core.Live, name string) workload.Opinion {
	opinion := workload.Opinion{Kind: "HTTPScaledObject", Name: name}
	scaler, found := core.Find[*httpv1alpha1.HTTPScaledObject](live)
	if !found {
		return opinion
	}
	ready := meta.FindStatusCondition(scaler.Status.Conditions, httpv1alpha1.ConditionTypeReady)
	switch {
	case ready == nil || (ready.Status != metav1.ConditionTrue && ready.ObservedGeneration != scaler.Generation):
		return opinion
	case ready.Status == metav1.ConditionTrue:
		opinion.Verdict = workload.Accepted
	case ready.Status == metav1.ConditionFalse:
		opinion.Verdict, opinion.Message = workload.Broken, ready.Message
	}
	return opinion
}
