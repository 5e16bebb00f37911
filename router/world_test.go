// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr/testr"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/openfunction/openfunction/pkg/core/route"
)

// world is a router on a port, and backends whose names it can look up.
type world struct {
	*Router

	t   testing.TB
	url string
	one *http.Client // HTTP/1.1
	two *http.Client // HTTP/2

	mu    sync.Mutex
	hosts map[string]string // what listens, by the address that is dialled
}

// newWorld starts one; change may be nil.
func newWorld(t testing.TB, change func(*Config)) *world {
	t.Helper()
	config, err := ParseConfig(flag.NewFlagSet("router", flag.ContinueOnError), nil)
	if err != nil {
		t.Fatal(err)
	}
	config.UnknownWait, config.ConnectPatience = 0, 0
	if change != nil {
		change(&config)
	}
	w := &world{t: t, hosts: map[string]string{}}
	log := testr.New(&testing.T{})
	w.Router = newRouter(config, log, w.dial)
	front := httptest.NewUnstartedServer(nil)
	front.Config = w.server()
	front.Start()
	t.Cleanup(front.Close)
	w.url = front.URL
	w.one, w.two = newClient(t, false), newClient(t, true)
	return w
}

// newClient returns a client that follows no redirects.
func newClient(t testing.TB, two bool) *http.Client {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(!two)
	protocols.SetUnencryptedHTTP2(two)
	transport := &http.Transport{Protocols: protocols, DisableCompression: true, MaxIdleConnsPerHost: 100}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// dial knows the backends of the world only.
func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	at := w.hosts[address]
	w.mu.Unlock()
	if at == "" {
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Name: address, IsNotFound: true}}
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, at)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

// backend starts a server and returns what leads to it.
func (w *world) backend(name string, handler http.HandlerFunc) route.Backend {
	w.t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = &http.Protocols{}
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	w.t.Cleanup(server.Close)
	return w.listens(name, server.Listener.Addr().String())
}

// listens makes a name lead to an address.
func (w *world) listens(name, at string) route.Backend {
	host := name + ".shop.svc.cluster.local"
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts[host+":80"] = at
	return route.Backend{Address: host + ":80", Host: host, Weight: 1}
}

// leads gives function shop/<name> a route.
func (w *world) leads(name string, backends ...route.Backend) {
	w.table.set(key{"shop", name}, route.Route{Backends: backends})
}

// request makes one for a host.
func (w *world) request(method, host, path string, body io.Reader) *http.Request {
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Host = host
	return req
}

// do sends a request and reads the answer.
func (w *world) do(client *http.Client, req *http.Request) (status int, text string) {
	res, err := client.Do(req)
	if err != nil {
		w.t.Error(err)
		return 0, ""
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Error(err)
	}
	return res.StatusCode, string(body)
}

// get sends a GET for a host.
func (w *world) get(host string) (int, string) {
	return w.do(w.one, w.request(http.MethodGet, host, "/", nil))
}

// count returns a counter of the requests for shop/fn.
func (w *world) count(r result) int {
	return int(testutil.ToFloat64(w.metrics.requests.WithLabelValues("shop", "fn", resultNames[r])))
}

// says answers with a text.
func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

// expect fails unless an answer is as wanted.
func (w *world) expect(status int, text string, wantStatus int, want string) {
	w.t.Helper()
	if status != wantStatus || !strings.Contains(text, want) {
		w.t.Errorf("%d %q, not %d %q", status, text, wantStatus, want)
	}
}
