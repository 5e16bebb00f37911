// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/openfunction/openfunction/test/kit"
)

// links is how many changes of a spec a chain has, the way back not counted.
const links = 20

// chain is the fault that a user changes a spec again and again, to what its schema allows, just about allows or does not allow, and then goes
// back to what it was.
type chain struct{ seed uint64 }

func (c chain) String() string { return fmt.Sprintf("seed %d", c.seed) }

func parseChain(text string) (fault, error) {
	var c chain
	_, err := fmt.Sscanf(text, "seed %d", &c.seed)
	return c, err
}

// everyChain is for scenarios that end with one object of a user, whose end does not depend on the way.
func everyChain(o *outcome) []fault {
	if o.scenario.isPath() || o.scenario.scratch == nil && len(o.scenario.steps) != 1 || users(o.world) == nil {
		return nil
	}
	var faults []fault
	for seed := range uint64(40) {
		faults = append(faults, chain{seed + 1})
	}
	return faults
}

// users is the object of ours that a user made, or nil.
func users(w *kit.World) *unstructured.Unstructured {
	for _, o := range w.All() {
		if isOurs(o) && len(o.GetOwnerReferences()) == 0 {
			return o
		}
	}
	return nil
}

// kindOfUsers is the kind of the object that a chain changes.
func kindOfUsers(o *outcome) string { return users(o.world).GetKind() }

// operations is how often a spec of a kind was changed by chains.
var operations = map[string]*atomic.Int64{"Function": {}, "Builder": {}, "Serving": {}, "Gateway": {}}

func (c chain) disturb() disturbance {
	return disturbance{recounts: true, blind: true, after: func(r *run) error {
		o := users(r.world)
		allowed, err := specOf(o.GroupVersionKind())
		if err != nil {
			return err
		}
		g := generator{draw: rand.New(rand.NewPCG(c.seed, 0))}
		before := o.Object["spec"].(map[string]any)
		for range links {
			if err := r.link(o, &g, allowed); err != nil {
				return err
			}
		}
		_, err = r.respec(o, before)
		if apierrors.IsInvalid(err) { // what cannot be changed back was rightly allowed once: nothing to compare
			return diverges("rollback", "%s", err)
		}
		return err
	}}
}

// link changes one field, and waits until the change has been looked at.
func (r *run) link(o *unstructured.Unstructured, g *generator, allowed *apiextensionsv1.JSONSchemaProps) error {
	live := r.find(nameOf(o))
	if live == nil {
		return diverges("end", "%s is gone", nameOf(o))
	}
	spec := live.DeepCopy().Object["spec"].(map[string]any)
	class, path := g.change(allowed, spec)
	if class == "" {
		return nil
	}
	operations[o.GetKind()].Add(1)
	after, err := r.respec(o, spec)
	switch {
	case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err):
		return nil
	case err != nil:
		return fmt.Errorf("a %s value of spec.%s: %w", class, path, err)
	case class == "invalid":
		return diverges("schema", "the API server allowed an invalid value of spec.%s: %s", path, text(after.Object["spec"]))
	}
	if err := r.reach("the change of spec."+path+" to be seen", func() error {
		is := r.find(nameOf(o))
		if is == nil {
			return errors.New("it is gone")
		}
		if observed, _, _ := unstructured.NestedInt64(is.Object, "status", "observedGeneration"); observed != is.GetGeneration() {
			return fmt.Errorf("generation %d, but observed is %d: %s", is.GetGeneration(), observed, text(is.Object["spec"]))
		}
		return nil
	}); err != nil {
		return err
	}
	return nil
}

// respec gives an object another spec, as kubectl replace does.
func (r *run) respec(o *unstructured.Unstructured, spec map[string]any) (*unstructured.Unstructured, error) {
	for {
		live := r.find(nameOf(o))
		if live == nil {
			return nil, diverges("end", "%s is gone", nameOf(o))
		}
		live.Object["spec"] = spec
		err := r.world.Client.Update(r, live)
		if apierrors.IsConflict(err) { // the onlooker has not seen the last status yet
			if err := pass(r, waits); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		return live, r.world.Sees(r, live)
	}
}

func text(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// schemas are those of the specs of our kinds, as generated into config/crd/bases.
var schemas sync.Map

func specOf(kind schema.GroupVersionKind) (*apiextensionsv1.JSONSchemaProps, error) {
	if known, ok := schemas.Load(kind); ok {
		return known.(*apiextensionsv1.JSONSchemaProps), nil
	}
	root, err := kit.Root()
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(root, "config/crd/bases", kind.Group+"_"+strings.ToLower(kind.Kind)+"s.yaml"))
	if err != nil {
		return nil, err
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.Unmarshal(data, crd); err != nil {
		return nil, err
	}
	for _, v := range crd.Spec.Versions {
		if v.Name == kind.Version {
			spec := v.Schema.OpenAPIV3Schema.Properties["spec"]
			schemas.Store(kind, &spec)
			return &spec, nil
		}
	}
	return nil, fmt.Errorf("%s has no version %s", kind.Kind, kind.Version)
}

// generator changes specs by lot.
type generator struct{ draw *rand.Rand }

// change puts a value into a field chosen by lot, and says of which class it is: valid, boundary or invalid as far as the schema says, which
// is not all that the API server looks at. No class means that nothing could be changed.
func (g *generator) change(schema *apiextensionsv1.JSONSchemaProps, spec map[string]any) (class, path string) {
	for range 20 {
		if class, path = g.descend(schema, spec, nil); class != "" {
			return class, path
		}
	}
	return "", ""
}

// leaveTraces are the only fields that chains leave alone: the record of the version that is served is never removed, so that one that was made while
// more were to be kept, or to go back to it, is there in the end.
var leaveTraces = []string{"revisionHistoryLimit", "rollbackTo"}

func (g *generator) descend(schema *apiextensionsv1.JSONSchemaProps, in map[string]any, path []string) (string, string) {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(schema.Properties)), func(name string) bool { return slices.Contains(leaveTraces, name) })
	if len(names) == 0 || len(path) > 5 {
		return "", ""
	}
	name := names[g.draw.IntN(len(names))]
	field := schema.Properties[name]
	path = append(path, name)
	if field.Type == "object" && len(field.Properties) > 0 {
		inner, _ := in[name].(map[string]any)
		if inner == nil {
			inner = map[string]any{}
		}
		class, where := g.descend(&field, inner, path)
		if class != "" {
			in[name] = inner
		}
		return class, where
	}
	if items := itemsOf(&field); items != nil && g.draw.IntN(4) > 0 {
		return g.item(items, in, path)
	}
	value, class := g.value(&field)
	if class == "" {
		return "", ""
	}
	if value == nil {
		delete(in, name)
	} else {
		in[name] = value
	}
	return class, strings.Join(path, ".")
}

