// SPDX-License-Identifier: Apache-2.0

// Package names makes the names of the objects this project creates.
//
// Every name is a pure function of its inputs, a valid DNS label and at most 63 characters long, so that creating an
// object twice meets the first one. Nothing here reads the cluster.
package names
