// SPDX-License-Identifier: Apache-2.0

// Command crd writes the custom resource definitions of the packages it is given.
//
// It uses controller-gen's parser, and differs from the controller-gen command in two ways. Of descriptions below
// fields of other projects' types (a pod template, HTTPRoute rules, ...) only the nearest are kept, and of those a sentence, because with all
// of them a definition does not fit into the annotation that a plain "kubectl apply" keeps; in a deprecated version most of what stands below them is
// dropped too. And markers it cannot understand are only an error in our own packages: gateway-api has some that its own
// generator overlooks.
//
// A definition with several versions is converted by the webhook of cmd/webhook.
//
// Usage: crd -root <module root> -out <folder> <package>...
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-tools/pkg/crd"
	crdmarkers "sigs.k8s.io/controller-tools/pkg/crd/markers"
	"sigs.k8s.io/controller-tools/pkg/loader"
	"sigs.k8s.io/controller-tools/pkg/markers"
	"sigs.k8s.io/yaml"
)

// sizeLimit is what a definition may take as compact JSON. "kubectl apply" keeps it in an annotation, and annotations
// may take 256 KiB together.
const sizeLimit = 250 << 10

// foreign are the fields whose types belong to other projects, by the end of their path. They keep their own
// description and lose all below it.
var foreign = []string{
	"template", "route.rules", "scaledObject.advanced", "scaledObject.fallback", "scaledJob.scalingStrategy",
	"keda.triggers", "bindings", "pubsub", "states.spec", "shipwright.params", "status.conditions", "route.conditions",
	"route.paths", "gatewaySpec.listeners", "status.listeners",
	"imageCredentials", "builderCredentials", "srcRepo.credentials",
}

// foreignLists are such fields where they are lists; in another version a field of ours has the name.
var foreignLists = []string{"spec.triggers", "serving.triggers"}

// opaque are the foreign fields of which a deprecated version keeps only what the API server has to look into. The
// conversion reads them as their Go types, and what an engine does not like it refuses.
var opaque = []string{"template", "route.rules"}

// webhook is where objects are converted.
var webhook = apiextensionsv1.CustomResourceConversion{
	Strategy: apiextensionsv1.WebhookConverter,
	Webhook: &apiextensionsv1.WebhookConversion{
		ClientConfig: &apiextensionsv1.WebhookClientConfig{Service: &apiextensionsv1.ServiceReference{
			Namespace: "openfunction", Name: "openfunction-webhook", Path: ptr.To("/convert"), Port: ptr.To[int32](443),
		}},
		ConversionReviewVersions: []string{"v1"},
	},
}

func main() {
	root := flag.String("root", ".", "the folder of the module that holds the packages")
	out := flag.String("out", "config/crd/bases", "the folder to write to, below root")
	flag.Parse()
	if err := generate(*root, *out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "crd:", err)
		os.Exit(1)
	}
}

func generate(root, out string, patterns []string) error {
	roots, err := loader.LoadRootsWithConfig(&packages.Config{Dir: root}, patterns...)
	if err != nil {
		return err
	}
	registry := &markers.Registry{}
	if err := crdmarkers.Register(registry); err != nil {
		return err
	}
	parser := &crd.Parser{Collector: &markers.Collector{Registry: registry}, Checker: &loader.TypeChecker{}}
	crd.AddKnownTypes(parser)
	for _, pkg := range roots {
		parser.NeedPackage(pkg)
	}
	meta := crd.FindMetav1(roots)
	if meta == nil {
		return errors.New("no package imports metav1, so there are no kinds")
	}
	kinds := crd.FindKubeKinds(parser, meta)
	slices.SortFunc(kinds, func(a, b schema.GroupKind) int { return cmp.Compare(a.String(), b.String()) })
	for _, kind := range kinds {
		parser.NeedCRDFor(kind, nil)
	}
	if err := ownErrors(roots); err != nil {
		return err
	}
	for _, kind := range kinds {
		definition := parser.CustomResourceDefinitions[kind]
		if err := write(filepath.Join(root, out), definition); err != nil {
			return err
		}
	}
	return nil
}

