// SPDX-License-Identifier: Apache-2.0

// Package openfuncasync runs functions that only events call: as a Deployment, a StatefulSet or Jobs, scaled by KEDA's triggers and, where a
// function agent holds events, by what waits in the agent. It reads nothing that KEDA makes; the agent and daprd are of package dapr.
package openfuncasync
