// SPDX-License-Identifier: Apache-2.0

package carry

import (
	"maps"
	"slices"
	"strings"
)

// change is one place in which an object differs from the translation of its other version.
type change struct {
	// Path is a JSON pointer.
	Path string `json:"path"`
	// Was is the digest of what the translation has there; empty where it has nothing.
	Was string `json:"was,omitempty"`
	// Now is what the object has there; zero where it has nothing.
	Now value `json:"now,omitzero"`
}

// diff returns the changes that lead from one tree to another, in the order of their paths.
func diff(from, to any) []change {
	return differences("", from, to)
}

func differences(path string, from, to any) []change {
	a, isMap := from.(map[string]any)
	b, areMaps := to.(map[string]any)
	if !isMap || !areMaps {
		if equal(from, to) {
			return nil
		}
		return []change{{Path: path, Was: digest(from), Now: valueOf(to)}}
	}
	keys := maps.Clone(a)
	maps.Copy(keys, b)
	var changes []change
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		at := path + "/" + escape(key)
		old, had := a[key]
		now, has := b[key]
		switch {
		case !had:
			changes = append(changes, change{Path: at, Now: valueOf(now)})
		case !has:
			changes = append(changes, change{Path: at, Was: digest(old)})
		default:
			changes = append(changes, differences(at, old, now)...)
		}
	}
	return changes
}

// parent returns the object the change is in, and the name of its place there; nil when the tree has no such object.
func (c change) parent(tree any) (map[string]any, string) {
	steps := strings.Split(strings.TrimPrefix(c.Path, "/"), "/")
	for _, step := range steps[:len(steps)-1] {
		object, _ := tree.(map[string]any)
		tree = object[unescape(step)]
	}
	object, _ := tree.(map[string]any)
	return object, unescape(steps[len(steps)-1])
}

// force makes the change whatever the tree has at its place.
func (c change) force(tree any) {
	object, key := c.parent(tree)
	switch {
	case object == nil:
	case c.Now.IsZero():
		delete(object, key)
	default:
		object[key] = clone(c.Now.tree)
	}
}

// apply makes the change where the tree still has what the change was made for, and tells whether it did. Where something was added
// meanwhile that also has other parts, those are joined.
func (c change) apply(tree any) bool {
	object, key := c.parent(tree)
	if object == nil {
		return false
	}
	current, exists := object[key]
	switch {
	case c.Was == "" && c.Now.IsZero():
		return false
	case c.Was == "" && exists:
		_, isMap := current.(map[string]any)
		applied := false
		for _, part := range c.split() {
			applied = isMap && part.apply(tree) || applied
		}
		return applied
	case c.Was != "" && (!exists || digest(current) != c.Was):
		return false
	}
	c.force(tree)
	return true
}

// split returns the change as changes of the parts of what it adds.
func (c change) split() []change {
	if c.Was != "" || c.Now.IsZero() {
		return nil
	}
	object, _ := c.Now.tree.(map[string]any)
	var parts []change
	for _, key := range slices.Sorted(maps.Keys(object)) {
		parts = append(parts, change{Path: c.Path + "/" + escape(key), Now: valueOf(object[key])})
	}
	return parts
}

// empty returns the change that adds only the object that the parts of split are in.
func (c change) empty() []change {
	if len(c.split()) == 0 {
		return nil
	}
	return []change{{Path: c.Path, Now: valueOf(map[string]any{})}}
}

// holds tells whether the change has a value that is refused.
func (c change) holds(refused func(name string, value any) bool) bool {
	return refused != nil && holds(unescape(c.Path[strings.LastIndex(c.Path, "/")+1:]), c.Now.tree, refused)
}

func holds(name string, tree any, refused func(name string, value any) bool) bool {
	switch tree := tree.(type) {
	case map[string]any:
		for key, child := range tree {
			if holds(key, child, refused) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(tree, func(child any) bool { return holds(name, child, refused) })
	}
	return refused(name, tree)
}

var (
	escaper   = strings.NewReplacer("~", "~0", "/", "~1")
	unescaper = strings.NewReplacer("~1", "/", "~0", "~")
)

func escape(key string) string   { return escaper.Replace(key) }
func unescape(key string) string { return unescaper.Replace(key) }
