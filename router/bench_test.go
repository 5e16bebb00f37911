// SPDX-License-Identifier: Apache-2.0

package router

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
)

// answerer is a backend without a network, so that what a benchmark shows is the router's own share.
type answerer struct{}

// RoundTrip implements http.RoundTripper.
func (answerer) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Length": {"0"}}, Body: http.NoBody, Request: req}, nil
}

// BenchmarkRouter is the router around a net/http/httputil.ReverseProxy, and beside it one alone.
func BenchmarkRouter(b *testing.B) {
	w := newWorld(b, nil)
	w.leads("fn", w.listens("a", "127.0.0.1:1"))
	w.transports = transports{answerer{}, answerer{}, answerer{}}
	bare := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "127.0.0.1:1"})
	bare.Transport, bare.BufferPool = answerer{}, &w.buffers
	for name, handler := range map[string]http.Handler{"Router": w.Router, "ReverseProxy": bare} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			req := httptest.NewRequest(http.MethodGet, "http://fn.shop.svc.cluster.local/", nil)
			for b.Loop() {
				handler.ServeHTTP(&silent{header: http.Header{}}, req)
			}
		})
	}
	b.Run("FindByHost", func(b *testing.B) {
		b.ReportAllocs()
		req := httptest.NewRequest(http.MethodGet, "http://fn.shop.svc.cluster.local:80/", nil)
		for b.Loop() {
			if _, f := w.find(nil, req); f == nil {
				b.Fatal("it is not found")
			}
		}
	})
}

// silent is a ResponseWriter that keeps nothing.
type silent struct{ header http.Header }

// Header implements http.ResponseWriter.
func (s *silent) Header() http.Header { return s.header }

// WriteHeader implements http.ResponseWriter.
func (*silent) WriteHeader(int) {}

// Write implements http.ResponseWriter.
func (*silent) Write(p []byte) (int, error) { return io.Discard.Write(p) }
