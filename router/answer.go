// SPDX-License-Identifier: Apache-2.0

package router

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
)

// refusalStatus is the status of the router's own answers.
var refusalStatus = [refusals]int{
	refusedUnknown:  http.StatusNotFound,
	refusedEmpty:    http.StatusServiceUnavailable,
	refusedBad:      http.StatusBadRequest,
	refusedFull:     http.StatusServiceUnavailable,
	refusedFunction: http.StatusServiceUnavailable,
	refusedLoop:     http.StatusLoopDetected,
}

// refuse answers a request without its function.
func (r *Router) refuse(w http.ResponseWriter, why refusal, text string) {
	r.metrics.refused[why].Inc()
	answer(w, refusalStatus[why], text)
}

// answered notes the function's answer.
func (v *visit) answered(res *http.Response) error {
	v.result = result(min(max(res.StatusCode/100, 1), 5) - 1)
	v.closeUnlessRead()
	return nil
}

// closeUnlessRead tells a client that is answered while it sends its body that the connection ends with this: net/http will not read what may
// be left of the body, and a client that is not warned takes the end of the connection for a failure.
func (v *visit) closeUnlessRead() {
	if v.mayTalkOver() && !v.body.ended.Load() {
		v.writer.Header().Set("Connection", "close")
	}
}

// failed answers a request that has no answer of its function.
func (v *visit) failed(w http.ResponseWriter, _ *http.Request, err error) {
	v.result = resultBroken
	status, text := http.StatusBadGateway, "broke the connection off before it answered; whether it did what was asked is not known"
	var timeout net.Error
	switch {
	case v.in.Context().Err() != nil: // nobody reads it
	case errors.Is(err, errAway):
		v.result = resultAway
		status, text = http.StatusServiceUnavailable, fmt.Sprintf("could not be reached for %s; nothing was sent to it", v.router.config.ConnectPatience)
	case v.body.broken.Load():
		status, text = http.StatusBadRequest, "did not get the request, whose body cannot be read to its end"
	case errors.As(err, &timeout) && timeout.Timeout():
		status, text = http.StatusGatewayTimeout, fmt.Sprintf("did not begin to answer for %s", v.router.config.ResponseHeaderTimeout)
	}
	v.closeUnlessRead()
	v.router.log.V(1).Info("No answer", "function", v.key.String(), "status", status, "error", err.Error())
	answer(w, status, fmt.Sprintf("The function %s %s", v.key, text))
}

// answer writes the router's own words.
func answer(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(text)+1))
	h.Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") //nolint:gosec // it is plain text, and said not to be anything else
}

// bufferSize is how much of an answer is copied at a time.
const bufferSize = 32 << 10

// buffers are what answers are copied through.
type buffers struct{ pool sync.Pool }

// Get returns a buffer.
func (b *buffers) Get() []byte {
	if array, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return array[:]
	}
	return make([]byte, bufferSize)
}

// Put takes a buffer back.
func (b *buffers) Put(buffer []byte) { b.pool.Put((*[bufferSize]byte)(buffer)) }
