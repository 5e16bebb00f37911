// SPDX-License-Identifier: Apache-2.0

package router

import (
	"net"
	"net/http"
	"net/http/httputil"
	"strings"

	"github.com/openfunction/openfunction/pkg/core/route"
)

// rewrite completes the request that the function sees. Everything else in it is as the client wrote it.
func (v *visit) rewrite(r *httputil.ProxyRequest) {
	in, out := r.In.Header, r.Out.Header
	r.Out.URL.RawQuery = r.In.URL.RawQuery
	r.Out.Trailer = r.In.Trailer // not a copy: the values come after the body
	delete(out, route.Header)
	if strings.Contains(strings.ToLower(out.Get("Upgrade")), "h2c") { // in such a tunnel anybody could be asked
		for _, name := range []string{"Connection", "Upgrade", "Http2-Settings"} {
			delete(out, name)
		}
	}
	keep(in, out, "Forwarded", "")
	keep(in, out, "X-Forwarded-Host", r.In.Host)
	keep(in, out, "X-Forwarded-Proto", "http")
	if client, _, err := net.SplitHostPort(r.In.RemoteAddr); err == nil {
		if before := in["X-Forwarded-For"]; len(before) > 0 {
			client = strings.Join(before, ", ") + ", " + client
		}
		out["X-Forwarded-For"] = []string{client}
	}
}

// keep hands on a header that the ReverseProxy takes away, or another value where there is none.
func keep(in, out http.Header, name, otherwise string) {
	if values := in[name]; len(values) > 0 {
		out[name] = values
	} else if otherwise != "" {
		out[name] = []string{otherwise}
	}
}
