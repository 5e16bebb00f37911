// SPDX-License-Identifier: Apache-2.0

// Package openfuncsync serves HTTP requests through the interceptor of KEDA's HTTP add-on: a Deployment, the Service of its pods, and an
// HTTPScaledObject, of which the add-on makes a ScaledObject. The router hands requests to the interceptor under the function's host name, and the
// interceptor holds them while the function comes from zero. It reads nothing that the add-on makes.
package openfuncsync
