// SPDX-License-Identifier: Apache-2.0

// Package networking makes what stands between a Kubernetes Gateway and functions: the HTTPRoute of a Function, the addresses it is reached
// at, the listeners that a Gateway of ours has on a Kubernetes Gateway, and the ReferenceGrants that let one refer to the other.
// It is pure: it reads and writes nothing, and what it decides depends on its arguments alone.
package networking
