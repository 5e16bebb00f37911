// SPDX-License-Identifier: Apache-2.0

// Package ports hands out ports to tests that must know one before somebody listens there, or after nobody does any more. A port that the
// system chose and took back may be another's a moment later: of another test, or of a connection. These are outside of the range that the
// system chooses from, and no two processes have the same at a time.
package ports
