// SPDX-License-Identifier: Apache-2.0

// Package problem holds the two kinds of error that say what a reconciler must do next.
//
// Stalled means that nothing will change until the user acts; Waiting means that a watch will wake the reconciler when
// something else has happened. Every other error is passing: it is returned, retried with backoff and never shown in a
// condition. The package decides nothing itself; pkg/status turns the two kinds into conditions.
package problem
