package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/openfunction/openfunction/hack/cluster/internal/build"
	"github.com/openfunction/openfunction/hack/cluster/internal/host"
	"github.com/openfunction/openfunction/hack/cluster/internal/images"
	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
	"github.com/openfunction/openfunction/hack/cluster/internal/parts"
	"github.com/openfunction/openfunction/hack/cluster/internal/steps"
)

// baseImages makes the images that are no component's: the one that holds pods' namespaces, and the one with a shell.
func (r *rise) baseImages(ctx context.Context) (steps.Outcome, error) {
	var err error
	if r.uploads, err = loadUploads(r.Layout); err != nil {
		return steps.Outcome{}, err
	}
	pause := r.Layout.Path("bin", "pause")
	if err := build.Program(ctx, r.Layout.Source, "./pause", pause); err != nil {
		return steps.Outcome{}, err
	}
	ref, _, err := r.push(ctx, images.Spec{
		Repository: "cluster/pause", Tag: "1", Bare: true, User: "65535:65535",
		Files: map[string]string{"/pause": pause}, Entrypoint: []string{"/pause"},
	})
	if err != nil {
		return steps.Outcome{}, err
	}
	r.pause = ref
	shell, err := images.Busybox(host.Busybox())
	if err != nil {
		return steps.Outcome{}, err
	}
	r.endpoints.ShellImage, _, err = r.push(ctx, shell)
	return steps.Outcome{}, err
}

// images packs what a part runs.
func (r *rise) images(ctx context.Context, p parts.Part) (steps.Outcome, error) {
	specs, err := r.specs(p)
	if err != nil {
		return steps.Outcome{}, err
	}
	count := 0
	for program, spec := range specs {
		ref, pushed, err := r.push(ctx, spec)
		if err != nil {
			return steps.Outcome{}, err
		}
		if pushed {
			count++
		}
		r.refs[program] = ref
	}
	return steps.Outcome{Note: fmt.Sprintf("%d of %d pushed", count, len(specs)), Idle: count == 0}, nil
}

// specs describes the images of a part by what its objects call them: one with a Debian package, or one for every program of a component.
// A program is where ko would put it, which some of them rely on, unless the part says otherwise.
func (r *rise) specs(p parts.Part) (map[string]images.Spec, error) {
	if p.Objects == nil {
		return nil, nil
	}
	if p.Package != "" {
		bundle, _ := r.packages.Look(p.Package)
		spec, err := images.Debian("cluster/"+p.Name, bundle.Version, host.Busybox(), bundle.Needed())
		return map[string]images.Spec{p.Package: spec}, err
	}
	programs, err := r.cache.Programs(p.Component)
	if err != nil {
		return nil, err
	}
	specs := make(map[string]images.Spec, len(programs))
	for _, importPath := range programs {
		name := filepath.Base(importPath)
		spec := images.Spec{Repository: images.RepositoryOf(importPath), Tag: r.built[p.Component].Version}
		if place, elsewhere := p.Paths[name]; elsewhere {
			spec.Files, spec.Cmd = map[string]string{place: r.built[p.Component].Binary(name)}, []string{place}
		} else {
			place = "/ko-app/" + name
			spec.Files, spec.Entrypoint = map[string]string{place: r.built[p.Component].Binary(name)}, []string{place}
		}
		specs[importPath] = spec
	}
	return specs, nil
}

// push uploads an image, unless it was uploaded before from the same files and by the same code: assembling some takes seconds.
func (r *rise) push(ctx context.Context, s images.Spec) (ref string, pushed bool, err error) {
	print, err := s.Fingerprint()
	if err != nil {
		return "", false, err
	}
	known := r.uploads.Images[print]
	if known != "" && images.There(ctx, r.endpoints.RegistryHost, layout.RegistryName, known) {
		return known, false, nil
	}
	img, err := images.Assemble(ctx, s)
	if err != nil {
		return "", false, err
	}
	if ref, pushed, err = images.Push(ctx, r.endpoints.RegistryHost, layout.RegistryName, s, img); err != nil {
		return "", false, err
	}
	r.uploads.Images[print] = ref
	return ref, pushed, r.uploads.save(r.Layout)
}

// uploads are the images that were uploaded, by their fingerprint.
type uploads struct {
	// Code is the sum of the code that assembled them.
	Code string `json:"code"`
	// Images are their references.
	Images map[string]string `json:"images"`
}

// loadUploads returns what was uploaded; nothing when the code that assembles has changed since.
func loadUploads(l layout.Layout) (uploads, error) {
	files, err := filepath.Glob(filepath.Join(l.Source, "internal", "images", "*.go"))
	if err != nil {
		return uploads{}, fmt.Errorf("reading the code that assembles images: %w", err)
	}
	h := sha256.New()
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return uploads{}, fmt.Errorf("reading the code that assembles images: %w", err)
		}
		_, _ = fmt.Fprintf(h, "%s %x\n", filepath.Base(file), sha256.Sum256(content))
	}
	known, code := uploads{}, hex.EncodeToString(h.Sum(nil))
	if content, err := os.ReadFile(l.Path("uploads.json")); err == nil && json.Unmarshal(content, &known) == nil && known.Code == code && known.Images != nil {
		return known, nil
	}
	return uploads{Code: code, Images: map[string]string{}}, nil
}

func (u uploads) save(l layout.Layout) error {
	content, err := json.Marshal(u)
	if err != nil {
		return fmt.Errorf("noting what was uploaded: %w", err)
	}
	return layout.WriteFile(l.Path("uploads.json"), content, 0o644)
}
