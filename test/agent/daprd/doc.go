// SPDX-License-Identifier: Apache-2.0

// Package daprd holds the agent against the real daprd, standalone on loopback, with an in-memory broker whose redelivery is daprd's own.
// It wants the component dapr of hack/cluster, whose first build takes long, so its tests have the build tag daprd:
//
//	go test -tags daprd ./test/agent/daprd
package daprd
