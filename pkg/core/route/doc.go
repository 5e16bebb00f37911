// SPDX-License-Identifier: Apache-2.0

// Package route holds what the Serving controller tells the router about one HTTP function: where its requests go, and in which shares.
//
// It is written as an annotation of the function's Service and read by nobody else. The package knows the words of both and how they are
// written; it neither reads the cluster nor handles a request.
package route
