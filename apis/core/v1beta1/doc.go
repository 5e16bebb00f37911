// SPDX-License-Identifier: Apache-2.0

// Package v1beta1 holds the deprecated core.openfunction.io/v1beta1 kinds Function, Builder and Serving, for manifests and clients that
// were written for it, and their conversion to and from v1beta2, the version that is stored.
//
// It owns the established shape of the spec. What is the same in both versions (status, a git repository, a route) is v1beta2's own type.
// Nothing is lost on the way: what one version cannot hold travels in one annotation (ConversionAnnotation). Fields are never added here.
//
// +kubebuilder:object:generate=true
// +groupName=core.openfunction.io
package v1beta1
