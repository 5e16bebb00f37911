// SPDX-License-Identifier: Apache-2.0

// Package dapr says how a Serving uses Dapr: which Components it declares and refers to, where daprd runs for it (the three modes), and
// what the function is told of it in its environment. Everything is a pure maker; docs/spec/dapr.md describes it to users.
//
// It reads nothing from the cluster: what it has to know of it, such as the types of existing Components, comes in core.Input. It never
// looks at the value of a Secret.
package dapr
