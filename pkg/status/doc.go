// SPDX-License-Identifier: Apache-2.0

// Package status writes what a reconciler found out into an object's status, once and only when it changed.
//
// Begin takes a copy of the object, the reconciler marks conditions, and Finish turns the error into Stalled or
// Reconciling and sends one patch. Summarize derives Ready from the parts, after the kstatus conventions
// (https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md). Check states the laws of a
// condition as code, for tests. The package knows no kind of its own.
package status
