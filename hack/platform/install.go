// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// Images are the images of this project, by digest, as the cluster names them. The JSON names are those of `builders --json`.
type Images struct {
	// Core runs cmd/core.
	Core string `json:"core"`
	// Agent runs cmd/agent between Dapr and a function.
	Agent string `json:"agent"`
	// Webhook runs cmd/webhook.
	Webhook string `json:"webhook"`
	// Router runs cmd/router.
	Router string `json:"router"`
	// Fetcher runs cmd/fetcher inside builds.
	Fetcher string `json:"fetcher"`
	// Builder is the buildpacks builder for Go.
	Builder string `json:"builder-go"`
	// Dockerfile runs the dockerfile strategy.
	Dockerfile string `json:"dockerfile"`
}

// Build builds this project's images and pushes them to the cluster's registry. What has not changed is not pushed again.
func Build(ctx context.Context, root string, c Cluster, out io.Writer) (Images, error) {
	dir, err := os.MkdirTemp("", "openfunction-images-")
	if err != nil {
		return Images{}, fmt.Errorf("making a folder for the image list: %w", err)
	}
	defer os.RemoveAll(dir)
	list := filepath.Join(dir, "images.json")
	if err := run(ctx, out, root, "go", "run", "./builders", "--push="+c.RegistryHost, "--cluster-name="+c.RegistryCluster, "--json="+list); err != nil {
		return Images{}, fmt.Errorf("building the images: %w", err)
	}
	text, err := os.ReadFile(list)
	if err != nil {
		return Images{}, fmt.Errorf("reading the image list: %w", err)
	}
	var images Images
	if err := json.Unmarshal(text, &images); err != nil {
		return Images{}, fmt.Errorf("reading the image list: %w", err)
	}
	return images, nil
}

// overlay puts the images of this checkout and the cluster's surroundings into config/default.
var overlay = template.Must(template.New("kustomization.yaml").Parse(`resources:
  - {{.Default}}
patches:
  - target:
      kind: Deployment
      name: openfunction-core
    patch: |
      - op: replace
        path: /spec/template/spec/containers/0/image
        value: {{.Images.Core}}
      - op: replace
        path: /spec/template/spec/containers/0/args
        value:
          - --leader-elect
          - --fetcher-image={{.Images.Fetcher}}
          - --dockerfile-image={{.Images.Dockerfile}}
          - --agent-image={{.Images.Agent}}
{{- if .Cluster.DaprdImage}}
          - --daprd-image={{.Cluster.DaprdImage}}
{{- end}}
{{- if .Cluster.PlainRegistry}}
          - --insecure-registries={{.Cluster.RegistryCluster}}
{{- end}}
{{- if .Cluster.GoProxyCluster}}
          - --build-goproxy={{.Cluster.GoProxyCluster}}
{{- end}}
  - target:
      kind: Deployment
      name: openfunction-webhook
    patch: |
      - op: replace
        path: /spec/template/spec/containers/0/image
        value: {{.Images.Webhook}}
  - target:
      kind: Deployment
      name: openfunction-router
    patch: |
      - op: replace
        path: /spec/template/spec/containers/0/image
        value: {{.Images.Router}}
`))

// Install applies config/default with the images and waits until the controllers, the webhook and the router run.
func Install(ctx context.Context, root string, c Cluster, images Images, out io.Writer) error {
	// kubectl kustomize wants a relative path to its resources, so the overlay lives in the checkout.
	bin := filepath.Join(root, "bin")
	if err := os.MkdirAll(bin, 0o750); err != nil {
		return fmt.Errorf("making %s: %w", bin, err)
	}
	dir, err := os.MkdirTemp(bin, "overlay-")
	if err != nil {
		return fmt.Errorf("making a folder for the overlay: %w", err)
	}
	defer os.RemoveAll(dir)
	var text strings.Builder
	if err := overlay.Execute(&text, map[string]any{"Default": "../../config/default", "Images": images, "Cluster": c}); err != nil {
		return fmt.Errorf("writing the overlay: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("writing the overlay: %w", err)
	}
	kubectl := func(args ...string) error {
		return run(ctx, out, root, c.Kubectl, append([]string{"--kubeconfig", c.Kubeconfig}, args...)...)
	}
	if err := kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=openfunction-install", "-k", dir); err != nil {
		return fmt.Errorf("applying config/default: %w", err)
	}
	for _, deployment := range []string{"openfunction-core", "openfunction-webhook", "openfunction-router"} {
		if err := kubectl("-n", "openfunction", "rollout", "status", "deployment/"+deployment, "--timeout=180s"); err != nil {
			return fmt.Errorf("waiting for %s: %w", deployment, err)
		}
	}
	return nil
}
