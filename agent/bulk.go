// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	runtimev1 "github.com/dapr/dapr/pkg/proto/runtime/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// Functions take events one by one, so the agent takes daprd's bulks apart. The events of a bulk go in their order; when one finds no
// function the others are not tried, and daprd delivers all of them again.

const (
	bulkType   = "com.dapr.event.bulk"
	singleType = "com.dapr.event.sent"
)

// errBulk is for a bulk that cannot be read.
var errBulk = errors.New("the bulk cannot be read")

// serveBulkGRPC hands over the events of a bulk and tells daprd what became of each.
func (a *Agent) serveBulkGRPC(stream grpc.ServerStream, in *frame, md metadata.MD) (result, error) {
	bulk := &runtimev1.TopicEventBulkRequest{}
	if err := proto.Unmarshal(in.data.Materialize(), bulk); err != nil {
		return resultBad, refuseGRPC(resultBad)
	}
	size, events := int64(2*in.data.Len())+costOfStream, int64(len(bulk.GetEntries()))
	if r, ok := a.pending.take(size, events); !ok {
		return r, refuseGRPC(r)
	}
	defer a.pending.give(size, events)
	out, worst := &runtimev1.TopicEventBulkResponse{}, resultSuccess
	for _, entry := range bulk.GetEntries() {
		s := runtimev1.TopicEventResponse_RETRY
		if e := eventOfEntry(bulk, entry); e != nil && !stops(worst) {
			var r result
			if s, r = a.topic(stream.Context(), e, entryMetadata(md, entry)); r != resultSuccess {
				worst = r
			}
		}
		out.Statuses = append(out.Statuses, &runtimev1.TopicEventBulkResponseEntry{EntryId: entry.GetEntryId(), Status: s})
	}
	if err := stream.SendMsg(out); err != nil {
		return resultGone, err
	}
	return worst, nil
}

// entryMetadata is the metadata of one event of a bulk, with what the broker said about it.
func entryMetadata(md metadata.MD, e *runtimev1.TopicEventBulkRequestEntry) metadata.MD {
	out := md.Copy()
	for name, value := range e.GetMetadata() {
		name = strings.ToLower(name)
		if own := notForwarded[name] || strings.HasPrefix(name, "grpc-") || strings.HasSuffix(name, "-bin"); !own && validHeader(name, value) {
			out.Set(name, value)
		}
	}
	return out
}

// stops is true for what will happen to the next event too.
func stops(r result) bool {
	return r == resultHeld || r == resultDraining || r == resultGone || r == resultToken
}

// topic hands one topic event to the function, whatever it speaks. Without an answer it is RETRY.
func (a *Agent) topic(ctx context.Context, e *runtimev1.TopicEventRequest, md metadata.MD,
) (runtimev1.TopicEventResponse_TopicEventResponseStatus, result) {
	if a.config.FunctionProtocol == HTTP {
		s, r, err := a.topicOverHTTP(ctx, e, md)
		if err != nil {
			return runtimev1.TopicEventResponse_RETRY, r
		}
		return s, r
	}
	out := &runtimev1.TopicEventResponse{}
	said, err := a.sendGRPC(ctx, kindTopic, methodTopic, forwardedMetadata(md), e, out)
	switch {
	case err != nil:
		return runtimev1.TopicEventResponse_RETRY, resultOf(err)
	case said != nil:
		return runtimev1.TopicEventResponse_RETRY, resultError
	}
	return out.GetStatus(), resultOfTopic(out.GetStatus())
}

// eventOfEntry makes one event of a bulk what daprd would have sent without bulks. It is nil for an entry without an event.
func eventOfEntry(bulk *runtimev1.TopicEventBulkRequest, entry *runtimev1.TopicEventBulkRequestEntry) *runtimev1.TopicEventRequest {
	e := &runtimev1.TopicEventRequest{Topic: bulk.GetTopic(), PubsubName: bulk.GetPubsubName(), Path: bulk.GetPath()}
	switch event := entry.GetEvent().(type) {
	case *runtimev1.TopicEventBulkRequestEntry_CloudEvent:
		c := event.CloudEvent
		e.Id, e.Source, e.Type, e.SpecVersion = c.GetId(), c.GetSource(), c.GetType(), c.GetSpecVersion()
		e.DataContentType, e.Data, e.Extensions = c.GetDataContentType(), c.GetData(), c.GetExtensions()
	case *runtimev1.TopicEventBulkRequestEntry_Bytes:
		e.Id, e.Source, e.Type, e.SpecVersion, e.DataContentType = entry.GetEntryId(), "Dapr", singleType, "1.0", entry.GetContentType()
		e.Data = event.Bytes
	default:
		return nil
	}
	return e
}

