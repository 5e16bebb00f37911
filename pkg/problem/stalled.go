// SPDX-License-Identifier: Apache-2.0

package problem

import (
	"errors"
	"fmt"
	"time"
)

// StalledError is a state that only the user can leave.
type StalledError struct {
	// Reason is the CamelCase reason of the condition.
	Reason string
	// Message is a sentence for the user that says what is wrong and what to do.
	Message string
	// Recheck asks for another look after this long, for what no watch reports; zero asks for none.
	Recheck time.Duration
}

// Error returns the message for the user.
func (e *StalledError) Error() string { return e.Message }

// Stalled returns a StalledError whose message is built like fmt.Sprintf.
func Stalled(reason, format string, args ...any) error {
	return &StalledError{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// StalledUntil is Stalled with another look after recheck.
func StalledUntil(recheck time.Duration, reason, format string, args ...any) error {
	return &StalledError{Reason: reason, Message: fmt.Sprintf(format, args...), Recheck: recheck}
}

// AsStalled finds a StalledError in the chain of err.
func AsStalled(err error) (*StalledError, bool) {
	var stalled *StalledError
	ok := errors.As(err, &stalled)
	return stalled, ok
}
