// SPDX-License-Identifier: Apache-2.0

package v1beta2

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// GetConditions returns the conditions of the status, to be changed in place.
func (f *Function) GetConditions() *[]metav1.Condition { return &f.Status.Conditions }

// SetObservedGeneration records which generation of the spec the status speaks of.
func (f *Function) SetObservedGeneration(generation int64) { f.Status.ObservedGeneration = generation }
