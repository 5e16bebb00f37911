// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	commonv1 "github.com/dapr/dapr/pkg/proto/common/v1"
	runtimev1 "github.com/dapr/dapr/pkg/proto/runtime/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
)

// The paths of daprd's questions. Its health probe is the one request it sends without a token.
const (
	pathConfig    = "/dapr/config"
	pathSubscribe = "/dapr/subscribe"
	pathHealth    = "/healthz"
)

// newHTTPServer returns the application that a daprd with app protocol http sees.
func (a *Agent) newHTTPServer() *http.Server {
	return &http.Server{
		Handler:           http.HandlerFunc(a.serveHTTP),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    256 << 10,
	}
}

// serveHTTP answers one request of daprd.
func (a *Agent) serveHTTP(w http.ResponseWriter, r *http.Request) {
	given := r.Header.Values(tokenHeader)
	if r.URL.Path == pathHealth && r.Method == http.MethodGet && len(given) == 0 {
		if a.pending.draining.Load() {
			refuseHTTP(w, resultDraining)
		}
		return
	}
	start, k := time.Now(), a.kindOfHTTP(r)
	if len(given) != 1 || !a.tokens.accepts(given[0]) {
		a.metrics.done(k, resultToken, start)
		refuseHTTP(w, resultToken)
		return
	}
	if a.answerHTTP(w, r) {
		return
	}
	a.metrics.done(k, a.serveCall(w, r, k), start)
}

// answerHTTP answers daprd's questions, without the function.
func (a *Agent) answerHTTP(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case r.Header.Get(callerHeader) != "": // another application asks, not daprd
		return false
	case r.Method == http.MethodGet && r.URL.Path == pathSubscribe:
		w.Header().Set("Content-Type", jsonType)
		_, _ = w.Write(a.answers.subscribe) // daprd asks again
	case r.Method == http.MethodGet && r.URL.Path == pathConfig:
		w.Header().Set("Content-Type", jsonType)
		_, _ = io.WriteString(w, "{}") // daprd asks again
	case r.Method == http.MethodOptions:
		if _, bound := a.answers.names[r.URL.Path]; !bound && !a.answers.topics[r.URL.Path] {
			http.NotFound(w, r)
		}
	default:
		return false
	}
	return true
}

// kindOfHTTP says what a request is: an event of a trigger, an event of a subscription somebody declared, or an invocation.
func (a *Agent) kindOfHTTP(r *http.Request) kind {
	if r.Method != http.MethodPost || r.Header.Get(callerHeader) != "" {
		return kindInvoke
	}
	_, bound := a.answers.names[r.URL.Path]
	cloudEvent := mediaType(r.Header.Get("Content-Type")) == cloudEventType
	switch {
	case a.answers.topics[r.URL.Path] && (!bound || cloudEvent): // a binding may have a topic's name
		return kindTopic
	case bound:
		return kindBinding
	case strings.HasPrefix(r.URL.Path, "/job/"):
		return kindJob
	case cloudEvent:
		return kindTopic
	}
	return kindInvoke
}

// serveCall hands one request to the function and its answer to daprd.
func (a *Agent) serveCall(w http.ResponseWriter, r *http.Request, k kind) result {
	promised := max(r.ContentLength, 0)
	if promised > a.config.largest() {
		return a.refuseUnread(w, resultTooLarge)
	}
	size := promised + costOfCall
	if res, ok := a.pending.take(size, 1); !ok {
		return a.refuseUnread(w, res)
	}
	defer func() { a.pending.give(size, 1) }()
	body, err := readBody(r.Body, r.ContentLength, a.reads, a.config.largest())
	switch {
	case errors.Is(err, errTooLarge):
		return a.refuseUnread(w, resultTooLarge)
	case err != nil:
		return a.refuseUnread(w, resultBad)
	}
	if more := int64(len(body)) - promised; more > 0 {
		if a.pending.bytes.Add(more) > a.config.MaxPendingBytes {
			a.pending.bytes.Add(-more)
			return a.refuseUnread(w, resultFull)
		}
		size += more
	}
	if res, done := a.maybeBulk(w, r, k, body); done {
		return res
	}
	request := &httpRequest{method: r.Method, url: urlOnly(r.URL), header: forwardedHeader(r.Header), body: body}
	switch k {
	case kindTopic:
		answer, res := a.topicOfHTTP(r.Context(), request)
		return writeAnswer(w, answer, res)
	case kindBinding, kindJob:
		answer, res := a.eventOfHTTP(r.Context(), k, request)
		return writeAnswer(w, answer, res)
	default:
		return a.invokeOfHTTP(w, r.Context(), request)
	}
}

