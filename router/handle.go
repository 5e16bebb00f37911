// SPDX-License-Identifier: Apache-2.0

package router

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"strings"
	"time"

	"github.com/openfunction/openfunction/pkg/core/route"
)

// maxHops is how many proxies a request may have come through: more means that a function's address leads to itself.
const maxHops = 32

// visit is one request on its way.
type visit struct {
	router   *Router
	in       *http.Request
	writer   http.ResponseWriter
	key      key
	function *function
	proxy    httputil.ReverseProxy

	body     body
	conn     *conn // the last one it got, and what had been written to it and read from it before
	before   int64
	heard    int64
	kept     bool // that one had served other requests
	sent     bool
	repeated bool
	result   result
}

// ServeHTTP hands a request to its function.
func (r *Router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	start := time.Now()
	if r.draining.Load() && req.Header.Get("Upgrade") == "" {
		w.Header().Set("Connection", "close") // the client's next request finds another replica
	}
	defer r.inFlight.Add(-1)
	if r.inFlight.Add(1) > int64(r.config.MaxRequests) {
		r.refuse(w, refusedFull, "The router has too many requests under way")
		return
	}
	k, f := r.find(w, req)
	if f == nil {
		return
	}
	usage := f.usage
	defer usage.inFlight.Add(-1)
	if usage.inFlight.Add(1) > int64(r.config.MaxRequestsPerFunction) {
		r.refuse(w, refusedFunction, fmt.Sprintf("The router has too many requests for %s under way", k))
		return
	}
	v := &visit{router: r, in: req, writer: w, key: k, function: f, result: resultBroken}
	v.proxy = httputil.ReverseProxy{Rewrite: v.rewrite, Transport: v, ModifyResponse: v.answered, ErrorHandler: v.failed,
		BufferPool: &r.buffers, ErrorLog: r.proxyLog}
	if v.mayTalkOver() {
		_ = http.NewResponseController(w).EnableFullDuplex() // net/http's own writer can
		v.body.turn = make(chan struct{}, 1)
	}
	whole := false
	defer func() { v.end(start, whole) }() // a broken answer ends in a panic
	v.proxy.ServeHTTP(w, req)
	if v.mayTalkOver() && !v.body.ended.Load() {
		v.endEarly()
	}
	whole = true
}

// endEarly lets go of a client that is answered before it has sent everything.
func (v *visit) endEarly() {
	if v.writer.Header().Get("Content-Length") == "" {
		v.body.end(lastOfChunk) // the last chunk is written after this
		return
	}
	_ = http.NewResponseController(v.writer).Flush() // a client that is gone needs no answer
	v.body.end(lastRead)
}

// mayTalkOver tells whether the client's body and the function's answer may cross on a connection of HTTP/1.
func (v *visit) mayTalkOver() bool { return v.in.ProtoMajor == 1 && v.in.ContentLength != 0 }

// end counts the request. An answer that is not whole was cut off by one end or the other.
func (v *visit) end(start time.Time, whole bool) {
	if !whole {
		v.result = resultBroken
	}
	if v.result == resultBroken && v.in.Context().Err() != nil {
		v.result = resultGone
	}
	if !v.function.removed.Load() {
		v.router.metrics.done(v.key, v.result, start)
	}
}

// find returns the function a request is for, or answers it.
func (r *Router) find(w http.ResponseWriter, req *http.Request) (key, *function) {
	k, ok := r.keyOf(w, req)
	if !ok {
		return key{}, nil
	}
	f := r.table.get(k)
	if !f.takesRequests() {
		f = r.table.await(req.Context(), k, r.config.UnknownWait)
	}
	switch {
	case f == nil:
		r.refuse(w, refusedUnknown, fmt.Sprintf("There is no function %s that takes requests. Its name is the first part of http://<function>.<namespace>/; "+
			"kubectl -n %s get functions,servings lists those there are", k, k.namespace))
		return key{}, nil
	case !f.takesRequests():
		r.refuse(w, refusedEmpty, fmt.Sprintf("The function %s does not take requests yet; kubectl -n %s get functions,servings %s tells why",
			k, k.namespace, k.name))
		return key{}, nil
	}
	return k, f
}

// keyOf returns whom a request is for, or answers it.
func (r *Router) keyOf(w http.ResponseWriter, req *http.Request) (key, bool) {
	switch given := req.Header[route.Header]; {
	case req.Method == http.MethodConnect:
		r.refuse(w, refusedBad, "The router makes no tunnels")
	case hops(req.Header["X-Forwarded-For"]) > maxHops:
		r.refuse(w, refusedLoop, fmt.Sprintf("The request came through more than %d proxies: does the function's address lead to itself?", maxHops))
	case len(given) > 1:
		r.refuse(w, refusedBad, "The request has the header "+route.Header+" more than once")
	case len(given) == 1:
		k, ok := parseHeader(given[0])
		if !ok {
			r.refuse(w, refusedBad, "The header "+route.Header+" is not <namespace>/<function>")
		}
		return k, ok
	default:
		k, ok := parseHost(req.Host, r.suffix)
		if !ok {
			r.refuse(w, refusedUnknown, fmt.Sprintf("The host %q does not name a function: call it http://<function>.<namespace>/", shortened(req.Host)))
		}
		return k, ok
	}
	return key{}, false
}

// String is how the function is called in a text.
func (k key) String() string { return k.namespace + "/" + k.name }

// hops counts the addresses in X-Forwarded-For.
func hops(values []string) int {
	n := len(values)
	for _, value := range values {
		n += strings.Count(value, ",")
	}
	return n
}

func shortened(text string) string { return text[:min(len(text), 100)] }
