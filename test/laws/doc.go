// SPDX-License-Identifier: Apache-2.0

// Package laws holds the suite that proves the laws of our controllers on a list of scenarios: a settled world is left
// alone, the end depends on the spec and not on the path, and a crash at any write changes nothing about it.
package laws
