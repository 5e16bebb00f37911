// SPDX-License-Identifier: Apache-2.0

package carry_test

import (
	"encoding/json"
	"testing"

	"github.com/openfunction/openfunction/apis/internal/carry"
)

// oldThing and newThing are two versions of a thing: only the old one has a Colour, only the new one has Parts without a name and a Size.
type (
	oldThing struct {
		Port   int      `json:"port,omitempty"`
		Names  []string `json:"names,omitempty"`
		Colour string   `json:"colour,omitempty"`
	}
	newThing struct {
		Port  *port  `json:"port,omitempty"`
		Parts []part `json:"parts,omitempty"`
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
		n := &newThing{}
		if o.Port != 0 {
			n.Port = &port{Number: o.Port}
		}
		for _, name := range o.Names {
			n.Parts = append(n.Parts, part{Name: name})
		}
		return n
	}}
	newSide = carry.Side[newThing, oldThing]{Version: "new", Translate: func(n *newThing) *oldThing {
		o := &oldThing{}
		if n.Port != nil {
			o.Port = n.Port.Number
		}
		for _, p := range n.Parts {
			if p.Name != "" {
				o.Names = append(o.Names, p.Name)
			}
		}
		return o
	}, Lists: []carry.List{{Path: []string{"parts"}, Key: func(entry map[string]any) string { name, _ := entry["name"].(string); return name }}}}
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
			view, text, err := carry.Convert(stored, nil, newSide, oldSide)
			if err != nil {
				t.Fatal(err)
			}
			c.edit(view)
			result, rest, err := carry.Convert(view, text, oldSide, newSide)
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

// A text that is not of this package belongs to the user, and goes there and back.
func TestConvertKeepsWhatItDidNotWrite(t *testing.T) {
	for _, text := range []string{"", "mine", "{}", `{"version":"new"}`, `{"version":"newer","changes":[{"path":"/port"}]}`} {
		view, carried, err := carry.Convert(&newThing{Port: &port{Size: json.RawMessage(`"large"`)}}, &text, newSide, oldSide)
		if err != nil {
			t.Fatal(err)
		}
		back, again, err := carry.Convert(view, carried, oldSide, newSide)
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
		result, rest, err := carry.Convert(thing, &text, oldSide, newSide)
		if err != nil {
			return
		}
		back, _, err := carry.Convert(result, rest, newSide, oldSide)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := written(t, back), written(t, thing); got != want {
			t.Errorf("%s came back as %s", want, got)
		}
	})
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
