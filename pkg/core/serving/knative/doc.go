// SPDX-License-Identifier: Apache-2.0

// Package knative serves a Serving as one Knative Service with a stable name. A new version is a new Revision of it, so
// Knative does the rollout and the old version answers until the new one is ready. It reads no Knative object but its own.
package knative
