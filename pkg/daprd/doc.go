// SPDX-License-Identifier: Apache-2.0

// Package daprd makes the container of daprd for a pod that Dapr's injector never sees.
//
// It writes what the injector would write: the arguments, the ports, the probes, the environment and the projected token with which
// Dapr's sentry gives daprd its identity. Everything is a pure function of Options: nothing here reads the cluster, and no value
// of a Secret passes through.
package daprd