// ownErrors returns the errors in the packages asked for, without those in what they import. The parser loads only what types need, so a
// name that only a function uses is unknown to it; that is left to the compiler.
func ownErrors(roots []*loader.Package) error {
	var errs []error
	for _, pkg := range roots {
		for _, err := range pkg.Errors {
			if err.Kind != packages.TypeError {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

func write(dir string, definition apiextensionsv1.CustomResourceDefinition) error {
	crd.FixTopLevelMetadata(definition)
	if len(definition.Spec.Versions) > 1 {
		definition.Spec.Conversion = &webhook
	}
	slices.SortStableFunc(definition.Spec.Versions, func(a, b apiextensionsv1.CustomResourceDefinitionVersion) int {
		return cmp.Compare(rank(a), rank(b))
	})
	for i := range definition.Spec.Versions {
		top := definition.Spec.Versions[i].Schema.OpenAPIV3Schema
		for _, known := range []string{"apiVersion", "kind", "metadata"} {
			property := top.Properties[known]
			property.Description = ""
			top.Properties[known] = property
		}
		// Rules about the name can only point at it when the schema knows it.
		metadata := top.Properties["metadata"]
		metadata.Properties = map[string]apiextensionsv1.JSONSchemaProps{"name": {Type: "string"}}
		top.Properties["metadata"] = metadata
		levels := 1
		if definition.Spec.Versions[i].Deprecated {
			levels = 0
			conceal(top, "")
		}
		trim(top, "", levels)
		bound(top)
	}
	data, err := json.Marshal(definition)
	if err != nil {
		return err
	}
	var tree map[string]any
	if err := json.Unmarshal(data, &tree); err != nil {
		return err
	}
	delete(tree, "status")
	delete(tree["metadata"].(map[string]any), "creationTimestamp")
	if data, err = json.Marshal(tree); err != nil {
		return err
	}
	fmt.Printf("%-40s %7d bytes of compact JSON\n", definition.Name, len(data))
	if len(data) > sizeLimit {
		return fmt.Errorf("%s takes %d bytes, more than the %d that fit a plain kubectl apply; name more fields as foreign",
			definition.Name, len(data), sizeLimit)
	}
	text, err := yaml.Marshal(tree)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, definition.Spec.Group+"_"+definition.Spec.Names.Plural+".yaml")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	header := "# Code generated by hack/generate.sh. DO NOT EDIT.\n"
	return os.WriteFile(file, append([]byte(header), text...), 0o644)
}

// unwrap joins the lines of each paragraph, which kubectl explain wraps itself. An example keeps its own line.
func unwrap(text string) string {
	var out strings.Builder
	for i, line := range strings.Split(text, "\n") {
		ownLine := line == "" || strings.HasPrefix(line, "Example:") || strings.HasSuffix(out.String(), "\n")
		switch {
		case i == 0:
		case ownLine:
			out.WriteByte('\n')
		default:
			out.WriteByte(' ')
		}
		out.WriteString(line)
	}
	return out.String()
}

// trim unwraps descriptions and drops those below foreign fields, but for one level of them. Items and values of lists and maps have the path of their
// field.
func trim(node *apiextensionsv1.JSONSchemaProps, path string, levels int) {
	node.Description = unwrap(node.Description)
	if endsWith(path, foreign) || node.Type == "array" && endsWith(path, foreignLists) {
		abridge(node, levels)
		return
	}
	each(node, func(child *apiextensionsv1.JSONSchemaProps, name string) {
		if name == "" {
			child.Description = ""
			trim(child, path, levels)
			return
		}
		trim(child, path+"."+name, levels)
	})
}

func endsWith(path string, ends []string) bool {
	return slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(path, "."+end) })
}

// rank puts the version that is stored first.
func rank(v apiextensionsv1.CustomResourceDefinitionVersion) int {
	if v.Storage {
		return 0
	}
	return 1
}

// conceal makes the opaque fields opaque.
func conceal(node *apiextensionsv1.JSONSchemaProps, path string) {
	if endsWith(path, opaque) {
		hide(node)
		return
	}
	each(node, func(child *apiextensionsv1.JSONSchemaProps, name string) {
		if name != "" {
			name = path + "." + name
		} else {
			name = path
		}
		conceal(child, name)
	})
}

// hide drops what is known of objects, except on the way to resource quantities: whoever reads one has to be kept from those that cannot be
// computed.
func hide(node *apiextensionsv1.JSONSchemaProps) {
	switch {
	case holdsQuantity(node):
		each(node, func(child *apiextensionsv1.JSONSchemaProps, _ string) { hide(child) })
	case node.Type == "object":
		*node = apiextensionsv1.JSONSchemaProps{
			Type: "object", Description: node.Description, Nullable: node.Nullable, XPreserveUnknownFields: ptr.To(true),
		}
	case node.Type == "array" && node.Items != nil && node.Items.Schema != nil:
		hide(node.Items.Schema)
		*node = apiextensionsv1.JSONSchemaProps{
			Type: "array", Description: node.Description, Nullable: node.Nullable, MaxItems: node.MaxItems, XListType: ptr.To("atomic"), Items: node.Items,
		}
	}
}

// isQuantity tells whether the node is a resource quantity.
func isQuantity(node *apiextensionsv1.JSONSchemaProps) bool {
	return node.XIntOrString && node.Pattern != ""
}

// holdsQuantity tells whether there is a resource quantity below the node.
func holdsQuantity(node *apiextensionsv1.JSONSchemaProps) bool {
	found := isQuantity(node)
	each(node, func(child *apiextensionsv1.JSONSchemaProps, _ string) { found = found || holdsQuantity(child) })
	return found
}

// abridge keeps the first sentence of the descriptions of the fields of a node, and of those of containers, which people look up; more does not
// fit.
func abridge(node *apiextensionsv1.JSONSchemaProps, levels int) {
	each(node, func(child *apiextensionsv1.JSONSchemaProps, name string) {
		switch {
		case name == "":
			child.Description = ""
			abridge(child, levels)
			return
		case levels == 0:
			child.Description = ""
		default:
			child.Description = firstSentence(unwrap(child.Description))
		}
		below := 0
		if levels > 0 && name == "containers" {
			below = 1
		}
		abridge(child, below)
	})
}

// longest is how many characters of a sentence are kept.
const longest = 80

// firstSentence returns the first sentence of a text, cut at the end of a word where it is long.
func firstSentence(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	if sentence, _, more := strings.Cut(text, ". "); more {
		text = sentence + "."
	}
	if len(text) <= longest {
		return text
	}
	end := strings.LastIndexByte(text[:longest], ' ')
	return strings.TrimRight(text[:max(end, 0)], ",;: ") + " ..."
}

// quantity is what a resource quantity looks like, with an exponent that can be computed.
const quantity = `^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]{1,2}))?$`

// bound keeps out numbers that the schema of another project's type lets in and its Go type cannot read. A single object
// with one would keep the controllers from reading all the others.
func bound(node *apiextensionsv1.JSONSchemaProps) {
	switch {
	case isQuantity(node):
		node.Pattern = quantity
		node.MaxLength = ptr.To[int64](64)
	case node.XIntOrString:
		node.Minimum = ptr.To[float64](math.MinInt32)
		node.Maximum = ptr.To[float64](math.MaxInt32)
	}
	each(node, func(child *apiextensionsv1.JSONSchemaProps, _ string) { bound(child) })
}

// each visits the properties of an object by name, and the items of a list or the values of a map without one.
func each(node *apiextensionsv1.JSONSchemaProps, visit func(child *apiextensionsv1.JSONSchemaProps, name string)) {
	for name, child := range node.Properties {
		visit(&child, name)
		node.Properties[name] = child
	}
	if node.Items != nil && node.Items.Schema != nil {
		visit(node.Items.Schema, "")
	}
	if node.AdditionalProperties != nil && node.AdditionalProperties.Schema != nil {
		visit(node.AdditionalProperties.Schema, "")
	}
}
