// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	commonv1 "github.com/dapr/dapr/pkg/proto/common/v1"
	runtimev1 "github.com/dapr/dapr/pkg/proto/runtime/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// Where daprd and the function speak different protocols, events are told in the words of the other protocol, as daprd itself does.

const (
	jsonType       = "application/json"
	cloudEventType = "application/cloudevents+json"
	binaryType     = "application/octet-stream"

	traceParent  = "traceparent"
	traceBinary  = "grpc-trace-bin"
	callerHeader = "dapr-caller-app-id"
)

// CloudEvent's own attributes, which are not extensions.
const (
	attributeID          = "id"
	attributeSource      = "source"
	attributeType        = "type"
	attributeSpecVersion = "specversion"
	attributeContentType = "datacontenttype"
	attributeData        = "data"
	attributeDataBase64  = "data_base64"
	attributeTopic       = "topic"
	attributePubSub      = "pubsubname"
)

// The words of the JSON answer to a topic event.
const (
	statusSuccess = "SUCCESS"
	statusRetry   = "RETRY"
	statusDrop    = "DROP"
)

// notForwarded are headers and metadata that belong to one connection, or are set anew.
var notForwarded = map[string]bool{
	"connection": true, "keep-alive": true, "proxy-authenticate": true, "proxy-authorization": true, "proxy-connection": true, "te": true,
	"trailer": true, "transfer-encoding": true, "upgrade": true, "content-length": true, "expect": true, "host": true,
	":authority": true, "grpc-accept-encoding": true, "grpc-encoding": true, "grpc-timeout": true, tokenHeader: true,
}

// forwardedHeader returns the headers of a request that are for the function.
func forwardedHeader(in http.Header) http.Header {
	named := map[string]bool{}
	for _, list := range in.Values("Connection") {
		for name := range strings.SplitSeq(list, ",") {
			named[strings.ToLower(strings.TrimSpace(name))] = true
		}
	}
	out := make(http.Header, len(in))
	for name, values := range in {
		if lower := strings.ToLower(name); !notForwarded[lower] && !named[lower] {
			out[name] = values
		}
	}
	return out
}

// forwardedMetadata returns the metadata of a gRPC call that is for the function, with the token.
func forwardedMetadata(in metadata.MD) metadata.MD {
	for name := range notForwarded {
		delete(in, name)
	}
	return in
}

// headerOf turns metadata into headers. A trace that only gRPC can read is translated.
func headerOf(md metadata.MD) http.Header {
	out := http.Header{}
	for name, values := range md {
		if notForwarded[name] || strings.HasPrefix(name, ":") || strings.HasSuffix(name, "-bin") || name == "content-type" {
			continue
		}
		for _, v := range values {
			out.Add(name, v)
		}
	}
	if trace := md.Get(traceBinary); out.Get(traceParent) == "" && len(trace) > 0 {
		if parent, ok := traceFromBinary([]byte(trace[0])); ok {
			out.Set(traceParent, parent)
		}
	}
	return out
}

// metadataOf turns headers into metadata.
func metadataOf(header http.Header) metadata.MD {
	out := metadata.MD{}
	for name, values := range header {
		lower := strings.ToLower(name)
		if notForwarded[lower] || strings.HasSuffix(lower, "-bin") || lower == "content-type" || lower == "user-agent" {
			continue
		}
		out[lower] = values
	}
	if trace, ok := traceToBinary(header.Get(traceParent)); ok {
		out[traceBinary] = []string{string(trace)}
	}
	return out
}

// traceFromBinary reads OpenCensus' binary trace context: a version, then numbered fields for trace, span and options.
func traceFromBinary(in []byte) (string, bool) {
	if len(in) != 29 || in[0] != 0 || in[1] != 0 || in[18] != 1 || in[27] != 2 {
		return "", false
	}
	return fmt.Sprintf("00-%x-%x-%02x", in[2:18], in[19:27], in[28]), true
}

func traceToBinary(parent string) ([]byte, bool) {
	parts := strings.Split(parent, "-")
	if len(parts) != 4 || len(parts[0]) != 2 || len(parts[1]) != 32 || len(parts[2]) != 16 || len(parts[3]) != 2 {
		return nil, false
	}
	trace, err := hex.DecodeString(parts[1] + parts[2] + parts[3])
	if err != nil {
		return nil, false
	}
	out := append([]byte{0, 0}, trace[:16]...)
	out = append(append(out, 1), trace[16:24]...)
	return append(out, 2, trace[24]), true
}

