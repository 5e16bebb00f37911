// SPDX-License-Identifier: Apache-2.0

package conversion

import (
	"bytes"
	"encoding/json"

	"k8s.io/apimachinery/pkg/runtime"
)

// asWritten encodes a converted object with the words of the one it was made from. Types of other projects write fields that nobody has set:
// an object would gain them by being read in another version, and a write of what was read would change it. So where a part of the result
// says the same as a part of the same name in the source, it is written as that was.
func asWritten(source []byte, from, to runtime.Object) ([]byte, error) {
	plain, err := decoded(source)
	if err != nil {
		return nil, err
	}
	typed, err := tree(from)
	if err != nil {
		return nil, err
	}
	result, err := tree(to)
	if err != nil {
		return nil, err
	}
	w := words{}
	w.learn("", plain, typed)
	result = w.say("", result)
	addedStatus(plain, result)
	return encoded(result)
}

// addedStatus removes an empty status that nobody wrote.
func addedStatus(plain, result any) {
	source, _ := plain.(map[string]any)
	target, _ := result.(map[string]any)
	status, _ := target["status"].(map[string]any)
	if _, written := source["status"]; !written && len(status) == 0 {
		delete(target, "status")
	}
}

// words are the parts that were written in another way than their types write them: by name, and then by what the types write. They are
// also there without a name, for parts that are called something else in the other version.
type words map[string]map[string]any

// learn compares what was written with what its types write of it, and tells whether they differ.
func (w words) learn(name string, plain, typed any) bool {
	differs := false
	switch typed := typed.(type) {
	case map[string]any:
		object, isObject := plain.(map[string]any)
		if !isObject {
			return true // cannot be: the type read it
		}
		differs = len(object) != len(typed)
		for key, child := range typed {
			was, exists := object[key]
			differs = !exists || w.learn(key, was, child) || differs
		}
	case []any:
		list, isList := plain.([]any)
		if !isList || len(list) != len(typed) {
			return true
		}
		for i, child := range typed {
			differs = w.learn(name, list[i], child) || differs
		}
	default:
		differs = plain != typed
	}
	if differs && name != "" {
		w.add(name, typed, plain)
		if !isScalar(typed) {
			w.add("", typed, plain)
		}
	}
	return differs
}

func (w words) add(name string, typed, plain any) {
	text, err := encoded(typed)
	if err != nil {
		return // it was decoded from JSON
	}
	if w[name] == nil {
		w[name] = map[string]any{}
	}
	w[name][string(text)] = plain
}

// say returns a tree in these words.
func (w words) say(name string, node any) any {
	if plain, known := w.of(name, node); known {
		return plain
	}
	switch node := node.(type) {
	case map[string]any:
		for key, child := range node {
			if child == nil {
				delete(node, key) // as the API server does
				continue
			}
			node[key] = w.say(key, child)
		}
	case []any:
		for i, child := range node {
			node[i] = w.say(name, child)
		}
	}
	return node
}

func (w words) of(name string, node any) (plain any, known bool) {
	text, err := encoded(node)
	if err != nil {
		return nil, false
	}
	if plain, known = w[name][string(text)]; !known && !isScalar(node) {
		plain, known = w[""][string(text)]
	}
	return plain, known
}

// isScalar tells whether a node has no parts. What a text or number means depends on its name.
func isScalar(node any) bool {
	switch node.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

func tree(object runtime.Object) (any, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	return decoded(text)
}

func decoded(text []byte) (tree any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	err = decoder.Decode(&tree)
	return tree, err
}

// encoded is canonical: the keys of objects are in order.
func encoded(tree any) ([]byte, error) { return json.Marshal(tree) }
