// SPDX-License-Identifier: Apache-2.0

// Package faults is the fault campaign: every scenario, under every fault, must end as it does without, on a real kube-apiserver, etcd and
// kube-controller-manager. A plan is a scenario and a fault; it is a line of text, and the command that a divergence prints runs it again.
//
// What is checked after each plan, and under which word a divergence is reported, stands in oracles_test.go. It changes nothing outside the
// control planes it starts.
package faults
