// SPDX-License-Identifier: Apache-2.0

// Package standin is what stands around an agent under test: a function that notes every event before it answers, and a daprd with a
// broker that delivers until it was told that an event is done. Both are processes of their own, so that they can be killed; what they
// know is in files that a kill leaves whole.
package standin
