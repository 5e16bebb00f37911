// Package manifests reads Kubernetes objects from the components' own modules, adapts them to the local cluster, applies
// them server-side and waits until what they describe is there.
package manifests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// Object is any Kubernetes object.
type Object = unstructured.Unstructured

// Run reads the objects that a program prints.
func Run(ctx context.Context, program string, args ...string) ([]Object, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", filepath.Base(program), args[0], err, strings.TrimSpace(errOut.String()))
	}
	return Parse(out.Bytes())
}

// ReadDir reads every object of the YAML files at or below a folder, leaving out what skip says by relative path.
func ReadDir(dir string, skip func(path string) bool) ([]Object, error) {
	var objects []Object
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" || (skip != nil && skip(name)) {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		some, err := Parse(content)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		objects = append(objects, some...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading manifests: %w", err)
	}
	return objects, nil
}

// Parse reads the objects of a YAML file.
func Parse(content []byte) ([]Object, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
	var objects []Object
	for {
		var o Object
		err := decoder.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading an object: %w", err)
		}
		if o.GetKind() != "" {
			objects = append(objects, o)
		}
	}
}

// ranks order kinds by what must be there before the others.
var ranks = map[string]int{
	"Namespace":                0,
	"CustomResourceDefinition": 1,
	"ServiceAccount":           2,
	"ClusterRole":              2,
	"Role":                     2,
	"ClusterRoleBinding":       3,
	"RoleBinding":              3,
	"ConfigMap":                4,
	"Secret":                   4,
	"Service":                  5,
	"Deployment":               6,
	"StatefulSet":              6,
	// Once its webhook is registered, an object is refused until the webhook's pod answers.
	"ValidatingWebhookConfiguration": 7,
	"MutatingWebhookConfiguration":   7,
}

const lastRank = 8

func rank(o Object) int {
	if r, ok := ranks[o.GetKind()]; ok {
		return r
	}
	return lastRank
}

// Sort puts objects into the order in which they can be created.
func Sort(objects []Object) {
	slices.SortStableFunc(objects, func(a, b Object) int { return rank(a) - rank(b) })
}

// Change adapts an object; it returns false to leave it out.
type Change func(o *Object) bool

// Adapt applies changes to every object.
func Adapt(objects []Object, changes ...Change) []Object {
	kept := make([]Object, 0, len(objects))
next:
	for _, o := range objects {
		for _, c := range changes {
			if !c(&o) {
				continue next
			}
		}
		kept = append(kept, o)
	}
	return kept
}

// Without leaves out objects of the given kinds.
func Without(kinds ...string) Change {
	return func(o *Object) bool { return !slices.Contains(kinds, o.GetKind()) }
}

// Only keeps objects of one kind.
func Only(kind string) Change {
	return func(o *Object) bool { return o.GetKind() == kind }
}

// ConfigData sets keys of a ConfigMap.
func ConfigData(name string, data map[string]string) Change {
	return func(o *Object) bool {
		if o.GetKind() == "ConfigMap" && o.GetName() == name {
			for k, v := range data {
				_ = unstructured.SetNestedField(o.Object, v, "data", k) // Fails only if data is no map.
			}
		}
		return true
	}
}

// Containers changes every container of Deployments and StatefulSets.
func Containers(change func(container map[string]any)) Change {
	return func(o *Object) bool {
		if !slices.Contains([]string{"Deployment", "StatefulSet"}, o.GetKind()) {
			return true
		}
		path := []string{"spec", "template", "spec", "containers"}
		containers, _, _ := unstructured.NestedSlice(o.Object, path...)
		for _, c := range containers {
			if c, ok := c.(map[string]any); ok {
				change(c)
			}
		}
		_ = unstructured.SetNestedSlice(o.Object, containers, path...) // Fails only if one of them is no map.
		return true
	}
}

// Frugal makes containers fit on a small node: it asks for little processor time and allows all of it, which is what they need
// while they start.
func Frugal(o *Object) bool {
	return Containers(func(c map[string]any) {
		if _, found, _ := unstructured.NestedMap(c, "resources"); found {
			_ = unstructured.SetNestedField(c, "20m", "resources", "requests", "cpu")
			unstructured.RemoveNestedField(c, "resources", "limits", "cpu")
		}
	})(o)
}

// Prompt has containers asked at once and often whether they are ready, because someone is waiting for them.
func Prompt(o *Object) bool {
	return Containers(func(c map[string]any) {
		if _, found, _ := unstructured.NestedMap(c, "readinessProbe"); found {
			unstructured.RemoveNestedField(c, "readinessProbe", "initialDelaySeconds")
			_ = unstructured.SetNestedField(c, int64(1), "readinessProbe", "periodSeconds")
			_ = unstructured.SetNestedField(c, int64(30), "readinessProbe", "failureThreshold")
		}
	})(o)
}

const koPrefix = "ko://"

// ResolveKo replaces the "ko://" names of images by references, looked up by import path. A name that is not known is an
// error, because its image could never be pulled.
func ResolveKo(objects []Object, references map[string]string) error {
	var unknown []string
	eachString(objects, func(s string) string {
		importPath, is := strings.CutPrefix(s, koPrefix)
		if !is {
			return s
		}
		ref, known := references[importPath]
		if !known {
			unknown = append(unknown, s)
			return s
		}
		return ref
	})
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return fmt.Errorf("no image was built for %s", strings.Join(slices.Compact(unknown), ", "))
	}
	return nil
}

// ReplaceStarting replaces every string that starts with a text.
func ReplaceStarting(objects []Object, start, replacement string) {
	eachString(objects, func(s string) string {
		if strings.HasPrefix(s, start) {
			return replacement
		}
		return s
	})
}

// eachString replaces every string value of the objects by what f makes of it.
func eachString(objects []Object, f func(string) string) {
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case string:
			return f(v)
		case map[string]any:
			for k := range v {
				v[k] = walk(v[k])
			}
		case []any:
			for k := range v {
				v[k] = walk(v[k])
			}
		}
		return v
	}
	for _, o := range objects {
		walk(o.Object)
	}
}
