// SPDX-License-Identifier: Apache-2.0

// Package apply brings the children of an object to what its reconciler wants, with as few writes as possible.
//
// Children are applied server-side under one field owner and skipped when nothing would change. A child belongs to its owner
// by the UID of its controller reference: an object of somebody else with the wanted name is reported as NameTaken and
// never touched. Nothing is deleted in order to be created again.
package apply
