// SPDX-License-Identifier: Apache-2.0

package router

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openfunction/openfunction/pkg/core/route"
)

func TestAHostNamesAFunctionInAllItsForms(t *testing.T) {
	fn := key{"shop", "fn"}
	for host, want := range map[string]key{
		"fn.shop":                          fn,
		"fn.shop:80":                       fn,
		"fn.shop.svc":                      fn,
		"fn.shop.svc:8080":                 fn,
		"fn.shop.svc.cluster.local":        fn,
		"fn.shop.svc.cluster.local:80":     fn,
		"fn.shop.svc.cluster.local.":       fn,
		"fn.shop.svc.cluster.local.:80":    fn,
		"FN.Shop.SVC.Cluster.Local":        fn,
		"fn.svc.svc":                       {"svc", "fn"},
		"fn.svc.svc.cluster.local":         {"svc", "fn"},
		"a-1.b-2":                          {"b-2", "a-1"},
		"":                                 {},
		"fn":                               {},
		"fn.":                              {},
		".shop":                            {},
		"fn..shop":                         {},
		"fn.shop..":                        {},
		"fn.shop.svc.other.domain":         {},
		"pod.fn.shop.svc.cluster.local":    {},
		"svc.cluster.local":                {},
		"10.0.0.1":                         {},
		"10.0.0.1:80":                      {},
		"[::1]":                            {},
		"[::1]:80":                         {},
		"f n.shop":                         {},
		"fn/.shop":                         {},
		"-fn.shop":                         {},
		"fn_.shop":                         {},
		"fn.shop.svc.cluster.local.svc":    {},
		strings.Repeat("a", 64) + ".shop":  {},
		"fn.shop.example.com":              {},
		"fn.shop.svc.cluster.local.x:80:8": {},
	} {
		if got, ok := parseHost(host, ".svc.cluster.local"); ok != (want != key{}) || ok && got != want {
			t.Errorf("%q is %v (%t), not %v", host, got, ok, want)
		}
	}
}

func FuzzHost(f *testing.F) {
	for _, host := range []string{"fn.shop", "fn.shop.svc:80", "FN.shop.svc.cluster.local.", "[::1]:80", "a..b", "\xff.b", "fn", ":", "."} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		k, ok := parseHost(host, ".svc.cluster.local")
		if !ok {
			return
		}
		for _, form := range []string{"", ".svc", ".svc.cluster.local", ".svc.cluster.local.", ".svc.cluster.local:80"} {
			name := k.name + "." + k.namespace + form
			if again, ok := parseHost(name, ".svc.cluster.local"); !ok || again != k {
				t.Errorf("%q is %v, and %q is %v", host, k, name, again)
			}
		}
		if again, ok := parseHeader(k.String()); !ok || again != k {
			t.Errorf("%q is %v, and as a header %v", host, k, again)
		}
		if strings.ContainsAny(k.String(), " .:\r\n%") {
			t.Errorf("%q is %v", host, k)
		}
	})
}

func FuzzHeader(f *testing.F) {
	for _, value := range []string{"shop/fn", "shop/", "/fn", "shop/fn/x", "Shop/fn", "shop/fn\r\n"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if k, ok := parseHeader(value); ok && k.String() != value {
			t.Errorf("%q is %v", value, k)
		}
	})
}

func TestARequestThatNamesNoFunctionIsToldSo(t *testing.T) {
	w := newWorld(t, nil)
	w.leads("fn", w.backend("a", says("hello")))
	w.leads("empty")
	header := func(values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[route.Header] = values }
	}
	for name, c := range map[string]struct {
		host   string
		change func(*http.Request)
		status int
		text   string
	}{
		"Known":           {"fn.shop", nil, 200, "hello"},
		"Unknown":         {"none.shop", nil, 404, "There is no function shop/none"},
		"OtherNamespace":  {"fn.bank", nil, 404, "kubectl -n bank get functions"},
		"NoNamespace":     {"fn", nil, 404, `The host "fn" does not name a function: call it http://<function>.<namespace>/`},
		"Long":            {strings.Repeat("a", 300), nil, 404, "does not name a function"},
		"Empty":           {"empty.shop", nil, 503, "shop/empty does not take requests yet"},
		"HeaderWins":      {"none.shop", header("shop/fn"), 200, "hello"},
		"HeaderUnknown":   {"fn.shop", header("shop/none"), 404, "There is no function shop/none"},
		"HeaderMalformed": {"fn.shop", header("fn"), 400, "is not <namespace>/<function>"},
		"HeaderEmpty":     {"fn.shop", header(""), 400, "is not <namespace>/<function>"},
		"HeaderTwice":     {"fn.shop", header("shop/fn", "shop/fn"), 400, "more than once"},
		"Loop": {"fn.shop", func(r *http.Request) {
			r.Header["X-Forwarded-For"] = []string{"::1", "::1" + strings.Repeat(", ::1", 40)}
		},
			508, "lead to itself"},
	} {
		t.Run(name, func(t *testing.T) {
			req := w.request(http.MethodGet, c.host, "/", nil)
			if c.change != nil {
				c.change(req)
			}
			res, err := w.one.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			text := make([]byte, 1000)
			n, _ := res.Body.Read(text)
			w.expect(res.StatusCode, string(text[:n]), c.status, c.text)
			if (res.Header.Get("Retry-After") != "") != (c.status == 503) {
				t.Errorf("Retry-After is %q", res.Header.Get("Retry-After"))
			}
		})
	}
}

func TestARequestWaitsForItsFunction(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.UnknownWait = 10 * time.Second })
	b := w.backend("a", says("hello"))
	b.Weight = 0
	var group sync.WaitGroup
	for _, host := range []string{"fn.shop", "fn.shop", "empty.shop"} {
		group.Go(func() {
			status, text := w.get(host)
			w.expect(status, text, 200, "hello")
		})
	}
	w.leads("empty", b)
	for waiting := int64(0); waiting < 3; {
		_, waiting = w.table.sizes()
	}
	b.Weight = 1
	w.leads("fn", b)
	w.leads("empty", b)
	group.Wait()
	if _, waiting := w.table.sizes(); waiting != 0 || len(w.table.waiters) != 0 {
		t.Errorf("%d still wait, %d are waited for", waiting, len(w.table.waiters))
	}
}

func TestTheWaitEnds(t *testing.T) {
	const wait = 300 * time.Millisecond
	w := newWorld(t, func(c *Config) { c.UnknownWait, c.MaxWaiting = wait, 1 })
	start := time.Now()
	var group sync.WaitGroup
	group.Go(func() {
		status, text := w.get("none.shop")
		w.expect(status, text, 404, "There is no function")
	})
	for waiting := int64(0); waiting < 1; {
		_, waiting = w.table.sizes()
	}
	status, text := w.get("other.shop") // one may wait
	w.expect(status, text, 404, "There is no function")
	if took := time.Since(start); took > wait {
		t.Errorf("the second request waited too, for %s", took)
	}
	group.Wait()
	if took := time.Since(start); took < wait {
		t.Errorf("the first request waited for %s only", took)
	}
	if len(w.table.waiters) != 0 {
		t.Errorf("%d are still waited for", len(w.table.waiters))
	}
}
