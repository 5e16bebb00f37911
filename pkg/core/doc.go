// SPDX-License-Identifier: Apache-2.0

// Package core defines what a serving run and a build run are: pure functions from an object of this project to the
// engine objects that carry it out, and from the live engine objects back to a judgement. Runs hold no client, context,
// clock or logger; the controllers read and write for them.
package core
