// SPDX-License-Identifier: Apache-2.0

// Package serving knows the serving runs and which of them serves a given Serving. It creates nothing.
package serving
