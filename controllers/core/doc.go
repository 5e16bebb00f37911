// SPDX-License-Identifier: Apache-2.0

// Package core holds the controllers of core.openfunction.io. Function writes Builders and a Serving and reads their conditions;
// Builder drives one build run; Serving drives one serving run. No controller looks at another's children.
package core
