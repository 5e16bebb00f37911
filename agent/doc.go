// SPDX-License-Identifier: Apache-2.0

// Package agent stands between daprd and a function: on daprd's app port, in front of the function's Service.
//
// It answers daprd's start-up questions by itself, so that daprd never waits for a function that is at zero, and hands every event
// to a replica of the function. It acknowledges an event only with the function's own answer: whatever else happens, daprd is told
// that the event failed, and the broker keeps it. What waits is bounded in memory and is what KEDA scales the function by.
//
// It never speaks to Kubernetes, never writes to disk, and never logs an event, a token or an environment variable.
package agent
