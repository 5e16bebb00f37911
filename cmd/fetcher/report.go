// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/openfunction/openfunction/pkg/source"
)

// reportFlags are the flags of the report subcommand.
type reportFlags struct {
	report, digestFile, image   string
	results, insecureRegistries string
}

var digestForm = regexp.MustCompile(`sha256:[0-9a-f]{64}$`)

func report(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var f reportFlags
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	flags.StringVar(&f.report, "report", "", "report.toml of the Cloud Native Buildpacks lifecycle")
	flags.StringVar(&f.digestFile, "digest-file", "", "file that holds the image's digest, or its reference by digest")
	flags.StringVar(&f.image, "image", "", "the image that was built; by default the one the report names")
	flags.StringVar(&f.results, "results-dir", "/tekton/results", "folder for results")
	flags.StringVar(&f.insecureRegistries, "insecure-registries", "", "registries to speak to without TLS, separated by commas")
	if err := parse(flags, args, stderr); err != nil {
		return err
	}
	if (f.report == "") == (f.digestFile == "") {
		return fmt.Errorf("%w: give one of --report and --digest-file", errUsage)
	}
	digest, err := f.digest()
	if err != nil {
		return err
	}
	found := map[string]string{"image-digest": digest}
	if size, err := imageSize(ctx, f.image, digest, names(f.insecureRegistries)); err != nil {
		fmt.Fprintf(stderr, "Warning: the image's size is unknown: %v\n", err)
		fmt.Fprintf(stdout, "Built %s@%s\n", f.image, digest)
	} else {
		found["image-size"] = strconv.FormatInt(size, 10)
		fmt.Fprintf(stdout, "Built %s@%s, %.1f MB\n", f.image, digest, float64(size)/1e6)
	}
	return results(f.results).write(found)
}

// digest reads what the build step left, and fills in the image when it was not given.
func (f *reportFlags) digest() (string, error) {
	if f.digestFile != "" {
		content, err := os.ReadFile(f.digestFile)
		if err != nil {
			return "", fmt.Errorf("reading the digest of the built image: %w", err)
		}
		digest := digestForm.FindString(strings.TrimSpace(string(content)))
		if digest == "" {
			return "", fmt.Errorf("%s holds no digest of an image", f.digestFile)
		}
		return digest, nil
	}
	var r struct {
		Image struct {
			Tags   []string `toml:"tags"`
			Digest string   `toml:"digest"`
		} `toml:"image"`
	}
	if _, err := toml.DecodeFile(f.report, &r); err != nil {
		return "", fmt.Errorf("reading the report of the build: %w", err)
	}
	if !digestForm.MatchString(r.Image.Digest) {
		return "", fmt.Errorf("%s holds no digest: the build step exported no image to a registry", f.report)
	}
	if f.image == "" && len(r.Image.Tags) > 0 {
		f.image = r.Image.Tags[0]
	}
	return r.Image.Digest, nil
}

// imageSize asks the registry what pulling the image transfers: its configuration and its compressed layers.
func imageSize(ctx context.Context, image, digest string, insecure []string) (int64, error) {
	if image == "" {
		return 0, errors.New("no image given")
	}
	ref, err := source.ImageReference(image, insecure)
	if err != nil {
		return 0, err
	}
	built, err := remote.Image(ref.Context().Digest(digest), remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return 0, fmt.Errorf("asking the registry for %s: %w", ref, err)
	}
	manifest, err := built.Manifest()
	if err != nil {
		return 0, fmt.Errorf("reading the manifest of %s: %w", ref, err)
	}
	size := manifest.Config.Size
	for _, layer := range manifest.Layers {
		size += layer.Size
	}
	return size, nil
}