// maybeBulk takes a bulk apart when the request is one.
func (a *Agent) maybeBulk(w http.ResponseWriter, r *http.Request, k kind, body []byte) (result, bool) {
	if k != kindTopic && k != kindInvoke && !a.answers.topics[r.URL.Path] || r.Method != http.MethodPost || r.Header.Get(callerHeader) != "" ||
		mediaType(r.Header.Get("Content-Type")) != jsonType {
		return 0, false
	}
	bulk, err := parseBulk(body)
	switch {
	case err != nil:
		refuseHTTP(w, resultBad)
		return resultBad, true
	case bulk == nil:
		return 0, false
	}
	more := int64(max(len(bulk.Entries), 1) - 1) // the first is counted
	a.pending.calls.Add(more)
	defer a.pending.calls.Add(-more)
	return a.serveBulkHTTP(w, r, bulk), true
}

// refuseUnread refuses a request whose body was not read to its end.
func (a *Agent) refuseUnread(w http.ResponseWriter, r result) result {
	w.Header().Set("Connection", "close")
	refuseHTTP(w, r)
	return r
}

func urlOnly(u *url.URL) url.URL {
	return url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}
}

// writeAnswer tells daprd what the function said, or why it said nothing.
func writeAnswer(w http.ResponseWriter, a httpAnswer, r result) result {
	if a.status == 0 {
		refuseHTTP(w, r)
		return r
	}
	maps.Copy(w.Header(), forwardedHeader(a.header))
	w.WriteHeader(a.status)
	if _, err := w.Write(a.body); err != nil {
		return resultGone
	}
	return r
}

// sendHTTP calls a function that speaks HTTP. Without an error the function answered, well or badly.
func (a *Agent) sendHTTP(ctx context.Context, k kind, request *httpRequest) (httpAnswer, error) {
	var answer httpAnswer
	err := a.forward.deliver(ctx, call{repeatable: k != kindInvoke, send: func(ctx context.Context, r *replica, token string) outcome {
		var o outcome
		answer, o = r.to.(*httpFunction).event(ctx, request, token, a.reads, a.config.largest())
		return o
	}})
	return answer, err
}

// eventOfHTTP hands a binding's event or a job to the function, whatever it speaks. Without an answer its status is 0.
func (a *Agent) eventOfHTTP(ctx context.Context, k kind, request *httpRequest) (httpAnswer, result) {
	if a.config.FunctionProtocol == HTTP {
		answer, err := a.sendHTTP(ctx, k, request)
		switch {
		case err != nil:
			return httpAnswer{}, resultOf(err)
		case answer.status < 200 || answer.status > 299:
			return answer, resultError
		}
		return answer, resultSuccess
	}
	md := metadataOf(request.header)
	var said, err error
	var body []byte
	if k == kindJob {
		job := &runtimev1.JobEventRequest{}
		job.Name = strings.TrimPrefix(request.url.Path, "/job/")
		job.Method = strings.TrimPrefix(request.url.Path, "/")
		job.ContentType, job.HttpExtension = request.header.Get("Content-Type"), &commonv1.HTTPExtension{Verb: commonv1.HTTPExtension_POST}
		job.Data = anyOf(request)
		said, err = a.sendGRPC(ctx, k, methodJob, md, job, &runtimev1.JobEventResponse{})
	} else {
		out := &runtimev1.BindingEventResponse{}
		said, err = a.sendGRPC(ctx, k, methodBinding, md, bindingFromHTTP(a.answers.names[request.url.Path], request), out)
		body = out.GetData()
	}
	switch {
	case err != nil:
		return httpAnswer{}, resultOf(err)
	case said != nil:
		return answerOf(said), resultError
	}
	return httpAnswer{status: http.StatusOK, body: body}, resultSuccess
}

// answerOf tells a gRPC error of the function in HTTP.
func answerOf(said error) httpAnswer {
	return httpAnswer{status: httpOfCode(status.Code(said)), body: []byte(status.Convert(said).Message() + "\n")}
}

