// SPDX-License-Identifier: Apache-2.0

package carry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// List is a list or map of which one version shows some entries only, so that it may have others where none are shown. A list is compared
// entry by entry: in a tree it is an object of entries by key, and the order of the keys.
type List struct {
	// Path are the names of the fields that lead to it.
	Path []string
	// Key identifies an entry of a list; nil for a map. Entries of the same key are told apart by their order.
	Key func(entry map[string]any) string
	// Closed says that nothing is put back there, whatever it is.
	Closed bool
}

// The parts of a list in a tree.
const (
	entriesPart = "entries"
	orderPart   = "order"
)

// emptyPart tells a list or map that was written without an entry from one that was not written. No map has such a key.
const emptyPart = "\x00empty"

// TreeOf returns an object as a JSON tree. Types write nulls for what nobody has set, which the API server drops; the tree is without them.
func TreeOf[T any](object *T) (any, error) {
	text, err := marshal(object)
	if err != nil {
		return nil, fmt.Errorf("encoding the object: %w", err)
	}
	tree, err := unmarshal(text)
	if err != nil {
		return nil, fmt.Errorf("decoding the object: %w", err)
	}
	dropNulls(tree, reflect.TypeFor[T]())
	return tree, nil
}

// objectOf returns the object of a tree.
func objectOf[T any](tree any) (*T, error) {
	text, err := marshal(tree)
	if err != nil {
		return nil, err
	}
	object := new(T)
	if err := json.Unmarshal(text, object); err != nil {
		return nil, err
	}
	return object, nil
}

// unfolded returns a tree with its lists as objects of entries.
func unfolded(tree any, lists []List) any {
	tree = clone(tree)
	for _, list := range lists {
		list.unfold(tree)
	}
	return tree
}

// folded returns what was unfolded.
func folded(tree any, lists []List) any {
	tree = clone(tree)
	for _, list := range lists {
		list.fold(tree)
	}
	return tree
}

// at returns the object that holds the list, and the list's name there.
func (l List) at(tree any) (map[string]any, string) {
	for _, step := range l.Path[:len(l.Path)-1] {
		object, _ := tree.(map[string]any)
		tree = object[step]
	}
	object, _ := tree.(map[string]any)
	return object, l.Path[len(l.Path)-1]
}

func has(object map[string]any, key string) bool {
	_, exists := object[key]
	return exists
}

func (l List) unfold(tree any) {
	object, name := l.at(tree)
	if object == nil || l.Closed {
		return
	}
	current, exists := object[name]
	if l.Key == nil {
		if entries, isMap := current.(map[string]any); !exists {
			object[name] = map[string]any{}
		} else if isMap && len(entries) == 0 {
			object[name] = map[string]any{emptyPart: true}
		}
		return
	}
	list, isList := current.([]any)
	if exists && !isList {
		return
	}
	entries, order := map[string]any{}, make([]any, 0, len(list))
	for _, entry := range list {
		fields, _ := entry.(map[string]any)
		key := l.Key(fields)
		for n, taken := 2, has(entries, key); taken; n, taken = n+1, has(entries, key) {
			key = fmt.Sprintf("%s#%d", l.Key(fields), n)
		}
		entries[key] = entry
		order = append(order, key)
	}
	parts := map[string]any{entriesPart: entries, orderPart: order}
	if exists && len(list) == 0 {
		parts[emptyPart] = true
	}
	object[name] = parts
}

// fold makes a list of entries again: first those of the order, then the others.
func (l List) fold(tree any) {
	object, name := l.at(tree)
	if l.Closed {
		delete(object, name)
		return
	}
	parts, isObject := object[name].(map[string]any)
	if !isObject {
		return
	}
	written := has(parts, emptyPart)
	if l.Key == nil {
		delete(parts, emptyPart)
		if len(parts) == 0 && !written {
			delete(object, name)
		}
		return
	}
	entries, _ := parts[entriesPart].(map[string]any)
	entries = maps.Clone(entries)
	order, _ := parts[orderPart].([]any)
	list := make([]any, 0, len(entries))
	for _, key := range order {
		name, _ := key.(string)
		if entry, exists := entries[name]; exists {
			list = append(list, entry)
			delete(entries, name)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		list = append(list, entries[key])
	}
	object[name] = list
	if len(list) == 0 && !written {
		delete(object, name)
	}
}

// value is a JSON tree inside a struct that is encoded. Unlike an interface it tells null from nothing, and keeps numbers as they are written.
type value struct {
	tree any
	set  bool
}

func valueOf(tree any) value { return value{tree: tree, set: true} }

// IsZero tells whether there is no value, which is not the same as null.
func (v value) IsZero() bool { return !v.set }

// MarshalJSON implements json.Marshaler.
func (v value) MarshalJSON() ([]byte, error) { return marshal(v.tree) }

// UnmarshalJSON implements json.Unmarshaler.
func (v *value) UnmarshalJSON(text []byte) (err error) {
	v.set = true
	v.tree, err = unmarshal(text)
	return err
}

func marshal(v any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

func unmarshal(text []byte) (tree any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	err = decoder.Decode(&tree)
	return tree, err
}

// digest identifies a tree.
func digest(tree any) string {
	text, err := marshal(tree)
	if err != nil {
		return "" // a tree that was decoded from JSON can be encoded
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, same := b.(map[string]any)
		return same && maps.EqualFunc(a, b, equal)
	case []any:
		b, same := b.([]any)
		return same && slices.EqualFunc(a, b, equal)
	default:
		switch b.(type) {
		case map[string]any, []any:
			return false
		}
		return a == b
	}
}

func clone(tree any) any {
	switch tree := tree.(type) {
	case map[string]any:
		copied := make(map[string]any, len(tree))
		for key, child := range tree {
			copied[key] = clone(child)
		}
		return copied
	case []any:
		copied := make([]any, len(tree))
		for i, child := range tree {
			copied[i] = clone(child)
		}
		return copied
	default:
		return tree
	}
}
