// SPDX-License-Identifier: Apache-2.0

// Builders puts the images that build functions together, without Docker, and pushes them: the Go builder of Cloud Native
// Buildpacks and its run image, the fetcher, and the tool that builds Dockerfiles.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

// request is the command line.
type request struct {
	push, clusterName, tag, runImage, caBundle, json, only string
	insecure                                               bool
}

func main() {
	var r request
	flag.StringVar(&r.push, "push", "", "registry to push to, HOST[:PORT][/PATH] (required)")
	flag.StringVar(&r.clusterName, "cluster-name", "", "what pods call that registry; by default the same")
	flag.StringVar(&r.tag, "tag", "latest", "tag to push under")
	flag.StringVar(&r.runImage, "run-image", "", "run image the Go builder names; by default the one pushed, under the cluster's name")
	flag.StringVar(&r.caBundle, "ca-bundle", "", "certificate authorities to put into the images; by default this machine's")
	flag.StringVar(&r.json, "json", "", "file to write the references to, as a JSON object")
	flag.StringVar(&r.only, "only", "", "images to push, separated by commas: core, agent, webhook, router, dapr-shared, fetcher, dockerfile, run-go, builder-go")
	flag.BoolVar(&r.insecure, "insecure", false, "speak to the registry without TLS; a loopback address needs no such word")
	flag.Parse()
	if r.push == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := r.run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "builders: %v\n", err)
		os.Exit(1)
	}
}

func (r request) run(ctx context.Context) error {
	w, err := newWorkshop()
	if err != nil {
		return err
	}
	goroot, err := goOutput(w.root, "env", "GOROOT")
	if err != nil {
		return err
	}
	ca, err := caBundle(r.caBundle)
	if err != nil {
		return err
	}
	seenByPods := cmp.Or(r.clusterName, r.push)
	runRef := cmp.Or(r.runImage, seenByPods+"/openfunction/run-go:"+r.tag)
	to := registryTarget{layers: filepath.Join(w.cache, "layers"), host: r.push, tag: r.tag}
	if r.insecure {
		to.opts = append(to.opts, name.Insecure)
	}
	common := base(ca)
	makers := []struct {
		name string
		make func() (image, error)
	}{
		{"core", func() (image, error) { return programImage(w, common, "core") }},
		{"agent", func() (image, error) { return programImage(w, common, "agent") }},
		{"webhook", func() (image, error) { return programImage(w, common, "webhook") }},
		{"router", func() (image, error) { return programImage(w, common, "router") }},
		{"dapr-shared", func() (image, error) { return programImage(w, common, "dapr-shared") }},
		{"fetcher", func() (image, error) { return programImage(w, common, "fetcher") }},
		{"run-go", func() (image, error) { return runImage(common, goroot) }},
		{"builder-go", func() (image, error) { return builderImage(w, common, goroot, runRef) }},
		{"dockerfile", func() (image, error) { return dockerfileImage(w, common, ca) }},
	}
	refs := map[string]string{}
	for _, m := range makers {
		if r.only != "" && !slices.Contains(strings.Split(r.only, ","), m.name) {
			continue
		}
		start := time.Now()
		i, err := m.make()
		if err != nil {
			return fmt.Errorf("assembling %s: %w", m.name, err)
		}
		p, err := to.push(ctx, i)
		if err != nil {
			return err
		}
		refs[m.name] = fmt.Sprintf("%s/openfunction/%s@%s", seenByPods, i.name, p.digest)
		what := "pushed"
		if p.unchanged {
			what = "unchanged"
		}
		fmt.Printf("%-11s %-9s %6.1f MB %5.1fs  %s/openfunction/%s:%s@%s\n", m.name, what, float64(p.size)/1e6,
			time.Since(start).Seconds(), seenByPods, i.name, r.tag, p.digest)
	}
	if r.json == "" {
		return nil
	}
	text, err := json.MarshalIndent(refs, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(r.json, append(text, '\n'), 0o644)
}
