// SPDX-License-Identifier: Apache-2.0

// Package enqueue asks for the objects that something else concerns: what a watch reports is rarely what has to be looked at again. It reads
// from a cache and decides nothing: which objects are concerned is the caller's to say.
package enqueue
