// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// GetConditions returns the conditions of the status, to be changed in place.
func (g *Gateway) GetConditions() *[]metav1.Condition { return &g.Status.Conditions }

// SetObservedGeneration records which generation of the spec the status speaks of.
func (g *Gateway) SetObservedGeneration(generation int64) { g.Status.ObservedGeneration = generation }
