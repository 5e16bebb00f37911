// SPDX-License-Identifier: Apache-2.0

//go:build !race

package v1beta1_test

// objects is how many objects of each kind go each way.
const objects = 10_000
