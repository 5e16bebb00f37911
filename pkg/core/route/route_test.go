// SPDX-License-Identifier: Apache-2.0

package route_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openfunction/openfunction/pkg/core/route"
)

var canary = route.Route{Backends: []route.Backend{
	{Address: "fn--knative.shop.svc.cluster.local:80", Host: "fn--knative.shop.svc.cluster.local", Weight: 90},
	{Address: "interceptor.keda.svc.cluster.local:8080", Host: "fn--canary.shop.svc.cluster.local", Weight: 10},
}}

const canaryText = `{"backends":[` +
	`{"address":"fn--knative.shop.svc.cluster.local:80","host":"fn--knative.shop.svc.cluster.local","weight":90},` +
	`{"address":"interceptor.keda.svc.cluster.local:8080","host":"fn--canary.shop.svc.cluster.local","weight":10}]}`

func TestTheTextOfARouteStaysAsItIs(t *testing.T) {
	for text, r := range map[string]route.Route{canaryText: canary, `{"backends":[]}`: {}} {
		if d := cmp.Diff(text, r.String()); d != "" {
			t.Error(d)
		}
	}
}

func TestARouteIsReadAsItWasWritten(t *testing.T) {
	got, err := route.Parse(canaryText)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(canary, got); d != "" {
		t.Error(d)
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	backend := func(address, host string, weight int) string {
		return fmt.Sprintf(`{"backends":[{"address":%q,"host":%q,"weight":%d}]}`, address, host, weight)
	}
	long := strings.Repeat("a", 64)
	for name, c := range map[string]struct{ text, want string }{
		"Good":           {backend("a.b.svc:80", "a.b.svc", 1), ""},
		"Zero":           {backend("a.b.svc:80", "a.b.svc", 0), ""},
		"None":           {`{"backends":[]}`, ""},
		"Newer":          {`{"backends":[],"timeout":"1s"}`, ""},
		"IPAddresses":    {backend("[fd00::1]:80", "10.0.0.1:80", 1), ""},
		"HostWithPort":   {backend("a.b.svc:80", "a.b.svc:8080", 1), ""},
		"Empty":          {"", "the route is empty"},
		"NoJSON":         {"a.b.svc:80", "reading the route"},
		"WrongType":      {`{"backends":{}}`, "reading the route"},
		"NoPort":         {backend("a.b.svc", "a.b.svc", 1), "is not HOST:PORT"},
		"PortTooLarge":   {backend("a.b.svc:65536", "a.b.svc", 1), "is not HOST:PORT"},
		"PortZero":       {backend("a.b.svc:0", "a.b.svc", 1), "is not HOST:PORT"},
		"PortName":       {backend("a.b.svc:http", "a.b.svc", 1), "is not HOST:PORT"},
		"NoAddress":      {backend("", "a.b.svc", 1), "backends[0]"},
		"NoHost":         {backend("a.b.svc:80", "", 1), "is not a name"},
		"HostWithSpace":  {backend("a.b.svc:80", "a b", 1), "is not a name"},
		"HostWithBreak":  {backend("a.b.svc:80", "a\r\nX: y", 1), "is not a name"},
		"EmptyLabel":     {backend("a.b.svc:80", "a..b", 1), "is not a name"},
		"LongLabel":      {backend("a.b.svc:80", long, 1), "is not a name"},
		"Negative":       {backend("a.b.svc:80", "a.b.svc", -1), "is not between"},
		"TooHeavy":       {backend("a.b.svc:80", "a.b.svc", 1_000_001), "is not between"},
		"WeightTooLarge": {backend("a.b.svc:80", "a.b.svc", 1<<33), "reading the route"},
		"TooMany":        {`{"backends":[{}` + strings.Repeat(",{}", route.MaxBackends) + "]}", "at most 16"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := route.Parse(c.text)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, not %q", err, c.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(canaryText)
	f.Add(`{"backends":[]}`)
	f.Add(`{"backends":[{"address":"[::1]:80","host":"a_b.c.","weight":0}]}`)
	f.Add(`{"backends":[{"address":"a:1","host":"a\n","weight":1}],"more":null}`)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := route.Parse(text)
		if err != nil {
			return
		}
		again, err := route.Parse(r.String())
		if err != nil {
			t.Fatalf("%q was read, and what it was written as, %q, was not: %v", text, r, err)
		}
		if again.String() != r.String() {
			t.Errorf("%q became %q", r, again)
		}
		for _, b := range r.Backends {
			if strings.ContainsAny(b.Host+b.Address, " \t\r\n/@?#") {
				t.Errorf("%q has a backend that is no name", text)
			}
		}
	})
}
