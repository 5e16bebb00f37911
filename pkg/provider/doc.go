// SPDX-License-Identifier: Apache-2.0

// Package provider keeps controllers going while the engines that they drive come and go: it watches an engine's kinds while
// they are defined, says which engine is missing and how to install it, and wakes who waits for one. All controllers of a manager share
// one Kinds, because they share its cache: who ends a watch ends it for everybody. The package installs nothing.
package provider
