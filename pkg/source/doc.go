// SPDX-License-Identifier: Apache-2.0

// Package source brings a function's source into a folder: from a git repository, from an OCI bundle image, or from files
// that are written in the Function itself. It runs inside the build pod, as the fetcher image.
//
// What it writes may be read and changed by every user, because the build step that follows runs as a user this package
// does not know. It never writes outside the destination, never runs a program, and never shows a credential.
package source
