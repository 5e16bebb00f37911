// SPDX-License-Identifier: Apache-2.0

package carry_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openfunction/openfunction/apis/internal/carry"
)

// oldThing and newThing are two versions of a thing: only the old one has a Colour, only the new one has Parts without a name and a Size.
type (
	oldThing struct {
		Port   int      `json:"port,omitempty"`
		Names  []string `json:"names,omitempty"`
		Colour string   `json:"colour,omitempty"`

		Timeout *metav1.Duration `json:"timeout,omitempty"`
	}
	newThing struct {
		Port  *port  `json:"port,omitempty"`
		Parts []part `json:"parts,omitempty"`

		Timeout *metav1.Duration           `json:"timeout,omitempty"`
		Pauses  map[string]metav1.Duration `json:"pauses,omitempty"`
		Rest    rest                       `json:"rest,omitzero"`
	}
	rest struct {
		Timeout *metav1.Duration   `json:"timeout,omitempty"`
		Share   *resource.Quantity `json:"share,omitempty"`
	}
	port struct {
		Number int             `json:"number,omitempty"`
		Size   json.RawMessage `json:"size,omitempty"`
	}
	part struct {
		Name  string          `json:"name,omitempty"`
		Notes json.RawMessage `json:"notes,omitempty"`
	}
)

var (
	oldSide = carry.Side[oldThing, newThing]{Version: "old", Translate: func(o *oldThing) *newThing {
		n := &newThing{Timeout: o.Timeout}
		if o.Port != 0 {
			n.Port = &port{Number: o.Port}
		}
		for _, name := range o.Names {
			n.Parts = append(n.Parts, part{Name: name})
		}
		return n
	}}
	newSide = carry.Side[newThing, oldThing]{Version: "new", Translate: func(n *newThing) *oldThing {
		o := &oldThing{Timeout: n.Timeout}
		if n.Port != nil {
			o.Port = n.Port.Number
		}
		for _, p := range n.Parts {
			if p.Name != "" {
				o.Names = append(o.Names, p.Name)
			}
		}
		return o
	}, Lists: []carry.List{
		{Path: []string{"parts"}, Key: func(entry map[string]any) string { name, _ := entry["name"].(string); return name }},
		{Path: []string{"pauses"}},
	}}
)

func TestConvert(t *testing.T) {
	for _, c := range []struct {
		name, because string
		stored        string
		edit          func(*oldThing)
		want          string
	}{
		{"Nothing", "an object that nobody edited comes back as it was", `{"port":{"number":1,"size":1.10},"parts":[{"name":"b","notes":[null]},{},{"name":"a"}]}`,
			func(*oldThing) {}, `{"port":{"number":1,"size":1.10},"parts":[{"name":"b","notes":[null]},{},{"name":"a"}]}`},
		{"Beside", "what is carried stands beside the edit", `{"port":{"number":1,"size":3}}`,
			func(o *oldThing) { o.Port = 2 }, `{"port":{"number":2,"size":3}}`},
		{"Removed", "what is carried goes with what it belongs to", `{"port":{"number":1,"size":3}}`,
			func(o *oldThing) { o.Port = 0 }, `{}`},
		{"Entries", "entries are told apart by their key", `{"parts":[{"name":"a","notes":1},{"name":"b","notes":2},{"name":"b","notes":3}]}`,
			func(o *oldThing) { o.Names = []string{"b", "c", "b"} }, `{"parts":[{"name":"b","notes":2},{"name":"c"},{"name":"b","notes":3}]}`},
		{"Unseen", "an entry that is not shown stays", `{"parts":[{"notes":1},{"name":"a"}]}`,
			func(o *oldThing) { o.Names = nil }, `{"parts":[{"notes":1}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			stored := &newThing{}
			read(t, c.stored, stored)
			view, text, err := convert(t, stored, nil, newSide, oldSide)
			if err != nil {
				t.Fatal(err)
			}
			c.edit(view)
			result, rest, err := convert(t, view, text, oldSide, newSide)
			if err != nil {
				t.Fatal(err)
			}
			if rest != nil {
				t.Errorf("the new version can say all of it, and yet is given %s", *rest)
			}
			if got := written(t, result); got != c.want {
				t.Errorf("%s: got %s, not %s", c.because, got, c.want)
			}
		})
	}
}

// An object comes back in the words it was written in, whatever its types make of them.
func TestConvertKeepsTheWords(t *testing.T) {
	for _, c := range []struct{ name, because, stored, view string }{
		{"Duration", "the other version has a place for it", `{"timeout":"60s"}`, `{"timeout":"60s"}`},
		{"DurationOfItsOwn", "the other version has none", `{"pauses":{"a":"60s","b":"1m","c":"1m0s"}}`, `{}`},
		{"TwoWaysToSayIt", "that at the same place is shown", `{"rest":{"timeout":"1m"},"timeout":"60s"}`, `{"timeout":"60s"}`},
		{"Quantity", "1000m is 1", `{"rest":{"share":"1000m"}}`, `{}`},
		{"NumberForAQuantity", "which may be text too", `{"rest":{"share":0.50}}`, `{}`},
		{"EmptyList", "it is not the same as none", `{"parts":[]}`, `{}`},
		{"EmptyMap", "it is not the same as none", `{"pauses":{}}`, `{}`},
		{"EmptyObject", "it is not the same as none", `{"rest":{}}`, `{}`},
		{"Nulls", "they are not the same as nothing", `{"parts":null,"pauses":null,"port":null,"rest":null,"timeout":null}`, `{}`},
		{"NullEntries", "an entry may be null", `{"parts":[null,{"name":"a"},null]}`, `{"names":["a"]}`},
		{"Unknown", "a field may be newer than the types", `{"new":[1,{"newer":null}],"parts":[{"name":"a","new":true}],"port":{"new":1.0}}`, `{"names":["a"]}`},
		{"Zero", "a zero that is written stays", `{"port":{"number":0},"parts":[{"name":""}]}`, `{}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			stored := treeOf(t, c.stored)
			view, text, err := carry.Convert(stored, nil, newSide, oldSide)
			if err != nil {
				t.Fatal(err)
			}
			if difference := cmp.Diff(treeOf(t, c.view), view); difference != "" {
				t.Errorf("%s: the view (-want +got):\n%s", c.because, difference)
			}
			result, rest, err := carry.Convert(treeOf(t, written(t, view)), text, oldSide, newSide)
			if err != nil || rest != nil {
				t.Fatal(rest, err)
			}
			if difference := cmp.Diff(stored, result); difference != "" {
				t.Errorf("%s (-want +got):\n%s", c.because, difference)
			}

			edited := view.(map[string]any)
			edited["names"] = []any{"new"}
			result, _, err = carry.Convert(edited, text, oldSide, newSide)
			if err != nil {
				t.Fatal(err)
			}
			for field, was := range stored.(map[string]any) {
				if field == "parts" {
					continue
				}
				if difference := cmp.Diff(was, result.(map[string]any)[field]); difference != "" {
					t.Errorf("%s, and an edit elsewhere does not change it (-want +got):\n%s", field, difference)
				}
			}
		})
	}
}

