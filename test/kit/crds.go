// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// CRDs names the custom resource definitions of one project and where they are: in a folder of this repository
// when module is empty, else in the module cache, at the version that go.mod asks for.
type CRDs struct {
	name   string
	module string
	files  []string
}

// The definitions a control plane can hold.
var (
	// OpenFunction is our own, as generated into config/crd/bases.
	OpenFunction = CRDs{name: "OpenFunction", files: []string{"config/crd/bases/*.yaml"}}
	// Tekton has tasks and task runs.
	Tekton = CRDs{name: "Tekton", module: "github.com/tektoncd/pipeline", files: []string{
		"config/300-crds/300-task.yaml", "config/300-crds/300-taskrun.yaml",
	}}
	// Knative has services, configurations, revisions and routes.
	Knative = CRDs{name: "Knative", module: "knative.dev/serving", files: []string{
		"config/core/300-resources/service.yaml", "config/core/300-resources/configuration.yaml",
		"config/core/300-resources/revision.yaml", "config/core/300-resources/route.yaml",
	}}
	// KEDA has scaled objects and jobs, and how their triggers log in.
	KEDA = CRDs{name: "KEDA", module: "github.com/kedacore/keda/v2", files: []string{
		"config/crd/bases/keda.sh_scaledobjects.yaml", "config/crd/bases/keda.sh_scaledjobs.yaml",
		"config/crd/bases/keda.sh_triggerauthentications.yaml", "config/crd/bases/keda.sh_clustertriggerauthentications.yaml",
	}}
	// KEDAHTTP is KEDA's HTTP add-on.
	KEDAHTTP = CRDs{name: "KEDA HTTP add-on", module: "github.com/kedacore/http-add-on", files: []string{
		"config/crd/bases/http.keda.sh_httpscaledobjects.yaml", "config/crd/bases/http.keda.sh_interceptorroutes.yaml",
	}}
	// Dapr has components.
	Dapr = CRDs{name: "Dapr", module: "github.com/dapr/dapr", files: []string{"charts/dapr/crds/components.yaml", "charts/dapr/crds/resiliency.yaml"}}
	// GatewayAPI has the standard channel.
	GatewayAPI = CRDs{name: "Gateway API", module: "sigs.k8s.io/gateway-api", files: []string{
		"config/crd/standard/gateway.networking.k8s.io_*.yaml",
	}}
)

// load reads the definitions and makes them fit for a control plane without the project's webhooks.
func (c CRDs) load(ctx context.Context) ([]*apiextensionsv1.CustomResourceDefinition, error) {
	base, err := c.folder(ctx)
	if err != nil {
		return nil, err
	}
	var crds []*apiextensionsv1.CustomResourceDefinition
	for _, pattern := range c.files {
		files, err := filepath.Glob(filepath.Join(base, pattern))
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("%s has no file %s in %s", c.name, pattern, base)
		}
		for _, file := range files {
			crd, err := c.read(file)
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", file, err)
			}
			if crd != nil {
				crds = append(crds, crd)
			}
		}
	}
	return crds, nil
}

func (c CRDs) folder(ctx context.Context) (string, error) {
	root, err := Root()
	if err != nil || c.module == "" {
		return root, err
	}
	dir, err := output(ctx, root, "go", "list", "-m", "-f", "{{.Dir}}", c.module)
	if err != nil || dir != "" {
		return dir, err
	}
	if _, err := output(ctx, root, "go", "mod", "download", c.module); err != nil {
		return "", err
	}
	return output(ctx, root, "go", "list", "-m", "-f", "{{.Dir}}", c.module)
}

// read returns the definition in a file, or nil when the file holds something else.
func (c CRDs) read(file string) (*apiextensionsv1.CustomResourceDefinition, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.Unmarshal(data, crd); err != nil {
		return nil, err
	}
	if crd.Kind != "CustomResourceDefinition" {
		return nil, nil
	}
	if c.module == "" {
		return crd, nil
	}
	crd.Spec.Conversion = nil
	crd.Spec.Versions = slices.DeleteFunc(crd.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool {
		return !v.Storage
	})
	for i := range crd.Spec.Versions {
		if schema := crd.Spec.Versions[i].Schema; schema != nil {
			if schema.OpenAPIV3Schema, err = withoutDescriptions(schema.OpenAPIV3Schema); err != nil {
				return nil, err
			}
		}
	}
	return crd, nil
}

// withoutDescriptions drops the documentation, which is most of a third-party schema and slows the API server's start.
func withoutDescriptions(in *apiextensionsv1.JSONSchemaProps) (*apiextensionsv1.JSONSchemaProps, error) {
	data, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	if err := json.Unmarshal(data, &tree); err != nil {
		return nil, err
	}
	dropDescriptions(tree)
	if data, err = json.Marshal(tree); err != nil {
		return nil, err
	}
	out := &apiextensionsv1.JSONSchemaProps{}
	return out, json.Unmarshal(data, out)
}

func dropDescriptions(schema map[string]any) {
	delete(schema, "description")
	for key, value := range schema {
		switch value := value.(type) {
		case map[string]any:
			if key == "properties" {
				for _, property := range value {
					if property, ok := property.(map[string]any); ok {
						dropDescriptions(property)
					}
				}
			} else if key != "default" && key != "example" {
				dropDescriptions(value)
			}
		case []any:
			for _, item := range value {
				if item, ok := item.(map[string]any); ok {
					dropDescriptions(item)
				}
			}
		}
	}
}
