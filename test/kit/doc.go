// SPDX-License-Identifier: Apache-2.0

// Package kit is what the suites share: a real control plane (etcd, kube-apiserver and the garbage collector of
// kube-controller-manager), the verbs to act on it, players that stand in for Tekton and Knative, and a recorder
// that counts every write of a manager and can end it before or after any one of them.
//
// It knows no test framework: everything returns an error, so a Ginkgo suite, a plain test and a program can use it.
// It never touches a process it did not start, and everything it starts listens on loopback only.
package kit
