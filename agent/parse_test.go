// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	runtimev1 "github.com/dapr/dapr/pkg/proto/runtime/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
)

func TestFlagsWinOverTheEnvironment(t *testing.T) {
	env := map[string]string{"AGENT_APP_PROTOCOL": "http", "AGENT_MAX_BODY": "1000", "AGENT_HOLD": "5s", "AGENT_FUNCTION_ADDRESS": "fn:8080",
		"AGENT_TOKEN_DIR": "/secret"}
	lookup := func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	}
	flags := flag.NewFlagSet("agent", flag.ContinueOnError)
	c, err := ParseConfig(flags, []string{"--max-body", "2000", "--triggers", triggers}, lookup)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{AppProtocol: HTTP, FunctionProtocol: HTTP, AppPort: 8080, FunctionAddress: "fn:8080", Triggers: triggers, TokenDir: "/secret",
		ScalerPort: 9090, StatusPort: 8081, MaxBody: 2000, MaxPendingBytes: 16 << 20, MaxInFlight: 100, Hold: 5 * time.Second,
		AnswerTimeout: 15 * time.Minute, Drain: 25 * time.Second}
	if d := cmp.Diff(want, c); d != "" {
		t.Error(d)
	}
}

func TestConfigurationSaysWhatIsWrong(t *testing.T) {
	good := []string{"--function-address", "fn:8080", "--token-dir", "/secret"}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"Good":          {nil, ""},
		"NoAddress":     {[]string{"--function-address", ""}, "--function-address: HOST:PORT is wanted"},
		"NoPort":        {[]string{"--function-address", "fn"}, "--function-address: HOST:PORT is wanted"},
		"NoToken":       {[]string{"--token-dir", ""}, "--token-dir is required"},
		"Protocol":      {[]string{"--app-protocol", "h2c"}, "--app-protocol is grpc or http"},
		"Budget":        {[]string{"--max-pending-bytes", "1000"}, "--max-pending-bytes has room for one event"},
		"Peers":         {[]string{"--peers", "x"}, "--peers: HOST:PORT is wanted"},
		"PeersPort":     {[]string{"--peers", "x:0"}, "--peers: a port is between 1 and 65535"},
		"Triggers":      {[]string{"--triggers", "x"}, "--triggers is not a JSON list"},
		"Hold":          {[]string{"--hold", "0s"}, "--hold is more than 0"},
		"Port":          {[]string{"--app-port", "70000"}, "a port is between"},
		"More":          {[]string{"more"}, "takes flags only"},
		"BodyTooLarge":  {[]string{"--max-body", "99999999999"}, "--max-body is between"},
		"InFlight":      {[]string{"--max-in-flight", "0"}, "--max-in-flight is at least 1"},
		"SeveralHosts":  {[]string{"--function-address", "a:1,b:2"}, ""},
		"OneOfThemIsNo": {[]string{"--function-address", "a:1,b"}, "HOST:PORT is wanted"},
	} {
		t.Run(name, func(t *testing.T) {
			flags := flag.NewFlagSet("agent", flag.ContinueOnError)
			flags.SetOutput(io.Discard)
			_, err := ParseConfig(flags, slices.Concat(good, c.args), func(string) (string, bool) { return "", false })
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, not %q", err, c.want)
			}
		})
	}
	flags := flag.NewFlagSet("agent", flag.ContinueOnError)
	_, err := ParseConfig(flags, good, func(name string) (string, bool) { return "a secret", name == "AGENT_HOLD" })
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a wrong value in the environment: %v", err)
	}
}

