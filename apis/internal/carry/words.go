// SPDX-License-Identifier: Apache-2.0

package carry

import (
	"maps"
	"slices"
	"strconv"
)

// words are the parts of an object that are written in another way than its types write them: 1m for 1m0s, 500m for 0.5, a field that says
// its zero. Types of other projects also write fields that nobody has set. Where a part of the translation says the same as a part of the
// object, it is written as that was: at the same path first, then by the same name, and then, if it has parts, anywhere.
type words struct {
	at       map[string]word           // by path
	named    map[string]map[string]any // by name, and then by what the types write
	anywhere map[int]map[string]any    // those with parts: by how many, and then by what the types write
}

// word is what was written, and what the types write for it.
type word struct{ typed, plain any }

// wordsOf compares what was written with what its types write of it.
func wordsOf(plain, typed any) words {
	w := words{map[string]word{}, map[string]map[string]any{}, map[int]map[string]any{}}
	w.learn("", "", plain, typed)
	return w
}

func (w words) none() bool { return len(w.at) == 0 }

// learn tells whether a part is written in another way than its type writes it. The order of the keys decides which of two ways of writing
// the same is learnt, so that it is always the same one.
func (w words) learn(path, name string, plain, typed any) bool {
	differs := false
	switch typed := typed.(type) {
	case map[string]any:
		object, isObject := plain.(map[string]any)
		if !isObject {
			return true // null
		}
		differs = len(object) != len(typed)
		for _, key := range slices.Sorted(maps.Keys(typed)) {
			was, exists := object[key]
			differs = !exists || w.learn(path+"/"+escape(key), key, was, typed[key]) || differs
		}
	case []any:
		list, isList := plain.([]any)
		if !isList || len(list) != len(typed) {
			return true
		}
		for i, child := range typed {
			differs = w.learn(index(path, i), name, list[i], child) || differs
		}
	default:
		differs = !equal(plain, typed)
	}
	if differs && name != "" {
		w.add(path, name, word{typed, plain})
	}
	return differs
}

// add learns a word. Of several for the same the first is kept.
func (w words) add(path, name string, new word) {
	w.at[path] = new
	said := said(new.typed)
	learn(w.named, name, said, new.plain)
	if n := size(new.typed); n > 0 {
		learn(w.anywhere, n, said, new.plain)
	}
}

func learn[K comparable](all map[K]map[string]any, key K, said string, plain any) {
	known := all[key]
	if known == nil {
		known = map[string]any{}
		all[key] = known
	}
	if _, taken := known[said]; !taken {
		known[said] = plain
	}
}

// say returns a tree in these words.
func (w words) say(tree any) any { return w.sayAt("", "", tree) }

func (w words) sayAt(path, name string, node any) any {
	if plain, known := w.of(path, name, node); known {
		return clone(plain)
	}
	switch node := node.(type) {
	case map[string]any:
		said := make(map[string]any, len(node))
		for key, child := range node {
			said[key] = w.sayAt(path+"/"+escape(key), key, child)
		}
		return said
	case []any:
		said := make([]any, len(node))
		for i, child := range node {
			said[i] = w.sayAt(index(path, i), name, child)
		}
		return said
	}
	return node
}

func (w words) of(path, name string, node any) (plain any, known bool) {
	if here, exists := w.at[path]; exists && equal(here.typed, node) {
		return here.plain, true
	}
	named, elsewhere := w.named[name], w.anywhere[size(node)]
	if path == "" || len(named) == 0 && len(elsewhere) == 0 {
		return nil, false
	}
	said := said(node)
	if plain, known = named[said]; !known {
		plain, known = elsewhere[said]
	}
	return plain, known
}

// size is how many parts a node has. What a text or a number means depends on its name, and so does what has no part.
func size(node any) int {
	switch node := node.(type) {
	case map[string]any:
		return len(node)
	case []any:
		return len(node)
	}
	return 0
}

// said identifies a node.
func said(node any) string {
	if text, isText := node.(string); isText {
		return "s" + text
	}
	return digest(node)
}

func index(path string, i int) string { return path + "/" + strconv.Itoa(i) }
