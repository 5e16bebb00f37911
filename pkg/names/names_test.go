// SPDX-License-Identifier: Apache-2.0

package names_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/openfunction/openfunction/pkg/names"
)

func TestChildKeepsShortNamesWhole(t *testing.T) {
	if got := names.Child("hello", "http"); got != "hello--http" {
		t.Errorf("Child = %q", got)
	}
	if got := names.WithHash("hello", "0123456789"); got != "hello-0123456789" {
		t.Errorf("WithHash = %q", got)
	}
}

func TestLongParentsAreToldApart(t *testing.T) {
	parent := strings.Repeat("a", 62)
	for joined, of := range map[string]func(string) string{
		"---http":      func(parent string) string { return names.Child(parent, "http") },
		"--0123456789": func(parent string) string { return names.WithHash(parent, "0123456789") },
	} {
		one, two := of(parent+"b"), of(parent+"c")
		if one == two {
			t.Errorf("two parents share the name %q", one)
		}
		for _, name := range []string{one, two} {
			if len(name) != names.MaxLength || !strings.HasSuffix(name, joined) {
				t.Errorf("bad child name %q", name)
			}
			if short := of(strings.TrimSuffix(name, joined)); short == name {
				t.Errorf("%q is the child of a short parent too", name)
			}
		}
	}
}

func TestHashIgnoresOrderAndNulls(t *testing.T) {
	a, err := names.Hash(map[string]any{"x": 1, "y": nil, "z": []any{map[string]any{"b": 1, "a": nil}}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := names.Hash(map[string]any{"z": []any{map[string]any{"b": 1}}, "x": 1})
	if err != nil {
		t.Fatal(err)
	}
	if a != b {
		t.Errorf("hashes differ: %s and %s", a, b)
	}
	tree, err := names.Tree(map[string]any{"x": int64(1), "z": []map[string]*int{{"a": nil}, {"b": new(1)}}})
	if err != nil {
		t.Fatal(err)
	}
	whole, _ := names.Hash(tree)
	if of, err := names.HashTree(tree); err != nil || of != whole {
		t.Errorf("the hash of a tree is %s, %v; want %s", of, err, whole)
	}
	c, _ := names.Hash(map[string]any{"x": 2})
	if a == c {
		t.Errorf("different values share the hash %s", a)
	}
}

func FuzzChildIsADNSLabel(f *testing.F) {
	f.Add("hello", uint8(3))
	f.Add(strings.Repeat("x-", 40), uint8(200))
	f.Fuzz(func(t *testing.T, parent string, n uint8) {
		if len(validation.IsDNS1123Label(parent)) != 0 && len(validation.IsDNS1123Subdomain(parent)) != 0 {
			return // not the name of an object
		}
		if strings.Contains(parent, ".") {
			return // admission refuses dots
		}
		part := strings.Repeat("s", int(n)%48+1)
		name := names.Child(parent, part)
		if problems := validation.IsDNS1123Label(name); len(problems) != 0 {
			t.Errorf("Child(%q, %q) = %q: %v", parent, part, name, problems)
		}
		// Of whom somebody else might think that it is the child of his.
		other := name[:strings.LastIndex(name, "--")]
		if other != parent && names.Child(other, part) == name && len(validation.IsDNS1123Label(other)) == 0 {
			t.Errorf("%q is the child of %q and of %q", name, parent, other)
		}
	})
}

func FuzzLabelIsALabelValue(f *testing.F) {
	f.Add("v1.0.0")
	f.Add("--..é")
	f.Fuzz(func(t *testing.T, value string) {
		if problems := validation.IsValidLabelValue(names.Label(value)); len(problems) != 0 {
			t.Errorf("Label(%q) = %q: %v", value, names.Label(value), problems)
		}
	})
}
