// SPDX-License-Identifier: Apache-2.0

package problem

import (
	"errors"
	"fmt"
	"time"
)

// WaitingError is a state that ends when something else has happened.
type WaitingError struct {
	// Reason is the CamelCase reason of the condition.
	Reason string
	// Message is a sentence for the user that says what is awaited.
	Message string
	// Recheck asks for another look after this long, for what no watch reports; zero asks for none.
	Recheck time.Duration
}

// Error returns the message for the user.
func (e *WaitingError) Error() string { return e.Message }

// Waiting returns a WaitingError whose message is built like fmt.Sprintf.
func Waiting(reason, format string, args ...any) error {
	return &WaitingError{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// WaitingUntil is Waiting with another look after recheck.
func WaitingUntil(recheck time.Duration, reason, format string, args ...any) error {
	return &WaitingError{Reason: reason, Message: fmt.Sprintf(format, args...), Recheck: recheck}
}

// AsWaiting finds a WaitingError in the chain of err.
func AsWaiting(err error) (*WaitingError, bool) {
	var waiting *WaitingError
	ok := errors.As(err, &waiting)
	return waiting, ok
}
