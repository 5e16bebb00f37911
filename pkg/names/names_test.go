// SPDX-License-Identifier: Apache-2.0

package names_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/openfunction/openfunction/pkg/names"
)

func TestChildKeepsShortNamesWhole(t *testing.T) {
	if got := names.Child("hello", "0123456789"); got != "hello-0123456789" {
		t.Fatalf("Child = %q", got)
	}
}

func TestChildTellsLongParentsApart(t *testing.T) {
	parent := strings.Repeat("a", 62)
	one, two := names.Child(parent+"b", "0123456789"), names.Child(parent+"c", "0123456789")
	if one == two {
		t.Fatalf("two parents share the name %q", one)
	}
	for _, name := range []string{one, two} {
		if len(name) > names.MaxLength || !strings.HasSuffix(name, "-0123456789") {
			t.Errorf("bad child name %q", name)
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
		suffix := strings.Repeat("s", int(n)%40+1)
		if problems := validation.IsDNS1123Label(names.Child(parent, suffix)); len(problems) != 0 {
			t.Errorf("Child(%q, %q) = %q: %v", parent, suffix, names.Child(parent, suffix), problems)
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
