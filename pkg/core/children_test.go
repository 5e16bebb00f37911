// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/openfunction/openfunction/pkg/core"
)

// children are all that names a child, with how long its names may be.
var children = []struct {
	of   func(string) string
	most int
}{
	{core.HTTPChild, 52}, {core.AsyncChild, 52}, {core.KnativeChild, 63}, {core.CanaryChild, 63}, {core.FunctionChild, 63}, {core.AgentChild, 63},
	{core.AgentDaprdChild, 63}, {core.SharedDaprChild, 63}, {core.SharedDaprdChild, 63}, {core.RedeliveryChild, 63}, {core.TokenChild, 63},
}

// TestNoTwoNames has parents of every length, parents that look like a child with one dash, and a canary of each.
func TestNoTwoNames(t *testing.T) {
	parents := []string{"x"}
	for length := 2; length <= 63; length++ {
		parents = append(parents, strings.Repeat("x", length-1)+"a", strings.Repeat("x", length-1)+"b")
	}
	for _, part := range core.Parts() {
		parents = append(parents, "x-"+part, "x-"+part+"-"+part)
	}
	for _, parent := range slices.Clone(parents) {
		parents = append(parents, core.CanaryChild(parent))
	}
	owner := map[string]string{}
	for _, parent := range parents {
		owner[parent] = "the function " + parent
	}
	for _, parent := range parents {
		for _, child := range children {
			name := child.of(parent)
			if problems := validation.IsDNS1123Label(name); len(problems) > 0 || len(name) > child.most {
				t.Errorf("%q of %q is too long or no label: %v", name, parent, problems)
			}
			if other, taken := owner[name]; taken && other != "the function "+core.CanaryChild(parent) {
				t.Errorf("%q of %q is the name of %s too", name, parent, other)
			}
			owner[name] = "a child of " + parent
		}
	}
}

func TestPartsAreUnmistakable(t *testing.T) {
	parts := core.Parts()
	if len(parts) != len(children) || !slices.IsSorted(parts) || len(slices.Compact(slices.Clone(parts))) != len(parts) {
		t.Errorf("not every part of a child's name once, and sorted: %q", parts)
	}
	for _, child := range children {
		_, part, _ := strings.Cut(child.of("x"), "--")
		if !slices.Contains(parts, part) {
			t.Errorf("%q is not among the parts", part)
		}
	}
	for _, part := range parts {
		if strings.Contains(part, "--") || strings.HasPrefix(part, "-") || len(part) > 48 {
			t.Errorf("%q could be taken for the end of something else", part)
		}
	}
}