// topicToHTTP tells a topic event as the CloudEvent daprd posts.
func topicToHTTP(e *runtimev1.TopicEventRequest, route string, md metadata.MD) (*httpRequest, error) {
	event := map[string]any{}
	if e.GetExtensions() != nil {
		event = e.GetExtensions().AsMap()
	}
	for name, value := range map[string]string{
		attributeID: e.GetId(), attributeSource: e.GetSource(), attributeType: e.GetType(), attributeSpecVersion: cmp.Or(e.GetSpecVersion(), "1.0"),
		attributeContentType: e.GetDataContentType(), attributeTopic: e.GetTopic(), attributePubSub: e.GetPubsubName(),
	} {
		if value != "" {
			event[name] = value
		}
	}
	setData(event, e.GetDataContentType(), e.GetData())
	body, err := json.Marshal(event)
	if err != nil {
		return nil, fmt.Errorf("telling the event as a CloudEvent: %w", err)
	}
	r := &httpRequest{method: http.MethodPost, url: urlOf(cmp.Or(e.GetPath(), route)), header: headerOf(md), body: body}
	r.header.Set("Content-Type", cloudEventType)
	return r, nil
}

// setData puts data where CloudEvents in JSON have it, by its type.
func setData(event map[string]any, contentType string, data []byte) {
	delete(event, attributeData)
	delete(event, attributeDataBase64)
	switch media := mediaType(contentType); {
	case len(data) == 0:
	case isJSON(media) && json.Valid(data):
		event[attributeData] = json.RawMessage(data)
	case isText(media):
		event[attributeData] = string(data)
	default:
		event[attributeDataBase64] = base64.StdEncoding.EncodeToString(data)
	}
}

func mediaType(contentType string) string {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	return media
}

func isJSON(media string) bool { return media == jsonType || strings.HasSuffix(media, "+json") }

func isText(media string) bool {
	return strings.HasPrefix(media, "text/") || media == "application/xml"
}

// urlOf never lets a path become another host's.
func urlOf(path string) url.URL {
	path, query, _ := strings.Cut(path, "?")
	u := url.URL{Path: "/" + strings.TrimPrefix(path, "/"), RawQuery: query}
	if plain, err := url.PathUnescape(u.Path); err == nil && plain != u.Path {
		u.RawPath, u.Path = u.Path, plain
	}
	return u
}

// topicFromHTTP reads the CloudEvent of a topic event.
func topicFromHTTP(path string, body []byte) (*runtimev1.TopicEventRequest, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return nil, errors.New("the event is no CloudEvent in JSON")
	}
	text := func(name string) (s string) {
		if json.Unmarshal(fields[name], &s) != nil {
			return ""
		}
		return s
	}
	e := &runtimev1.TopicEventRequest{Id: text(attributeID), Source: text(attributeSource), Type: text(attributeType),
		SpecVersion: text(attributeSpecVersion), DataContentType: text(attributeContentType), Topic: text(attributeTopic),
		PubsubName: text(attributePubSub), Path: path}
	var err error
	if e.Data, err = dataOf(fields, e.DataContentType); err != nil {
		return nil, err
	}
	extensions := map[string]any{}
	for name, value := range fields {
		switch name {
		case attributeID, attributeSource, attributeType, attributeSpecVersion, attributeContentType, attributeData, attributeDataBase64:
			continue
		}
		var v any
		if err := json.Unmarshal(value, &v); err != nil {
			return nil, errors.New("the event is no CloudEvent in JSON")
		}
		extensions[name] = v
	}
	if e.Extensions, err = structpb.NewStruct(extensions); err != nil {
		return nil, errors.New("the event has extensions that protobuf cannot tell")
	}
	for _, s := range []string{e.Id, e.Source, e.Type, e.SpecVersion, e.DataContentType, e.Topic, e.PubsubName, e.Path} {
		if !validText(s) {
			return nil, errors.New("the event has attributes that are not UTF-8")
		}
	}
	return e, nil
}

func validText(s string) bool { return strings.ToValidUTF8(s, "") == s }

func dataOf(fields map[string]json.RawMessage, contentType string) ([]byte, error) {
	var text string
	if encoded, ok := fields[attributeDataBase64]; ok && !bytes.Equal(encoded, []byte("null")) {
		if err := json.Unmarshal(encoded, &text); err != nil {
			return nil, errors.New("the event's data_base64 is no text")
		}
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, errors.New("the event's data_base64 is not base64")
		}
		return data, nil
	}
	data, ok := fields[attributeData]
	if !ok || bytes.Equal(data, []byte("null")) {
		return nil, nil
	}
	if !isJSON(mediaType(contentType)) && json.Unmarshal(data, &text) == nil {
		return []byte(text), nil
	}
	return data, nil
}

// bindingToHTTP tells a binding's event: its metadata becomes headers.
func bindingToHTTP(e *runtimev1.BindingEventRequest, route string, md metadata.MD) *httpRequest {
	r := &httpRequest{method: http.MethodPost, url: urlOf(cmp.Or(route, e.GetName())), header: headerOf(md), body: e.GetData()}
	for name, value := range e.GetMetadata() {
		if lower := strings.ToLower(name); !notForwarded[lower] && validHeader(name, value) {
			r.header.Set(name, value)
		}
	}
	r.header.Set("Content-Type", jsonType)
	return r
}

// validHeader keeps what a broker says about an event from becoming another header, or an error of the HTTP client.
func validHeader(name, value string) bool {
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	for _, c := range []byte(value) {
		if c < ' ' || c >= 0x7f {
			return false
		}
	}
	return name != ""
}