// topicOfHTTP hands a topic event to the function, whatever it speaks. Without an answer its status is 0.
func (a *Agent) topicOfHTTP(ctx context.Context, request *httpRequest) (httpAnswer, result) {
	if a.config.FunctionProtocol == HTTP {
		answer, err := a.sendHTTP(ctx, kindTopic, request)
		if err != nil {
			return httpAnswer{}, resultOf(err)
		}
		s, ok := topicStatus(answer)
		switch {
		case answer.status == http.StatusNotFound: // see refusals
			return httpAnswer{}, resultError
		case !ok:
			return answer, resultError
		}
		return answer, resultOfTopic(s)
	}
	e, err := topicFromHTTP(request.url.Path, request.body)
	if err != nil {
		return httpAnswer{}, resultBad
	}
	out := &runtimev1.TopicEventResponse{}
	said, err := a.sendGRPC(ctx, kindTopic, methodTopic, metadataOf(request.header), e, out)
	switch {
	case err != nil:
		return httpAnswer{}, resultOf(err)
	case status.Code(said) == codes.Unimplemented:
		return httpAnswer{}, resultError
	case said != nil:
		return httpAnswer{status: http.StatusInternalServerError, body: []byte(status.Convert(said).Message() + "\n")}, resultError
	}
	text, err := json.Marshal(bulkStatusOnly{Status: statusWord(out.GetStatus())})
	if err != nil {
		return httpAnswer{}, resultError
	}
	return httpAnswer{status: http.StatusOK, header: http.Header{"Content-Type": {jsonType}}, body: text}, resultOfTopic(out.GetStatus())
}

// bulkStatusOnly is the JSON answer to a topic event.
type bulkStatusOnly struct {
	Status string `json:"status"`
}

// invokeOfHTTP hands an invocation to the function and copies its answer as it comes.
func (a *Agent) invokeOfHTTP(w http.ResponseWriter, ctx context.Context, request *httpRequest) result {
	if a.config.FunctionProtocol == GRPC {
		return a.invokeOverGRPC(w, ctx, request)
	}
	res, refused := resultSuccess, false
	err := a.forward.deliver(ctx, call{send: func(ctx context.Context, r *replica, token string) outcome {
		answer, o, err := r.to.(*httpFunction).roundTrip(ctx, request, token)
		if err != nil {
			return o
		}
		defer answer.Body.Close()
		if answer.StatusCode == http.StatusUnauthorized && !refused && a.tokens.now.Load().values[1] != "" {
			refused = true
			return tokenRefused
		}
		res = copyAnswer(w, answer)
		return answered
	}})
	if err != nil {
		refuseHTTP(w, resultOf(err))
		return resultOf(err)
	}
	if res == resultBroken {
		panic(http.ErrAbortHandler) // what was sent is no whole answer, and only a broken connection says so
	}
	return res
}

// invokeOverGRPC hands an invocation to a function that speaks gRPC.
func (a *Agent) invokeOverGRPC(w http.ResponseWriter, ctx context.Context, request *httpRequest) result {
	in, err := invokeFromHTTP(request)
	if err != nil {
		refuseHTTP(w, resultBad)
		return resultBad
	}
	out := &commonv1.InvokeResponse{}
	said, err := a.sendGRPC(ctx, kindInvoke, methodInvoke, metadataOf(request.header), in, out)
	switch {
	case err != nil && said == nil:
		refuseHTTP(w, resultOf(err))
		return resultOf(err)
	case said != nil:
		return writeAnswer(w, answerOf(said), resultError)
	}
	answer := httpAnswer{status: http.StatusOK, header: http.Header{}, body: out.GetData().GetValue()}
	if out.GetContentType() != "" {
		answer.header.Set("Content-Type", out.GetContentType())
	}
	return writeAnswer(w, answer, resultSuccess)
}

func anyOf(request *httpRequest) *anypb.Any { return &anypb.Any{Value: request.body} }

// copyAnswer streams an answer.
func copyAnswer(w http.ResponseWriter, answer *http.Response) result {
	maps.Copy(w.Header(), forwardedHeader(answer.Header))
	if answer.ContentLength >= 0 {
		w.Header().Set("Content-Length", answer.Header.Get("Content-Length"))
	}
	w.WriteHeader(answer.StatusCode)
	flush := mediaType(answer.Header.Get("Content-Type")) == "text/event-stream"
	buffer := make([]byte, 8<<10)
	for {
		n, err := answer.Body.Read(buffer)
		if _, wrong := w.Write(buffer[:n]); wrong != nil {
			return resultGone
		}
		if flush && http.NewResponseController(w).Flush() != nil {
			return resultGone
		}
		switch {
		case errors.Is(err, io.EOF) && answer.StatusCode < 500:
			return resultSuccess
		case errors.Is(err, io.EOF):
			return resultError
		case err != nil:
			return resultBroken
		}
	}
}
