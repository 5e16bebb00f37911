// SPDX-License-Identifier: Apache-2.0

// Package tekton carries out a Builder as one Tekton TaskRun with an embedded task, and reads the outcome back. A task
// fetches the source, runs a strategy (buildpacks, dockerfile, ko) and reports what was pushed; a Task of the user's own can take
// the place of all three. What users write reaches a step as a parameter or environment variable, never inside a script. The
// steps' command lines follow cmd/fetcher and builders/README.md.
package tekton