// bulkEnvelope is a bulk in JSON.
type bulkEnvelope struct {
	Type     string            `json:"type"`
	Topic    string            `json:"topic"`
	PubSub   string            `json:"pubsub"`
	Entries  []bulkEntry       `json:"entries"`
	Metadata map[string]string `json:"metadata"`
}

type bulkEntry struct {
	EntryID     string            `json:"entryId"`
	Event       json.RawMessage   `json:"event"`
	Metadata    map[string]string `json:"metadata"`
	ContentType string            `json:"contentType"`
}

// bulkAnswer is the answer daprd understands: an entry that is not in it is delivered again.
type bulkAnswer struct {
	Statuses []bulkStatus `json:"statuses"`
}

type bulkStatus struct {
	EntryID string `json:"entryId"`
	Status  string `json:"status"`
}

// parseBulk reads a bulk. It is nil without an error when the body is something else.
func parseBulk(body []byte) (*bulkEnvelope, error) {
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(body, &head); err != nil || head.Type != bulkType {
		return nil, nil //nolint:nilerr // it is not for us to say what other requests look like
	}
	bulk := &bulkEnvelope{}
	if err := json.Unmarshal(body, bulk); err != nil {
		return nil, errBulk
	}
	return bulk, nil
}

// cloudEvent is the entry's event as daprd posts single ones: a raw payload comes as base64 text, and becomes a CloudEvent.
func (b *bulkEnvelope) cloudEvent(e bulkEntry) ([]byte, bool) {
	var raw string
	if json.Unmarshal(e.Event, &raw) != nil {
		return e.Event, len(e.Event) > 0 && e.Event[0] == '{'
	}
	data, err := base64.StdEncoding.DecodeString(raw)
	if err != nil {
		return nil, false
	}
	event := map[string]any{attributeID: e.EntryID, attributeSource: "Dapr", attributeType: singleType, attributeSpecVersion: "1.0",
		attributeTopic: b.Topic, attributePubSub: b.PubSub, attributeContentType: binaryType,
		attributeDataBase64: base64.StdEncoding.EncodeToString(data)}
	out, err := json.Marshal(event)
	return out, err == nil
}

// serveBulkHTTP hands over the events of a bulk in JSON and tells daprd what became of each.
func (a *Agent) serveBulkHTTP(w http.ResponseWriter, r *http.Request, bulk *bulkEnvelope) result {
	answer, worst := bulkAnswer{Statuses: []bulkStatus{}}, resultSuccess
	for _, entry := range bulk.Entries {
		word := statusRetry
		if event, ok := bulk.cloudEvent(entry); ok && !stops(worst) {
			said, res := a.topicOfHTTP(r.Context(), &httpRequest{method: http.MethodPost, url: urlOnly(r.URL), header: eventHeader(r, entry), body: event})
			if res != resultSuccess {
				worst = res
			}
			if s, ok := topicStatus(said); ok && (res == resultSuccess || res == resultDrop) {
				word = statusWord(s)
			}
		}
		answer.Statuses = append(answer.Statuses, bulkStatus{EntryID: entry.EntryID, Status: word})
	}
	text, err := json.Marshal(answer)
	if err != nil {
		refuseHTTP(w, resultBad)
		return resultBad
	}
	w.Header().Set("Content-Type", jsonType)
	if _, err := w.Write(text); err != nil {
		return resultGone
	}
	return worst
}

// eventHeader is the header of one event of a bulk, with what the broker said about it.
func eventHeader(r *http.Request, e bulkEntry) http.Header {
	out := forwardedHeader(r.Header)
	for name, value := range e.Metadata {
		if !notForwarded[strings.ToLower(name)] && validHeader(name, value) {
			out.Set(name, value)
		}
	}
	out.Set("Content-Type", cloudEventType)
	return out
}
