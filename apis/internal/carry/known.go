// SPDX-License-Identifier: Apache-2.0

package carry

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
)

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// known returns a tree without the fields that a type does not have. What reads itself is left as it is.
func known(tree any, t reflect.Type) any {
	t, plain := plainType(t)
	switch node := tree.(type) {
	case map[string]any:
		kept := make(map[string]any, len(node))
		if plain && t.Kind() == reflect.Struct {
			fields := fieldsOf(t).types
			for name, child := range node {
				if field, exists := fields[name]; exists {
					kept[name] = known(child, field)
				}
			}
			return kept
		}
		if plain && t.Kind() == reflect.Map {
			for key, child := range node {
				kept[key] = known(child, t.Elem())
			}
			return kept
		}
	case []any:
		if plain && t.Kind() == reflect.Slice {
			kept := make([]any, len(node))
			for i, child := range node {
				kept[i] = known(child, t.Elem())
			}
			return kept
		}
	}
	return tree
}

// dropNulls removes the nulls that are fields of a type: they say the same as their absence. An entry of a map is there though it is null, and
// an embedded pointer is there though all of its fields are.
func dropNulls(tree any, t reflect.Type) {
	t, plain := plainType(t)
	switch node := tree.(type) {
	case map[string]any:
		if plain && t.Kind() == reflect.Struct {
			fields := fieldsOf(t)
			for _, embedded := range fields.embedded {
				if allNull(node, embedded) {
					return
				}
			}
			for name, child := range node {
				if child == nil {
					delete(node, name)
				} else if field, exists := fields.types[name]; exists {
					dropNulls(child, field)
				}
			}
		}
		if plain && t.Kind() == reflect.Map {
			for _, child := range node {
				dropNulls(child, t.Elem())
			}
		}
	case []any:
		if plain && t.Kind() == reflect.Slice {
			for _, child := range node {
				dropNulls(child, t.Elem())
			}
		}
	}
}

// plainType returns the type behind pointers, and whether its JSON is that of its fields or entries.
func plainType(t reflect.Type) (behind reflect.Type, plain bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t, !reflect.PointerTo(t).Implements(unmarshaler)
}

// allNull tells whether an object has nothing but nulls of some fields, and has one.
func allNull(object map[string]any, names []string) bool {
	null := false
	for _, name := range names {
		value, exists := object[name]
		if exists && value != nil {
			return false
		}
		null = null || exists
	}
	return null
}

// fields are those of a struct by their names in JSON, and the names of those that are there only with an embedded pointer.
type fields struct {
	types    map[string]reflect.Type
	embedded [][]string
}

// structs are the fields of the types that were met.
var structs sync.Map

func fieldsOf(t reflect.Type) fields {
	if found, met := structs.Load(t); met {
		return found.(fields)
	}
	all := fields{types: map[string]reflect.Type{}}
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		inner := field.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case name == "-":
		case name != "":
			all.types[name] = field.Type
		case field.Anonymous && inner.Kind() == reflect.Struct:
			promoted := fieldsOf(inner)
			for name, of := range promoted.types {
				if _, taken := all.types[name]; !taken {
					all.types[name] = of
				}
			}
			all.embedded = append(all.embedded, promoted.embedded...)
			if inner != field.Type {
				all.embedded = append(all.embedded, slices.Sorted(maps.Keys(promoted.types)))
			}
		default:
			all.types[field.Name] = field.Type
		}
	}
	structs.Store(t, all)
	return all
}