func bindingFromHTTP(name string, r *httpRequest) *runtimev1.BindingEventRequest {
	e := &runtimev1.BindingEventRequest{Name: name, Data: r.body, Metadata: map[string]string{}}
	for name, values := range r.header {
		if value := strings.Join(values, ","); validText(name) && validText(value) {
			e.Metadata[name] = value
		}
	}
	return e
}

// invokeToHTTP tells a service invocation.
func invokeToHTTP(e *commonv1.InvokeRequest, md metadata.MD) *httpRequest {
	verb := http.MethodPost
	if v := e.GetHttpExtension().GetVerb(); v != commonv1.HTTPExtension_NONE {
		verb = v.String()
	}
	r := &httpRequest{method: verb, url: urlOf(e.GetMethod()), header: headerOf(md), body: e.GetData().GetValue()}
	if query := e.GetHttpExtension().GetQuerystring(); query != "" {
		r.url.RawQuery = query
	}
	if validHeader("Content-Type", e.GetContentType()) && e.GetContentType() != "" {
		r.header.Set("Content-Type", e.GetContentType())
	}
	return r
}

func invokeFromHTTP(r *httpRequest) (*commonv1.InvokeRequest, error) {
	verb, ok := commonv1.HTTPExtension_Verb_value[r.method]
	if path := r.url.Path; !ok || !validText(path) || !validText(r.url.RawQuery) || !validText(r.header.Get("Content-Type")) {
		return nil, errors.New("the request cannot be told in gRPC")
	}
	return &commonv1.InvokeRequest{
		Method: strings.TrimPrefix(r.url.Path, "/"), Data: &anypb.Any{Value: r.body}, ContentType: r.header.Get("Content-Type"),
		HttpExtension: &commonv1.HTTPExtension{Verb: commonv1.HTTPExtension_Verb(verb), Querystring: r.url.RawQuery},
	}, nil
}

// topicStatus reads what the function answered to a topic event over HTTP, as daprd does.
func topicStatus(a httpAnswer) (runtimev1.TopicEventResponse_TopicEventResponseStatus, bool) {
	if a.status < 200 || a.status > 299 {
		return runtimev1.TopicEventResponse_RETRY, false
	}
	var said struct {
		Status string `json:"status"`
	}
	if err := json.NewDecoder(bytes.NewReader(a.body)).Decode(&said); err != nil {
		return runtimev1.TopicEventResponse_SUCCESS, true
	}
	switch said.Status {
	case "", statusSuccess:
		return runtimev1.TopicEventResponse_SUCCESS, true
	case statusDrop:
		return runtimev1.TopicEventResponse_DROP, true
	}
	return runtimev1.TopicEventResponse_RETRY, true
}

// statusWord is the JSON word for a gRPC answer to a topic event.
func statusWord(s runtimev1.TopicEventResponse_TopicEventResponseStatus) string {
	switch s {
	case runtimev1.TopicEventResponse_SUCCESS:
		return statusSuccess
	case runtimev1.TopicEventResponse_DROP:
		return statusDrop
	default:
		return statusRetry
	}
}

// topicStatusOfFrame reads the one field of a TopicEventResponse without decoding it. What it cannot read it takes for RETRY.
func topicStatusOfFrame(message []byte) runtimev1.TopicEventResponse_TopicEventResponseStatus {
	if len(message) == 0 {
		return runtimev1.TopicEventResponse_SUCCESS
	}
	if message[0] != 1<<3 {
		return runtimev1.TopicEventResponse_RETRY
	}
	value, n := binary.Uvarint(message[1:])
	if n < 1 || n != len(message)-1 || value > 2 {
		return runtimev1.TopicEventResponse_RETRY
	}
	return runtimev1.TopicEventResponse_TopicEventResponseStatus(value)
}

// codeOfHTTP is the gRPC code that daprd knows a status by.
func codeOfHTTP(status int) codes.Code {
	switch status {
	case http.StatusBadRequest:
		return codes.InvalidArgument
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound:
		return codes.NotFound
	case http.StatusConflict:
		return codes.Aborted
	case http.StatusTooManyRequests, http.StatusRequestEntityTooLarge:
		return codes.ResourceExhausted
	case http.StatusServiceUnavailable, http.StatusBadGateway:
		return codes.Unavailable
	case http.StatusGatewayTimeout:
		return codes.DeadlineExceeded
	}
	if status >= 500 {
		return codes.Internal
	}
	return codes.Unknown
}

// httpOfCode is the reverse.
func httpOfCode(code codes.Code) int {
	switch code {
	case codes.OK:
		return http.StatusOK
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange:
		return http.StatusBadRequest
	case codes.Unauthenticated:
		return http.StatusUnauthorized
	case codes.PermissionDenied:
		return http.StatusForbidden
	case codes.NotFound:
		return http.StatusNotFound
	case codes.AlreadyExists, codes.Aborted:
		return http.StatusConflict
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	case codes.Unimplemented:
		return http.StatusNotImplemented
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	case codes.DeadlineExceeded:
		return http.StatusGatewayTimeout
	default:
		return http.StatusInternalServerError
	}
}
