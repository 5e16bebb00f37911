// SPDX-License-Identifier: Apache-2.0

//go:build race

package v1beta1_test

// objects is how many objects of each kind go each way under the race detector: all kinds and both ways run at once, and a conversion that shares
// a variable with another is seen with the first few. `make test` runs these tests with 10,000 without it.
const objects = 50
