// SPDX-License-Identifier: Apache-2.0

package v1beta2

// Hub marks the version that every other version is converted to and from.
func (*Function) Hub() {}

// Hub marks the version that every other version is converted to and from.
func (*Builder) Hub() {}

// Hub marks the version that every other version is converted to and from.
func (*Serving) Hub() {}
