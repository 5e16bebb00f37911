// SPDX-License-Identifier: Apache-2.0

// Package carry makes the conversion between two versions of an object lossless.
//
// It is given two translations, one each way, that need not be exact. What a translation cannot express it puts into a text beside the
// result (an annotation), and puts back on the way home. When the result was edited meanwhile, the edit wins: of what was carried only that
// is put back which does not change what the edited version shows. Neither version is known here: objects are JSON trees.
package carry
