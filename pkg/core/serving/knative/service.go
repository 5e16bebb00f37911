// SPDX-License-Identifier: Apache-2.0

package knative

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"knative.dev/networking/pkg/apis/networking"
	"knative.dev/serving/pkg/apis/autoscaling"
	"knative.dev/serving/pkg/apis/serving"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/serving/podspec"
	"github.com/openfunction/openfunction/pkg/problem"
)

// concurrencyAnnotation is how established manifests set the hard limit of concurrent requests of a pod.
const concurrencyAnnotation = "autoscaling.knative.dev/container-concurrency"

// onServiceOnly tells whether Knative reads an annotation from the Service; all others belong on its revisions.
func onServiceOnly(key string) bool {
	return slices.Contains(serving.RolloutDurationAnnotation, key) || strings.HasPrefix(key, networking.PublicGroupName+"/")
}

func service(in core.Input) (*kservingv1.Service, error) {
	concurrency, err := concurrency(in.Serving.Spec)
	if err != nil {
		return nil, err
	}
	pod, err := podspec.Function(in)
	if err != nil {
		return nil, err
	}
	onPods, err := podspec.Annotations(in)
	if err != nil {
		return nil, err
	}
	onService, onRevision := annotations(in.Serving.Spec, onPods)
	labels := podspec.Labels(in, Run{}.Name())
	return &kservingv1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Name:        core.KnativeChild(in.Serving.Name),
			Namespace:   in.Serving.Namespace,
			Labels:      labels,
			Annotations: onService,
		},
		Spec: kservingv1.ServiceSpec{ConfigurationSpec: kservingv1.ConfigurationSpec{Template: kservingv1.RevisionTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: maps.Clone(labels), Annotations: onRevision},
			Spec: kservingv1.RevisionSpec{
				PodSpec:              pod,
				ContainerConcurrency: concurrency,
				TimeoutSeconds:       requestTimeout(in.Serving.Spec),
			},
		}}},
	}, nil
}

// annotations returns what goes on the Service and what goes on its revisions: those of the pods, the user's among them, then Knative's
// own from scaleOptions.knative, then those the scale options stand for, which win.
func annotations(spec corev1beta2.ServingSpec, onPods map[string]string) (onService, onRevision map[string]string) {
	all := maps.Clone(onPods)
	if spec.Timeout != nil && spec.Timeout.Duration > 0 {
		all[serving.ProgressDeadlineAnnotationKey] = wholeSeconds(spec.Timeout.Duration).String()
	}
	if scale := spec.ScaleOptions; scale != nil {
		if scale.Knative != nil {
			maps.Copy(all, *scale.Knative)
		}
		setScale(all, autoscaling.MinScaleAnnotationKey, "minScale", scale.MinReplicas)
		setScale(all, autoscaling.MaxScaleAnnotationKey, "maxScale", scale.MaxReplicas)
	}
	delete(all, concurrencyAnnotation)
	for key, value := range all {
		if onServiceOnly(key) {
			if onService == nil {
				onService = map[string]string{}
			}
			onService[key] = value
			delete(all, key)
		}
	}
	return onService, all
}

// setScale sets a bound of the scale and drops its older spelling, which Knative refuses beside the new one.
func setScale(annotations map[string]string, key, oldName string, replicas *int32) {
	oldKey := autoscaling.GroupName + "/" + oldName
	if replicas != nil {
		annotations[key] = strconv.Itoa(int(*replicas))
		delete(annotations, oldKey)
	}
}

func concurrency(spec corev1beta2.ServingSpec) (*int64, error) {
	scale := spec.ScaleOptions
	if scale == nil {
		return nil, nil
	}
	if scale.Concurrency != nil {
		return ptr.To(int64(*scale.Concurrency)), nil
	}
	if scale.Knative == nil {
		return nil, nil
	}
	text, set := (*scale.Knative)[concurrencyAnnotation]
	if !set {
		return nil, nil
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || limit < 0 {
		return nil, problem.Stalled(corev1beta2.InvalidSpecReason,
			"spec.serving.scaleOptions.knative[%q] is %q; set a whole number of at least 0, or use scaleOptions.concurrency", concurrencyAnnotation, text)
	}
	return &limit, nil
}

func requestTimeout(spec corev1beta2.ServingSpec) *int64 {
	http := spec.HTTP()
	if http == nil || http.RequestTimeout == nil {
		return nil
	}
	return ptr.To(int64(wholeSeconds(http.RequestTimeout.Duration).Seconds()))
}

// wholeSeconds rounds up to what Knative takes: at least the time that was asked for.
func wholeSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}
