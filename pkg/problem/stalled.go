// SPDX-License-Identifier: Apache-2.0

package problem

import (
	"errors"
	"fmt"
)

// StalledError is a state that only the user can leave.
type StalledError struct {
	// Reason is the CamelCase reason of the condition.
	Reason string
	// Message is a sentence for the user that says what is wrong and what to do.
	Message string
}

// Error returns the message for the user.
func (e *StalledError) Error() string { return e.Message }

// Stalled returns a StalledError whose message is built like fmt.Sprintf.
func Stalled(reason, format string, args ...any) error {
	return &StalledError{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// AsStalled finds a StalledError in the chain of err.
func AsStalled(err error) (*StalledError, bool) {
	var stalled *StalledError
	ok := errors.As(err, &stalled)
	return stalled, ok
}
