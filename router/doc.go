// SPDX-License-Identifier: Apache-2.0

// Package router hands the HTTP requests for all functions to the engines that run them.
//
// Every HTTP function has a Service of its own name that leads here. The router learns from an annotation of that Service where the function
// is, so that a function keeps its address while its engine changes, and so that its requests can be shared out between two versions. Bodies
// stream through in both directions. A request is sent again while nothing of it was sent before, and once if it
// is idempotent and met the end of a kept connection.
//
// It reads the metadata of those Services and nothing else of a cluster, writes nothing, and keeps nothing that a restart would miss.
package router