func TestTriggersThatCannotBe(t *testing.T) {
	for text, want := range map[string]string{
		`[]`:                                  "",
		`null`:                                "",
		`{}`:                                  "not a JSON list",
		`[{}]`:                                "has no component",
		`[{"component":"a","kind":"states"}]`: "kind is bindings or pubsub",
		`[{"component":"a","kind":"pubsub"}]`: "has no topic",
		`[{"component":"a","kind":"bindings","topic":"t"}]`:                                                                     "a binding has no topic",
		`[{"component":"a","kind":"bindings","path":"t"}]`:                                                                      "path starts with a slash",
		`[{"component":"a","kind":"bindings","path":"/x"},{"component":"b","kind":"bindings","path":"/x"}]`:                     "two bindings have the same path",
		`[{"component":"a","kind":"bindings"},{"component":"a","kind":"bindings"}]`:                                             "is there twice",
		`[{"component":"a","kind":"bindings"},{"component":"b","kind":"pubsub","topic":"a"}]`:                                   "",
		`[{"component":"a","kind":"pubsub","topic":"t","path":"/x"},{"component":"a","kind":"pubsub","topic":"u","path":"/x"}]`: "",
		`[{"component":"a","kind":"bindings","later":true}]`:                                                                    "",
		"[" + strings.Repeat(" ", maxTriggersJSON) + "]":                                                                        "longer than",
		"[" + strings.Repeat("{},", maxTriggers) + "{}]":                                                                        "more than 1000",
	} {
		_, err := ParseTriggers(text)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.60s: %v, not %q", text, err, want)
		}
	}
}

func TestAnswersToDaprd(t *testing.T) {
	list, err := ParseTriggers(`[{"component":"cron","kind":"bindings"},{"component":"mqtt","kind":"bindings","path":"/in"},
		{"component":"bus","kind":"pubsub","topic":"a/b"},
		{"component":"bus","kind":"pubsub","topic":"c","path":"/c","deadLetterTopic":"dead","metadata":{"rawPayload":"true"},"bulk":{"maxMessagesCount":5}}]`)
	if err != nil {
		t.Fatal(err)
	}
	a, err := newAnswers(list)
	if err != nil {
		t.Fatal(err)
	}
	topics := &runtimev1.ListTopicSubscriptionsResponse{}
	if err := proto.Unmarshal(a.subscriptions, topics); err != nil {
		t.Fatal(err)
	}
	want := &runtimev1.ListTopicSubscriptionsResponse{Subscriptions: []*runtimev1.TopicSubscription{
		{PubsubName: "bus", Topic: "a/b"},
		{PubsubName: "bus", Topic: "c", Routes: &runtimev1.TopicRoutes{Default: "/c"}, DeadLetterTopic: "dead",
			Metadata: map[string]string{"rawPayload": "true"}, BulkSubscribe: &runtimev1.BulkSubscribeConfig{Enabled: true, MaxMessagesCount: 5}},
	}}
	if d := cmp.Diff(want, topics, protocmp.Transform()); d != "" {
		t.Error(d)
	}
	const subscribe = `[{"pubsubname":"bus","topic":"a/b","route":"/a/b"},{"pubsubname":"bus","topic":"c","route":"/c",` +
		`"metadata":{"rawPayload":"true"},"deadLetterTopic":"dead","bulkSubscribe":{"enabled":true,"maxMessagesCount":5}}]`
	if string(a.subscribe) != subscribe {
		t.Errorf("%s", a.subscribe)
	}
	bindings := &runtimev1.ListInputBindingsResponse{}
	if err := proto.Unmarshal(a.bindings, bindings); err != nil || strings.Join(bindings.GetBindings(), " ") != "cron mqtt" {
		t.Errorf("%v %v", bindings, err)
	}
}

func TestTokensThatAreNotUsable(t *testing.T) {
	dir := t.TempDir()
	if _, err := newTokens(dir); err == nil {
		t.Error("a folder without a token")
	}
	for _, text := range []string{"", "\n", "a b", "a\x00b", strings.Repeat("x", maxToken+1), "tökén"} {
		writeToken(t, dir, currentToken, text)
		if _, err := newTokens(dir); err == nil || text != "" && strings.Contains(err.Error(), text) && text != "\n" {
			t.Errorf("%.10q: %v", text, err)
		}
	}
	writeToken(t, dir, currentToken, "good\n")
	k, err := newTokens(dir)
	if err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]bool{"good": true, "good\n": false, "": false, "goo": false, "goodd": false} {
		if k.accepts(given) != want {
			t.Errorf("%q: %t", given, !want)
		}
	}
	writeToken(t, filepath.Clean(dir), precedingToken, "before")
	if k, err = newTokens(dir); err != nil || !k.accepts("before") || !k.accepts("good") || k.accepts("") {
		t.Errorf("with the token before: %v", err)
	}
}

