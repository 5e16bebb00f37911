// SPDX-License-Identifier: Apache-2.0

// Package podspec assembles the pod that runs a function: the user's template, the container named "function" and its
// environment. All serving runs share it, so that a function finds the same surroundings on every engine.
package podspec
