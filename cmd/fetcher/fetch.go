// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/openfunction/openfunction/pkg/source"
)

// fetchFlags are the flags of the fetch subcommand.
type fetchFlags struct {
	url, revision, bundle, inline, inlineJSON string
	subPath, dest, credentials                string
	platformEnv, envJSON                      string
	results, insecureRegistries               string
	requireKnownHosts                         bool
}

func (f *fetchFlags) define(flags *flag.FlagSet) {
	flags.StringVar(&f.url, "url", "", "git repository: https, http, ssh or git URL, or git@host:path")
	flags.StringVar(&f.revision, "revision", "", "branch, tag, or full or shortened commit; by default the remote's HEAD")
	flags.StringVar(&f.bundle, "bundle", "", "image that holds source, instead of a git repository")
	flags.StringVar(&f.inline, "inline", "", "file with a JSON object of file contents by file name, instead of a git repository")
	flags.StringVar(&f.inlineJSON, "inline-json", "", "the same object itself")
	flags.StringVar(&f.subPath, "sub-path", "", "folder of the source that is built; it is checked to exist")
	flags.StringVar(&f.dest, "dest", "/workspace/source", "folder to fill")
	flags.StringVar(&f.credentials, "credentials", "", "folder of a mounted Secret of type kubernetes.io/basic-auth or kubernetes.io/ssh-auth")
	flags.StringVar(&f.platformEnv, "platform-env", "", "folder for a file per build environment variable")
	flags.StringVar(&f.envJSON, "env-json", "", "JSON object of build environment variables")
	flags.StringVar(&f.results, "results-dir", "/tekton/results", "folder for results")
	flags.StringVar(&f.insecureRegistries, "insecure-registries", "", "registries to speak to without TLS, separated by commas")
	flags.BoolVar(&f.requireKnownHosts, "require-known-hosts", false, "refuse ssh servers when the Secret has no known_hosts")
}

func fetch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var f fetchFlags
	flags := flag.NewFlagSet("fetch", flag.ContinueOnError)
	f.define(flags)
	if err := parse(flags, args, stderr); err != nil {
		return err
	}
	fetched, err := f.fetch(ctx, stdout)
	if err != nil {
		if noted := results(f.results).write(map[string]string{"failure-reason": string(source.ReasonOf(err))}); noted != nil {
			fmt.Fprintf(stderr, "Warning: %v\n", noted)
		}
		return err
	}
	return results(f.results).write(map[string]string{
		"commit-sha":    fetched.Commit,
		"commit-author": fetched.Author,
		"branch-name":   fetched.Branch,
		"bundle-digest": fetched.BundleDigest,
	})
}

func (f *fetchFlags) fetch(ctx context.Context, stdout io.Writer) (source.Result, error) {
	request, err := f.request(stdout)
	if err != nil {
		return source.Result{}, err
	}
	if f.platformEnv != "" {
		env, err := source.ParseEnv([]byte(cmp.Or(f.envJSON, "{}")))
		if err != nil {
			return source.Result{}, err
		}
		if err := source.WritePlatformEnv(f.platformEnv, env); err != nil {
			return source.Result{}, err
		}
	}
	return source.Fetch(ctx, request)
}

func (f *fetchFlags) request(stdout io.Writer) (source.Request, error) {
	r := source.Request{SubPath: f.subPath, Dest: f.dest, Progress: stdout}
	if f.url != "" {
		r.Git = &source.Git{URL: f.url, Revision: f.revision, RequireKnownHosts: f.requireKnownHosts}
		if f.credentials != "" {
			var err error
			if r.Git.Credentials, err = source.ReadCredentials(f.credentials); err != nil {
				return r, err
			}
		}
	}
	if f.bundle != "" {
		r.Bundle = &source.Bundle{Image: f.bundle, InsecureRegistries: names(f.insecureRegistries)}
	}
	text := []byte(f.inlineJSON)
	if f.inline != "" {
		var err error
		if text, err = os.ReadFile(f.inline); err != nil {
			return r, fmt.Errorf("reading inline source: %w", err)
		}
	}
	if len(text) > 0 {
		var err error
		if r.Inline, err = source.ParseInline(text); err != nil {
			return r, err
		}
	}
	return r, nil
}