func TestCloudEventsSurviveBothWays(t *testing.T) {
	for name, e := range map[string]*runtimev1.TopicEventRequest{
		"Text":   {Id: "1", Source: "s", Type: "t", SpecVersion: "1.0", DataContentType: "text/plain", Data: []byte("hällo"), Topic: "a", PubsubName: "b"},
		"JSON":   {Id: "1", Source: "s", Type: "t", SpecVersion: "1.0", DataContentType: "application/json", Data: []byte(`{"a":[1,2]}`), Topic: "a", PubsubName: "b"},
		"Binary": {Id: "1", Source: "s", Type: "t", SpecVersion: "1.0", DataContentType: "image/png", Data: []byte{0, 255, 10}, Topic: "a", PubsubName: "b"},
		"Empty":  {Id: "1", Source: "s", Type: "t", SpecVersion: "1.0", Topic: "a", PubsubName: "b"},
		"JSONText": {Id: "1", Source: "s", Type: "t", SpecVersion: "1.0", DataContentType: "application/json", Data: []byte(`"text"`), Topic: "a",
			PubsubName: "b"},
		"NotJSON": {Id: "1", Source: "s", Type: "t", SpecVersion: "1.0", DataContentType: "application/json", Data: []byte(`{`), Topic: "a", PubsubName: "b"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := topicToHTTP(e, "/a", nil)
			if err != nil {
				t.Fatal(err)
			}
			back, err := topicFromHTTP("", r.body)
			if err != nil {
				t.Fatal(err)
			}
			e.Extensions = &structpb.Struct{Fields: map[string]*structpb.Value{"topic": structpb.NewStringValue("a"), "pubsubname": structpb.NewStringValue("b")}}
			if d := cmp.Diff(e, back, protocmp.Transform()); d != "" {
				t.Error(d)
			}
			if !json.Valid(r.body) || r.header.Get("Content-Type") != cloudEventType || r.url.Path != "/a" {
				t.Errorf("%v %s", r.url, r.body)
			}
		})
	}
}

func TestTracesAreTranslated(t *testing.T) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	binary, ok := traceToBinary(parent)
	if !ok {
		t.Fatal("not read")
	}
	header := headerOf(metadata.MD{traceBinary: {string(binary)}, tokenHeader: {"secret"}, ":authority": {"x"}, "own": {"a", "b"}})
	if want := (http.Header{"Traceparent": {parent}, "Own": {"a", "b"}}); !cmp.Equal(header, want) {
		t.Error(cmp.Diff(want, header))
	}
	if md := metadataOf(http.Header{"Traceparent": {parent}, "Dapr-Api-Token": {"secret"}, "Connection": {"close"}, "Own": {"a"}}); !cmp.Equal(md,
		metadata.MD{traceParent: {parent}, traceBinary: {string(binary)}, "own": {"a"}}) {
		t.Errorf("%v", md)
	}
}

func FuzzParseTriggers(f *testing.F) {
	f.Add(triggers)
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseTriggers(text)
		if err != nil {
			if len(err.Error()) > 200 {
				t.Error("a long error: it repeats what it read")
			}
			return
		}
		a, err := newAnswers(list)
		if err != nil { // of names that are not UTF-8, which JSON cannot have
			t.Fatal(err)
		}
		var told []subscription
		if err := json.Unmarshal(a.subscribe, &told); err != nil {
			t.Fatal(err)
		}
		topics, bindings := &runtimev1.ListTopicSubscriptionsResponse{}, &runtimev1.ListInputBindingsResponse{}
		if proto.Unmarshal(a.subscriptions, topics) != nil || proto.Unmarshal(a.bindings, bindings) != nil {
			t.Fatal("an answer cannot be read")
		}
		if len(told) != len(topics.GetSubscriptions()) || len(told)+len(bindings.GetBindings()) != len(list) {
			t.Errorf("%d triggers became %d and %d", len(list), len(told), len(bindings.GetBindings()))
		}
		for _, s := range told {
			if s.Route == "" || s.Route[0] != '/' {
				t.Errorf("route %q", s.Route)
			}
		}
	})
}

