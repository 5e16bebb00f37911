// SPDX-License-Identifier: Apache-2.0

// Package networking holds the controllers of networking.openfunction.io. Gateway puts the listeners of a Gateway of ours onto a Kubernetes Gateway, which
// it makes where the spec says so, and takes them away again. Grant keeps, in the platform's namespace, what lets the HTTPRoutes of functions lead to
// the router. The HTTPRoutes themselves are the Function controller's.
package networking
