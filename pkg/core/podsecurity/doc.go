// SPDX-License-Identifier: Apache-2.0

// Package podsecurity judges pods as the API server's Pod Security admission would, before they are made: a refusal would otherwise show only
// in the Events of whatever was to make the pod. It never changes a pod.
package podsecurity
