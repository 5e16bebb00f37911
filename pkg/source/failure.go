// SPDX-License-Identifier: Apache-2.0

package source

import (
	"errors"
	"fmt"
)

// Reason says in one word why a fetch failed. It is shown to users and may be matched by machines.
type Reason string

// The reasons a fetch fails for.
const (
	// InvalidSource means that what was asked for cannot be right: a malformed URL, a file name that leaves the source.
	InvalidSource Reason = "InvalidSource"
	// InvalidCredentials means that the mounted Secret cannot be used.
	InvalidCredentials Reason = "InvalidCredentials"
	// AuthenticationFailed means that the server wants other credentials than it was given, or any at all.
	AuthenticationFailed Reason = "AuthenticationFailed"
	// HostKeyRejected means that an ssh server did not show the key that known_hosts promises.
	HostKeyRejected Reason = "HostKeyRejected"
	// RepositoryNotFound means that the server does not know the repository, or hides it from these credentials.
	RepositoryNotFound Reason = "RepositoryNotFound"
	// RevisionNotFound means that the repository has no such branch, tag or commit.
	RevisionNotFound Reason = "RevisionNotFound"
	// SubPathNotFound means that the source has no such folder.
	SubPathNotFound Reason = "SubPathNotFound"
	// BundleNotFound means that the registry has no such image.
	BundleNotFound Reason = "BundleNotFound"
	// ServerUnreachable means that the server could not be spoken to.
	ServerUnreachable Reason = "ServerUnreachable"
	// FetchFailed is every other failure.
	FetchFailed Reason = "FetchFailed"
)

// FetchError is why a fetch failed, told to the user who has to change something.
type FetchError struct {
	// Reason is the failure in one word.
	Reason Reason
	// Message names what failed and what to do about it, on one line.
	Message string
}

func (f *FetchError) Error() string { return f.Message }

func failure(reason Reason, format string, args ...any) *FetchError {
	return &FetchError{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// ReasonOf returns the reason of a failed fetch, FetchFailed when the error tells none.
func ReasonOf(err error) Reason {
	if f, ok := errors.AsType[*FetchError](err); ok {
		return f.Reason
	}
	return FetchFailed
}
