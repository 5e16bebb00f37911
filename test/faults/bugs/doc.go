// SPDX-License-Identifier: Apache-2.0

// Package bugs holds mistakes of the kinds that controllers really have, planted one by one to see whether the suites find them.
package bugs
