// SPDX-License-Identifier: Apache-2.0

// Package v1beta2 holds the core.openfunction.io/v1beta2 kinds: Function, Builder and Serving.
//
// It owns their fields, defaults and validation (structural schema and CEL), the names of conditions and
// reasons, and the methods that read a spec as the controllers must understand it. v1beta2 is the storage
// version and the conversion hub. The package never talks to an API server.
//
// +kubebuilder:object:generate=true
// +groupName=core.openfunction.io
package v1beta2
