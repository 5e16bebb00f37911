// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"time"
)

// The connections to backends that are kept while no request uses them.
const (
	idleConnections        = 8192
	idleConnectionsPerHost = 2048
	idleFor                = time.Minute // engines keep them longer, so that it is this end that closes them
)

// The waits between two tries to connect.
const (
	firstPause = 10 * time.Millisecond
	lastPause  = 500 * time.Millisecond
)

// What HTTP/2 lets the other end send before anybody reads it.
const (
	streamBuffer     = 256 << 10
	connectionBuffer = 2 << 20
)

const maxHeaderBytes = 1 << 20

// errAway is why a request was not sent at all.
var errAway = errors.New("no connection could be made")

// transports are the ways to a backend. HTTP/2 is spoken where it was spoken to the router: there is no knowing who else understands it.
type transports struct {
	http1, http2 http.RoundTripper
	fresh        http.RoundTripper // HTTP/1.1 on a connection for one request alone
}

func newTransports(c Config, dial func(ctx context.Context, network, address string) (net.Conn, error)) transports {
	transport := func(protocols *http.Protocols) *http.Transport {
		return &http.Transport{
			DialContext:            dial,
			Protocols:              protocols,
			DisableCompression:     true,
			MaxIdleConns:           idleConnections,
			MaxIdleConnsPerHost:    idleConnectionsPerHost,
			IdleConnTimeout:        idleFor,
			ResponseHeaderTimeout:  c.ResponseHeaderTimeout,
			ExpectContinueTimeout:  time.Second,
			MaxResponseHeaderBytes: maxHeaderBytes,
			HTTP2: &http.HTTP2Config{
				MaxReceiveBufferPerStream: streamBuffer, MaxReceiveBufferPerConnection: connectionBuffer,
				SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second,
			},
		}
	}
	one, two := &http.Protocols{}, &http.Protocols{}
	one.SetHTTP1(true)
	two.SetUnencryptedHTTP2(true)
	fresh := transport(one)
	fresh.MaxIdleConnsPerHost = -1 // none is kept, and so none is found
	return transports{http1: transport(one), http2: transport(two), fresh: fresh}
}

// RoundTrip hands the request to a backend of the function, chosen anew for each try: the route may have changed in the meantime. Another
// try follows while not a byte of the request was written, and once where a request that may be repeated met a kept connection that was
// about to end.
func (v *visit) RoundTrip(req *http.Request) (*http.Response, error) {
	transport := v.router.transports.http1
	repeatable := false
	if v.in.ProtoMajor == 2 {
		transport = v.router.transports.http2
	} else {
		repeatable = isRepeatable(req)
		neverTwice(req)
	}
	req = v.observed(req)
	end := time.Now().Add(v.router.config.ConnectPatience)
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		v.aim(req)
		res, err := transport.RoundTrip(req)
		switch {
		case err == nil || v.in.Context().Err() != nil:
			return res, err
		case v.unsent():
		case repeatable && v.metTheEnd():
			repeatable, transport = false, v.router.transports.fresh
			v.forget()
			v.router.metrics.repeats.Inc()
			continue
		default:
			return nil, err
		}
		if errors.Is(err, errForbidden) || time.Until(end) < pause || !sleep(req.Context(), pause) {
			if v.repeated {
				return nil, err
			}
			return nil, fmt.Errorf("%w: %w", errAway, err)
		}
		v.router.metrics.retries.Inc()
	}
}

// aim points the request at a backend.
func (v *visit) aim(req *http.Request) {
	if now := v.router.table.get(v.key); now.takesRequests() {
		v.function = now
	}
	backend := v.function.pick()
	req.URL.Scheme, req.URL.Host, req.Host = "http", backend.Address, backend.Host
}

// observed lets the visit see which connection the request gets, and whether its body is read.
func (v *visit) observed(req *http.Request) *http.Request {
	if req.Body != nil {
		v.body.ReadCloser = req.Body
		req.Body = &v.body
	}
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil && trace.GotConn == nil {
		trace.GotConn = v.gotConn // the ReverseProxy made it for this request alone
		return req
	}
	return req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{GotConn: v.gotConn}))
}

func (v *visit) gotConn(info httptrace.GotConnInfo) {
	c, ok := info.Conn.(*conn)
	if !ok || v.in.ProtoMajor == 2 || v.conn != nil && !v.unsent() {
		v.sent = true // as far as can be known
		return
	}
	v.conn, v.before, v.heard, v.kept = c, c.written.Load(), c.read.Load(), info.Reused
}

// unsent tells that nothing of the request was written to any connection.
func (v *visit) unsent() bool {
	return !v.sent && !v.body.read.Load() && (v.conn == nil || v.conn.written.Load() == v.before)
}

// isRepeatable tells whether a proxy may send a request again that the function may have seen (RFC 9110, 9.2.2), and still can.
func isRepeatable(req *http.Request) bool {
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return req.Body == nil
	}
	return false
}

// metTheEnd tells whether the request went out on a connection that was kept, and that the other end broke without a byte of an answer: most
// likely it had been idle for too long, and the request and its end crossed.
func (v *visit) metTheEnd() bool {
	return !v.sent && v.conn != nil && v.kept && v.conn.broken.Load() && v.conn.read.Load() == v.heard
}

// forget makes the next try the first one, as far as what was written is concerned.
func (v *visit) forget() {
	v.repeated, v.conn, v.sent = true, nil, false
	v.body.read.Store(false)
}

// neverTwice keeps http.Transport from repeating a request whose connection broke: it would do so with a GET, or one that has an
// Idempotency-Key, if it had no body, and for as long as it finds kept connections. One request that makes a function fall over would bring
// down one replica after the other; RoundTrip repeats it once.
func neverTwice(req *http.Request) {
	if req.Body != nil {
		return
	}
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		// A body of an unknown length that is not sent in chunks: not a byte of it shows.
		req.Body, req.TransferEncoding = nothing{}, []string{"identity"}
	default:
		for given, unrecognized := range map[string]string{"Idempotency-Key": "idempotency-key", "X-Idempotency-Key": "x-idempotency-key"} {
			if values, ok := req.Header[given]; ok {
				delete(req.Header, given)
				req.Header[unrecognized] = values
			}
		}
	}
}

// nothing is a body without a byte.
type nothing struct{}

// Read returns io.EOF.
func (nothing) Read([]byte) (int, error) { return 0, io.EOF }

// Close returns nil.
func (nothing) Close() error { return nil }

// sleep waits, and tells whether it could.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
