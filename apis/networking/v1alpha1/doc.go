// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 holds the networking.openfunction.io/v1alpha1 kind: Gateway.
//
// It owns its fields, defaults and validation (structural schema and CEL), the names of its conditions and reasons, and the methods that
// read a spec as the controllers must understand it: which Kubernetes Gateway carries the functions, with which listeners. The package never
// talks to an API server.
//
// +kubebuilder:object:generate=true
// +groupName=networking.openfunction.io
package v1alpha1
