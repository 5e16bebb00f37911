// SPDX-License-Identifier: Apache-2.0

// Package pods reads from the status of pods what a user must know of them. It judges pods of any workload, and makes none.
package pods