// A text that is not of this package belongs to the user, and goes there and back.
func TestConvertKeepsWhatItDidNotWrite(t *testing.T) {
	for _, text := range []string{"", "mine", "{}", `{"version":"new"}`, `{"version":"newer","changes":[{"path":"/port"}]}`} {
		view, carried, err := convert(t, &newThing{Port: &port{Size: json.RawMessage(`"large"`)}}, &text, newSide, oldSide)
		if err != nil {
			t.Fatal(err)
		}
		back, again, err := convert(t, view, carried, oldSide, newSide)
		if err != nil {
			t.Fatal(err)
		}
		if again == nil || *again != text || written(t, back) != `{"port":{"size":"large"}}` {
			t.Errorf("%q came back as %v beside %s", text, again, written(t, back))
		}
	}
}

// Whatever a text holds, an object can be converted, and says what it said.
func FuzzConvertAnyText(f *testing.F) {
	f.Add(`{"port":1,"names":["a"],"colour":"red"}`, `{"version":"new","changes":[{"path":"/port/size","now":1}]}`)
	f.Add(`{"names":["a","a"]}`, `{"version":"new","of":"0","changes":[{"path":"/parts/entries/a","was":"0"},{"path":"/parts/order","now":null}]}`)
	f.Add(`{}`, `gzip:H4sIAAAAAAAA/w==`)
	f.Fuzz(func(t *testing.T, object, text string) {
		thing := &oldThing{}
		if json.Unmarshal([]byte(object), thing) != nil {
			return
		}
		result, rest, err := convert(t, thing, &text, oldSide, newSide)
		if err != nil {
			return
		}
		back, _, err := convert(t, result, rest, newSide, oldSide)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := written(t, back), written(t, thing); got != want {
			t.Errorf("%s came back as %s", want, got)
		}
	})
}

// convert converts objects in place of trees.
func convert[A, B any](t *testing.T, from *A, text *string, here carry.Side[A, B], there carry.Side[B, A]) (*B, *string, error) {
	t.Helper()
	tree, rest, err := carry.Convert(treeOf(t, written(t, from)), text, here, there)
	if err != nil {
		return nil, nil, err
	}
	result := new(B)
	read(t, written(t, tree), result)
	return result, rest, nil
}

func treeOf(t *testing.T, text string) (tree any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

func read(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

func written(t *testing.T, object any) string {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
