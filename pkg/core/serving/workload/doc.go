// SPDX-License-Identifier: Apache-2.0

// Package workload makes what the runs on KEDA have in common: the pod template and the version it stands for, the Deployment, StatefulSet and
// Services around it, the bounds of its scale; and it judges them. Every copy carries its version as a label, so that what one version's pods
// say is never taken for another's. The number of copies of a scaled workload is left to its scaler.
package workload