func FuzzParseBulk(f *testing.F) {
	f.Add([]byte(`{"type":"com.dapr.event.bulk","topic":"t","pubsub":"p","entries":[{"entryId":"1","event":{"id":"1","data":"x"}},{"entryId":"2","event":"cmF3"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		bulk, err := parseBulk(body)
		if err != nil || bulk == nil {
			return
		}
		for _, entry := range bulk.Entries {
			event, ok := bulk.cloudEvent(entry)
			if ok && (!json.Valid(event) || event[0] != '{') {
				t.Errorf("%q", event)
			}
		}
	})
}

func FuzzTopicFromHTTP(f *testing.F) {
	f.Add("/orders", []byte(`{"id":"1","source":"s","type":"t","specversion":"1.0","datacontenttype":"application/json","data":{"a":1},"own":1}`))
	f.Add("/orders", []byte(`{"data_base64":"AAEC","traceparent":"x"}`))
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		e, err := topicFromHTTP(path, body)
		if err != nil {
			return
		}
		if _, err := proto.Marshal(e); err != nil {
			t.Fatalf("protobuf cannot tell it: %v", err)
		}
		r, err := topicToHTTP(e, "/route", nil)
		if err != nil {
			t.Fatal(err)
		}
		back, err := topicFromHTTP(path, r.body)
		if err != nil {
			t.Fatalf("%v: %s", err, r.body)
		}
		if back.GetId() != e.GetId() || back.GetTopic() != e.GetTopic() {
			t.Errorf("%v became %v", e, back)
		}
	})
}

func FuzzRequests(f *testing.F) {
	f.Add("POST", "/orders?a=b", "Content-Type", "application/json", []byte("x"))
	f.Add("GET", "//evil.example/x", "Connection", "Dapr-Api-Token", []byte(nil))
	f.Add("POST", "http://evil.example/x", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", []byte("{}"))
	f.Fuzz(func(t *testing.T, method, target, name, value string, body []byte) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		header := http.Header{}
		header.Set(name, value)
		header.Set(tokenHeader, "secret")
		r := &httpRequest{method: method, url: urlOnly(u), header: forwardedHeader(header), body: body}
		if r.url.Host != "" || r.header.Get(tokenHeader) != "" {
			t.Errorf("%v %v", r.url, r.header)
		}
		md := metadataOf(header)
		if len(md.Get(tokenHeader)) > 0 || headerOf(md).Get(tokenHeader) != "" {
			t.Errorf("%v", md)
		}
		if _, err := proto.Marshal(bindingFromHTTP("b", r)); err != nil {
			t.Error(err)
		}
		if e, err := invokeFromHTTP(r); err == nil {
			if _, err := proto.Marshal(e); err != nil {
				t.Error(err)
			}
			if again := invokeToHTTP(e, md); again.method != method || again.url.Host != "" {
				t.Errorf("%s became %s %v", method, again.method, again.url)
			}
		}
	})
}

func FuzzAnswers(f *testing.F) {
	f.Add(200, []byte(`{"status":"DROP"}`))
	f.Add(200, []byte{1 << 3, 2})
	f.Add(404, []byte(nil))
	f.Fuzz(func(t *testing.T, code int, body []byte) {
		s, ok := topicStatus(httpAnswer{status: code, body: body})
		if ok != (code >= 200 && code < 300) || !ok && s != runtimev1.TopicEventResponse_RETRY {
			t.Errorf("%d %q: %v %t", code, body, s, ok)
		}
		// What the agent takes for an acknowledgement is one for daprd, which decodes the whole message.
		message := &runtimev1.TopicEventResponse{}
		if s := topicStatusOfFrame(body); s == runtimev1.TopicEventResponse_SUCCESS &&
			(proto.Unmarshal(body, message) != nil || message.GetStatus() != s) {
			t.Errorf("%v is %v", body, message)
		}
		if peer, err := parsePeer(body); err == nil && peer.Pending < 0 {
			t.Errorf("%q", body)
		}
		_, _ = traceFromBinary(body)
	})
}
