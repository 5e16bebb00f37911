// SPDX-License-Identifier: Apache-2.0

package workload

import (
	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/problem"
)

// DefaultMax is the greatest number of copies where none is set: KEDA's default.
const DefaultMax int32 = 100

// Bounds are how few and how many copies a scaler may run.
type Bounds struct {
	// Min is the least number, 0 where none is set.
	Min int32
	// Max is the greatest number; nil where none is set.
	Max *int32
}

// BoundsOf returns the bounds of scaleOptions; least and most, if set, are those of the scaler's own options and win. A maximum of 0 is none,
// as it is with Knative.
func BoundsOf(options *corev1beta2.ScaleOptions, least, most *int32) (Bounds, error) {
	if options == nil {
		options = &corev1beta2.ScaleOptions{}
	}
	var bounds Bounds
	if least = first(least, options.MinReplicas); least != nil {
		bounds.Min = *least
	}
	if most = first(most, options.MaxReplicas); most != nil && *most > 0 {
		bounds.Max = most
	}
	if bounds.Min > bounds.Most() {
		return Bounds{}, problem.Stalled(corev1beta2.InvalidSpecReason,
			"The function would run at least %d and at most %d copies; lower minReplicas or raise maxReplicas in spec.serving.scaleOptions or its keda",
			bounds.Min, bounds.Most())
	}
	return bounds, nil
}

// Most is the greatest number of copies in effect.
func (b Bounds) Most() int32 {
	if b.Max == nil {
		return DefaultMax
	}
	return *b.Max
}

// AtLeast returns the bounds with a minimum that is not lower.
func (b Bounds) AtLeast(least int32) Bounds {
	b.Min = max(b.Min, least)
	return b
}

func first(values ...*int32) *int32 {
	for _, value := range values {
		if value != nil {
			return value
		}
	}
	return nil
}