// itemsOf is the schema of the entries of a list of objects, or nil.
func itemsOf(field *apiextensionsv1.JSONSchemaProps) *apiextensionsv1.JSONSchemaProps {
	if field.Type != "array" || field.Items == nil || field.Items.Schema == nil || len(field.Items.Schema.Properties) == 0 {
		return nil
	}
	return field.Items.Schema
}

// item changes one entry of the list at a path, or begins the list.
func (g *generator) item(items *apiextensionsv1.JSONSchemaProps, in map[string]any, path []string) (class, where string) {
	name := path[len(path)-1]
	list, _ := in[name].([]any)
	if len(list) == 0 {
		list = []any{map[string]any{}}
	}
	entry, is := list[g.draw.IntN(len(list))].(map[string]any)
	if !is {
		return "", ""
	}
	class, where = g.descend(items, entry, path)
	if class != "" {
		in[name] = list
	}
	return class, where
}

// value is one for a field. Taking an optional field out is valid.
func (g *generator) value(field *apiextensionsv1.JSONSchemaProps) (value any, class string) {
	if g.draw.IntN(6) == 0 {
		return nil, "valid"
	}
	switch {
	case field.XIntOrString:
		return []any{int64(1), "50%"}[g.draw.IntN(2)], "valid"
	case field.Type == "boolean":
		return []any{true, false, "yes"}[g.draw.IntN(3)], "any"
	case field.Type == "integer":
		return g.integer(field)
	case field.Type == "string":
		return g.word(field)
	case field.Type == "array" && field.Items != nil && field.Items.Schema != nil && field.Items.Schema.Type == "string":
		return g.list(field)
	}
	return nil, ""
}

func (g *generator) integer(field *apiextensionsv1.JSONSchemaProps) (any, string) {
	least, most := int64(0), int64(100)
	if field.Minimum != nil {
		least = int64(*field.Minimum)
	}
	if field.Maximum != nil {
		most = int64(*field.Maximum)
	}
	switch g.draw.IntN(5) {
	case 0:
		return least, "boundary"
	case 1:
		return most, "boundary"
	case 2:
		if field.Minimum != nil {
			return least - 1, "invalid"
		}
	case 3:
		if field.Maximum != nil {
			return most + 1, "invalid"
		}
	}
	return least + g.draw.Int64N(most-least+1), "valid"
}

// samples are words of which one fits most patterns.
var samples = []string{"a", "1", "hello", "10m", "1Gi", "v1", "registry.example.test/a:b", "https://example.test/a", "5s", "A_B", "a.b.c"}

func (g *generator) word(field *apiextensionsv1.JSONSchemaProps) (any, string) {
	if len(field.Enum) > 0 {
		if g.draw.IntN(4) == 0 {
			return "none-of-them", "invalid"
		}
		var value any
		if json.Unmarshal(field.Enum[g.draw.IntN(len(field.Enum))].Raw, &value) != nil {
			return nil, ""
		}
		return value, "valid"
	}
	fits := func(word string) bool {
		if field.MinLength != nil && int64(len(word)) < *field.MinLength || field.MaxLength != nil && int64(len(word)) > *field.MaxLength {
			return false
		}
		matches, err := regexp.MatchString(field.Pattern, word)
		return err == nil && matches
	}
	switch g.draw.IntN(4) {
	case 0:
		if field.MaxLength != nil && *field.MaxLength < 5000 {
			if word := strings.Repeat("a", int(*field.MaxLength)); fits(word) {
				return word, "boundary"
			}
		}
	case 1:
		if field.MaxLength != nil && *field.MaxLength < 5000 {
			return strings.Repeat("a", int(*field.MaxLength)+1), "invalid"
		}
	case 2:
		if field.Pattern != "" && !fits("?! \n") {
			return "?! \n", "invalid"
		}
	}
	for _, i := range g.draw.Perm(len(samples)) {
		if fits(samples[i]) {
			return samples[i], "valid"
		}
	}
	return nil, ""
}

func (g *generator) list(field *apiextensionsv1.JSONSchemaProps) (any, string) {
	word, class := g.word(field.Items.Schema)
	if class == "" {
		return nil, ""
	}
	if field.MaxItems != nil && *field.MaxItems < 100 && g.draw.IntN(4) == 0 {
		var list []any
		for i := range *field.MaxItems + 1 {
			list = append(list, fmt.Sprintf("%v%d", word, i))
		}
		return list, "invalid"
	}
	return []any{word}, class
}
