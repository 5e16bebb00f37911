// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// pushed says what became of an image.
type pushed struct {
	digest    v1.Hash
	size      int64 // compressed
	unchanged bool
}

// registryTarget is where images go.
type registryTarget struct {
	layers string // folder of this machine that keeps compressed layers
	host   string
	tag    string
	opts   []name.Option
}

// push puts an image into the registry under the wanted tag, and under one that names its content. When the registry has
// that content already, nothing is compressed and nothing is sent.
func (r registryTarget) push(ctx context.Context, i image) (pushed, error) {
	key, err := i.key()
	if err != nil {
		return pushed{}, err
	}
	repository := r.host + "/openfunction/" + i.name
	wanted, err := name.NewTag(repository+":"+r.tag, r.opts...)
	if err != nil {
		return pushed{}, err
	}
	byContent := wanted.Context().Tag("content-" + key[:12])
	opts := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}

	built, err := remote.Image(byContent, opts...)
	unchanged := err == nil
	if !unchanged {
		if built, err = i.build(r.layers); err != nil {
			return pushed{}, err
		}
		if err := remote.Write(byContent, built, opts...); err != nil {
			return pushed{}, fmt.Errorf("pushing %s: %w", byContent, err)
		}
	}
	if err := remote.Tag(wanted, built, opts...); err != nil {
		return pushed{}, fmt.Errorf("tagging %s: %w", wanted, err)
	}
	return measured(built, unchanged)
}

func measured(built v1.Image, unchanged bool) (pushed, error) {
	digest, err := built.Digest()
	if err != nil {
		return pushed{}, err
	}
	manifest, err := built.Manifest()
	if err != nil {
		return pushed{}, err
	}
	p := pushed{digest: digest, size: manifest.Config.Size, unchanged: unchanged}
	for _, l := range manifest.Layers {
		p.size += l.Size
	}
	return p, nil
}

// key identifies all that the image is made of.
func (i image) key() (string, error) {
	sum := sha256.New()
	config, err := json.Marshal(i.config)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(sum, "%s %s %s\n", i.name, platform().String(), config)
	for _, l := range i.layers {
		digest, err := l.digest()
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, digest)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func (i image) build(layers string) (v1.Image, error) {
	built := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	built = mutate.ConfigMediaType(built, types.OCIConfigJSON)
	for n, l := range i.layers {
		made, err := l.image(layers, fmt.Sprintf("%s-%d", i.name, n))
		if err != nil {
			return nil, err
		}
		if built, err = mutate.AppendLayers(built, made); err != nil {
			return nil, err
		}
	}
	file, err := built.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = platform().OS, platform().Architecture
	file.Config = i.config
	return mutate.ConfigFile(built, file)
}
