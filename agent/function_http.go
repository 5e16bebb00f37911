// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// httpFunction is the connections to a replica that speaks HTTP/1.1.
type httpFunction struct {
	address, authority string
	calls              *http.Transport
}

// httpRequest is a call to a function that speaks HTTP.
type httpRequest struct {
	method string
	url    url.URL // path and query
	header http.Header
	body   []byte
}

// httpAnswer is all that a function said.
type httpAnswer struct {
	status int
	header http.Header
	body   []byte
}

func newHTTPFunction(address, authority string) *httpFunction {
	return &httpFunction{address: address, authority: authority, calls: &http.Transport{
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return dialer.dial(ctx, address) },
		DisableCompression:  true,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     30 * time.Second,
		ReadBufferSize:      2 << 10,
		WriteBufferSize:     2 << 10,
	}}
}

// roundTrip sends the request once. The answer's body is the caller's to close.
func (f *httpFunction) roundTrip(ctx context.Context, r *httpRequest, token string) (*http.Response, outcome, error) {
	target := r.url
	target.Scheme, target.Host = "http", f.address
	out := (&http.Request{Method: r.method, URL: &target, Host: f.authority, Header: r.header.Clone(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(r.body))}).WithContext(ctx)
	if len(r.body) > 0 {
		out.Body = io.NopCloser(bytes.NewReader(r.body))
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(r.body)), nil }
	}
	out.Header.Set(tokenHeader, token)
	answer, err := f.calls.RoundTrip(out)
	if dialing := (*net.OpError)(nil); errors.As(err, &dialing) && dialing.Op == "dial" {
		return nil, notSent, err
	} else if err != nil {
		return nil, broken, err
	}
	return answer, answered, nil
}

// event sends an event and reads all of the answer.
func (f *httpFunction) event(ctx context.Context, r *httpRequest, token string, reads gate, limit int64) (httpAnswer, outcome) {
	answer, o, err := f.roundTrip(ctx, r, token)
	if err != nil {
		return httpAnswer{}, o
	}
	defer answer.Body.Close()
	body, err := readBody(answer.Body, answer.ContentLength, reads, limit)
	switch {
	case errors.Is(err, errTooLarge): // the function did its work, but what it says cannot be passed on
		return httpAnswer{status: http.StatusBadGateway, body: []byte("the function's answer is too large\n")}, answered
	case err != nil:
		return httpAnswer{}, broken
	case refusesToken(answer.StatusCode, body):
		return httpAnswer{}, tokenRefused
	}
	return httpAnswer{status: answer.StatusCode, header: answer.Header, body: body}, answered
}

// refusesToken knows what a function says about a token it does not accept. The Dapr SDK for Go says so with a status that daprd
// takes for success.
func refusesToken(code int, body []byte) bool {
	return code == http.StatusUnauthorized ||
		code == http.StatusNonAuthoritativeInfo && bytes.HasPrefix(body, []byte("authentication failed"))
}

// probe asks over a connection of its own with the request HTTP has for that purpose, which servers answer by themselves. HTTP/1.1 has
// no way to ask a connection that has a call; the kernel watches those (see dialer).
func (f *httpFunction) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*probeTimeout)
	defer cancel()
	conn, err := dialer.dial(ctx, f.address)
	if err != nil {
		f.calls.CloseIdleConnections()
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(conn, "OPTIONS * HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", f.authority); err != nil {
		return err
	}
	if n, err := conn.Read(make([]byte, 1)); n == 0 {
		f.calls.CloseIdleConnections()
		return err
	}
	return nil
}

func (f *httpFunction) close() { f.calls.CloseIdleConnections() }

var errTooLarge = errors.New("the body is larger than allowed")

// small is what may be read without a promise of its size.
const small = 64 << 10

// readBody reads at most limit bytes. Few bodies of unknown size are read at once.
func readBody(from io.Reader, length int64, reads gate, limit int64) ([]byte, error) {
	if length > limit {
		return nil, errTooLarge
	}
	if length >= 0 && length <= small {
		body := make([]byte, length)
		_, err := io.ReadFull(from, body)
		return body, err
	}
	start, err := io.ReadAll(io.LimitReader(from, min(small, limit+1)))
	if err != nil || len(start) < small {
		return within(start, err, limit)
	}
	reads.enter()
	defer reads.leave()
	rest, err := io.ReadAll(io.LimitReader(from, limit+1-int64(len(start))))
	return within(append(start, rest...), err, limit)
}

func within(body []byte, err error, limit int64) ([]byte, error) {
	if err == nil && int64(len(body)) > limit {
		return nil, errTooLarge
	}
	return body, err
}
