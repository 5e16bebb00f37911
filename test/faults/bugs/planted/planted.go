// SPDX-License-Identifier: Apache-2.0

// Package planted says which bug is alive in a program that was built with bugs (docs/design/009). Nothing imports it but what
// the overlay adds, so that no program that is shipped has it.
package planted

import "os"

// Variable names the bug that is alive, by its number; none when empty.
const Variable = "OPENFUNCTION_BUG"

// alive is set by the environment, or for good by a build tag.
var alive = os.Getenv(Variable)

// Is tells whether the bug of this number is alive.
func Is(number string) bool { return alive == number }
