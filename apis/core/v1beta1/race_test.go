// SPDX-License-Identifier: Apache-2.0

//go:build race

package v1beta1_test

// objects is how many objects of each kind go each way under the race detector, which is slow and has little to find here. `make test` runs
// these tests without it too.
const objects = 500
