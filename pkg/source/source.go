// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"io"
	"os"
	"path/filepath"
)

// Request says what to fetch and where to put it. Exactly one of Git, Bundle and Inline is set.
type Request struct {
	// Git is a repository.
	Git *Git
	// Bundle is an image that holds source.
	Bundle *Bundle
	// Inline is source by file name.
	Inline map[string]string

	// SubPath is the folder within the source that is built. It is checked to exist.
	SubPath string
	// Dest is the folder to fill. It is made if it is missing, and must be empty.
	Dest string
	// Progress receives lines for the user.
	Progress io.Writer
}

// Result says what was fetched.
type Result struct {
	// Commit, Author and Branch describe a git source. Branch is empty when a tag or a commit was asked for.
	Commit, Author, Branch string
	// BundleDigest is the digest of the bundle image.
	BundleDigest string
}

// Fetch brings the source into r.Dest. Its errors are FetchErrors.
func Fetch(ctx context.Context, r Request) (Result, error) {
	if r.Progress == nil {
		r.Progress = io.Discard
	}
	if err := r.check(); err != nil {
		return Result{}, err
	}
	if err := prepare(r.Dest); err != nil {
		return Result{}, err
	}
	res, err := r.fetch(ctx)
	if err != nil {
		return Result{}, err
	}
	if err := checkSubPath(r.Dest, r.SubPath); err != nil {
		return Result{}, err
	}
	return res, openUp(r.Dest)
}

func (r Request) fetch(ctx context.Context) (Result, error) {
	switch {
	case r.Git != nil:
		return r.Git.fetch(ctx, r.Dest, r.Progress)
	case r.Bundle != nil:
		return r.Bundle.fetch(ctx, r.Dest, r.Progress)
	default:
		return Result{}, writeInline(r.Inline, r.Dest, r.Progress)
	}
}

func (r Request) check() error {
	set := 0
	for _, given := range []bool{r.Git != nil, r.Bundle != nil, r.Inline != nil} {
		if given {
			set++
		}
	}
	if set != 1 {
		return failure(InvalidSource, "%d sources given, want exactly one of a git URL, a bundle image and inline files", set)
	}
	if r.SubPath != "" && !filepath.IsLocal(r.SubPath) {
		return failure(InvalidSource, "sub-path %q must be relative and stay inside the source", r.SubPath)
	}
	return nil
}

// prepare makes dest, and refuses one that already holds something.
func prepare(dest string) error {
	if err := os.MkdirAll(dest, 0o777); err != nil {
		return failure(FetchFailed, "cannot make the source folder: %v", err)
	}
	entries, err := os.ReadDir(dest)
	if err != nil {
		return failure(FetchFailed, "cannot read the source folder: %v", err)
	}
	if len(entries) > 0 {
		return failure(FetchFailed, "source folder %s is not empty: it holds %q", dest, entries[0].Name())
	}
	return nil
}
