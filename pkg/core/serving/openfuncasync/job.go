// SPDX-License-Identifier: Apache-2.0

package openfuncasync

import (
	"slices"
	"strconv"
	"strings"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/utils/ptr"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core/serving/podspec"
	"github.com/openfunction/openfunction/pkg/names"
)

// scaledJob returns what starts a Job for the events that wait. KEDA ends the Jobs of the version before: one that cannot start would otherwise
// count as running, and keep the fixed version from being started.
func (p plan) scaledJob() *kedav1alpha1.ScaledJob {
	options := corev1beta2.KedaScaledJob{}
	if set := p.in.Serving.Spec.Keda().ScaledJob; set != nil {
		options = *set
	}
	job := &kedav1alpha1.ScaledJob{
		ObjectMeta: p.object().ScalerMeta(p.in),
		Spec: kedav1alpha1.ScaledJobSpec{
			JobTargetRef:               &batchv1.JobSpec{Template: p.template},
			PollingInterval:            seconds(options.PollingInterval),
			SuccessfulJobsHistoryLimit: options.SuccessfulJobsHistoryLimit,
			FailedJobsHistoryLimit:     options.FailedJobsHistoryLimit,
			EnvSourceContainerName:     podspec.FunctionContainer,
			MaxReplicaCount:            p.bounds.Max,
			Triggers:                   withoutMetricType(p.triggers),
		},
	}
	if p.bounds.Min > 0 {
		job.Spec.MinReplicaCount = ptr.To(p.bounds.Min)
	}
	if options.ScalingStrategy != nil {
		job.Spec.ScalingStrategy = *options.ScalingStrategy.DeepCopy()
		job.Spec.ScalingStrategy.CustomScalingRunningJobPercentage = fraction(options.ScalingStrategy.CustomScalingRunningJobPercentage)
	}
	if job.Spec.PollingInterval == nil && p.hasAgentTrigger() {
		job.Spec.PollingInterval = ptr.To(jobPollingInterval)
	}
	return job
}

// fraction returns what KEDA reads of a percentage, which is a number. It says nothing about one that it cannot read, and takes another strategy.
func fraction(percentage string) string {
	number, isPercentage := strings.CutSuffix(percentage, "%")
	percent, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !isPercentage || err != nil {
		return percentage
	}
	return strconv.FormatFloat(percent/100, 'f', -1, 64)
}

// withoutMetricType returns the triggers without what is for ScaledObjects only: a ScaledJob does not have the field.
func withoutMetricType(triggers []kedav1alpha1.ScaleTriggers) []kedav1alpha1.ScaleTriggers {
	triggers = slices.Clone(triggers)
	for i := range triggers {
		triggers[i].MetricType = ""
	}
	return triggers
}

// job returns a Job that runs once for each version. Its template cannot be changed, so its name has the version.
func (p plan) job() *batchv1.Job {
	object := p.object()
	object.Name = names.WithHash(object.Name, p.version())
	return &batchv1.Job{ObjectMeta: object.WorkloadMeta(p.in, p.version()), Spec: batchv1.JobSpec{Template: *p.template.DeepCopy()}}
}
