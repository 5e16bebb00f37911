// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"encoding/json"
	"slices"
	"testing"
)

func decoded(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestContains(t *testing.T) {
	for _, test := range []struct {
		name, because, have, want string
		is                        bool
	}{
		{"Equal", "nothing differs", `{"a":1}`, `{"a":1}`, true},
		{"Defaulted", "fields the server adds are not ours", `{"a":1,"b":{"c":2}}`, `{"a":1}`, true},
		{"Changed", "somebody changed a field of ours", `{"a":2}`, `{"a":1}`, false},
		{"Removed", "somebody removed a field of ours", `{"b":1}`, `{"a":1}`, false},
		{"EmptyMap", "an empty map and none are one", `{}`, `{"resources":{}}`, true},
		{"EmptyList", "an empty list and none are one", `{}`, `{"args":[]}`, true},
		{"MapIsScalar", "kinds differ", `{"a":"x"}`, `{"a":{"b":1}}`, false},
		{"Reordered", "entries with a name are told apart by it", `{"env":[{"name":"b","value":"2"},{"name":"a","value":"1"}]}`,
			`{"env":[{"name":"a","value":"1"},{"name":"b","value":"2"}]}`, true},
		{"EntryAdded", "an entry of somebody else is not ours", `[{"name":"a"},{"name":"b"}]`, `[{"name":"a"}]`, true},
		{"EntryGone", "ours is missing", `[{"name":"b"}]`, `[{"name":"a"}]`, false},
		{"EntryChanged", "ours differs", `[{"name":"a","value":"2"}]`, `[{"name":"a","value":"1"}]`, false},
		{"ArgsReordered", "the order of plain values matters", `["b","a"]`, `["a","b"]`, false},
		{"ArgsLonger", "a plain list is one value", `["a","b"]`, `["a"]`, false},
		{"SameKeyTwice", "ports differ by protocol as well", `[{"containerPort":53,"protocol":"UDP"},{"containerPort":53,"protocol":"TCP"}]`,
			`[{"containerPort":53,"protocol":"TCP"},{"containerPort":53,"protocol":"UDP"}]`, true},
		{"SameKeyTwiceChanged", "one of the two differs", `[{"containerPort":53,"protocol":"UDP"},{"containerPort":53,"protocol":"UDP"}]`,
			`[{"containerPort":53,"protocol":"TCP"},{"containerPort":53,"protocol":"UDP"}]`, false},
		{"KeyIsNoScalar", "whatever users write, nothing panics", `[{"name":{"x":1}}]`, `[{"name":{"x":1}}]`, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := contains(decoded(t, test.have), decoded(t, test.want)); got != test.is {
				t.Errorf("contains = %t; %s", got, test.because)
			}
		})
	}
}

// FuzzContains says that everything contains itself, and nothing that has lost or changed one of its values.
func FuzzContains(f *testing.F) {
	for _, seed := range []string{`{"a":[{"name":"x","v":1},{"name":"x","v":2}]}`, `[{"key":{"a":1}},{"key":[]}]`, `{"spec":{"ports":[{"containerPort":80}]}}`, `[[1,"2"],{}]`} {
		f.Add([]byte(seed), uint8(0))
		f.Add([]byte(seed), uint8(1))
	}
	f.Fuzz(func(t *testing.T, text []byte, nth uint8) {
		var want, have any
		if json.Unmarshal(text, &want) != nil || json.Unmarshal(text, &have) != nil || hasNull(want) {
			return // trees have no nulls
		}
		if !contains(have, want) {
			t.Fatalf("%s does not contain itself", text)
		}
		left := int(nth)
		if have = changeLeaf(have, &left); left >= 0 {
			return // it has fewer leaves
		}
		if contains(have, want) && !repeats(want) {
			changed, _ := json.Marshal(have)
			t.Errorf("%s contains %s", changed, text)
		}
	})
}

func hasNull(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		for _, v := range value {
			if hasNull(v) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(value, hasNull)
	}
	return value == nil
}

// changeLeaf replaces the leaf that left counts down to.
func changeLeaf(value any, left *int) any {
	switch value := value.(type) {
	case map[string]any:
		for field := range value {
			value[field] = changeLeaf(value[field], left)
		}
		return value
	case []any:
		for i := range value {
			value[i] = changeLeaf(value[i], left)
		}
		return value
	}
	if *left--; *left == -1 {
		return "changed by the test \x00"
	}
	return value
}

// repeats tells whether a list holds two entries, of which one may stand for the other.
func repeats(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		for _, v := range value {
			if repeats(v) {
				return true
			}
		}
	case []any:
		for i, v := range value {
			if repeats(v) {
				return true
			}
			for j := range value {
				if i != j && (contains(v, value[j]) || contains(value[j], v)) {
					return true
				}
			}
		}
	}
	return false
}
