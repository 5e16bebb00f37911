// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	commonv1 "github.com/dapr/dapr/pkg/proto/common/v1"
	runtimev1 "github.com/dapr/dapr/pkg/proto/runtime/v1"
	"github.com/go-logr/logr/testr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/openfunction/openfunction/test/ports"
)

const (
	testToken = "the-token"
	patience  = time.Minute // longer than anything takes, on a busy machine too
	triggers  = `[{"component":"cron","kind":"bindings"},{"component":"bus","kind":"pubsub","topic":"orders","path":"/incoming"}]`
)

// heard is a call as the function under test saw it.
type heard struct {
	name   string // binding, topic or method
	data   string
	trace  string // of traceparent
	header func(name string) string
	topic  *runtimev1.TopicEventRequest // gRPC only
	body   string                       // HTTP only
}

// said is what the function under test answers.
type said struct {
	topic runtimev1.TopicEventResponse_TopicEventResponseStatus
	err   error // gRPC
	code  int   // HTTP
	body  string
}

// function is both a gRPC and an HTTP application.
type function struct {
	runtimev1.UnimplementedAppCallbackServer
	answer func(heard) said
	mu     sync.Mutex
	calls  []heard
}

func (f *function) hear(h heard) said {
	f.mu.Lock()
	f.calls = append(f.calls, h)
	f.mu.Unlock()
	if f.answer == nil {
		return said{}
	}
	return f.answer(h)
}

func (f *function) all() []heard {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]heard(nil), f.calls...)
}

func (f *function) grpc(ctx context.Context, name string, data []byte, e *runtimev1.TopicEventRequest) said {
	md, _ := metadata.FromIncomingContext(ctx)
	get := func(name string) string { return strings.Join(md.Get(name), ",") }
	return f.hear(heard{name: name, data: string(data), trace: get(traceParent), header: get, topic: e})
}

func (f *function) OnTopicEvent(ctx context.Context, e *runtimev1.TopicEventRequest) (*runtimev1.TopicEventResponse, error) {
	s := f.grpc(ctx, e.GetTopic(), e.GetData(), e)
	return &runtimev1.TopicEventResponse{Status: s.topic}, s.err
}

func (f *function) OnBindingEvent(ctx context.Context, e *runtimev1.BindingEventRequest) (*runtimev1.BindingEventResponse, error) {
	s := f.grpc(ctx, e.GetName(), e.GetData(), nil)
	return &runtimev1.BindingEventResponse{Data: []byte(s.body)}, s.err
}

func (f *function) OnInvoke(ctx context.Context, e *commonv1.InvokeRequest) (*commonv1.InvokeResponse, error) {
	s := f.grpc(ctx, e.GetMethod(), e.GetData().GetValue(), nil)
	if err := grpc.SetHeader(ctx, metadata.Pairs("answer", "yes")); err != nil {
		return nil, err
	}
	return &commonv1.InvokeResponse{Data: &anypb.Any{Value: []byte(s.body)}, ContentType: "text/plain"}, s.err
}

func (f *function) OnJobEvent(ctx context.Context, e *runtimev1.JobEventRequest) (*runtimev1.JobEventResponse, error) {
	s := f.grpc(ctx, e.GetName(), e.GetData().GetValue(), nil)
	return &runtimev1.JobEventResponse{}, s.err
}

func (f *function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h := heard{name: strings.TrimPrefix(r.URL.Path, "/"), data: string(body), body: string(body), trace: r.Header.Get(traceParent),
		header: func(name string) string {
			if strings.EqualFold(name, "host") {
				return r.Host
			}
			return r.Header.Get(name)
		}}
	if e, err := topicFromHTTP("", body); err == nil && e.GetTopic() != "" {
		h.data = string(e.GetData())
	}
	s := f.hear(h)
	w.Header().Set("Answer", "yes")
	if s.code != 0 {
		w.WriteHeader(s.code)
	}
	_, _ = io.WriteString(w, s.body)
}

// serve makes the function listen, and returns its address and how to stop it at once.
func (f *function) serve(t *testing.T, protocol Protocol, address string) (string, func()) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l.Addr().String(), f.serveOn(t, protocol, l)
}

func (f *function) serveOn(t *testing.T, protocol Protocol, l net.Listener) (stop func()) {
	t.Helper()
	if protocol == HTTP {
		server := &http.Server{Handler: f}
		go func() { _ = server.Serve(l) }()
		t.Cleanup(func() { _ = server.Close() })
		return func() { _ = server.Close() }
	}
	server := grpc.NewServer()
	runtimev1.RegisterAppCallbackServer(server, f)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	return server.Stop
}

// world is an agent on loopback.
type world struct {
	t     *testing.T
	agent *Agent
	stop  context.CancelFunc
	ended chan error
}

func config(t *testing.T, app, fn Protocol, function string) Config {
	t.Helper()
	dir := t.TempDir()
	writeToken(t, dir, currentToken, testToken)
	return Config{AppProtocol: app, FunctionProtocol: fn, FunctionAddress: function, Triggers: triggers, TokenDir: dir, MaxBody: 64 << 10,
		MaxPendingBytes: 1 << 20, MaxInFlight: 100, Hold: patience, AnswerTimeout: time.Minute, Drain: patience}
}

func writeToken(t *testing.T, dir, name, token string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T, c Config) *world {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	a, err := New(ctx, c, testr.New(t))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, agent: a, stop: stop, ended: make(chan error, 1)}
	done := make(chan struct{})
	go func() {
		w.ended <- a.Run(ctx)
		close(done)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return w
}

func (w *world) app() string { return loopback(w.agent.app) }

func loopback(l net.Listener) string {
	return fmt.Sprintf("127.0.0.1:%d", l.Addr().(*net.TCPAddr).Port)
}

func (w *world) conn() *grpc.ClientConn { return connect(w.t, w.app()) }

func connect(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// daprd is what daprd would do, in either protocol.
type daprd struct {
	w    *world
	grpc runtimev1.AppCallbackClient
}

func (w *world) daprd() daprd {
	d := daprd{w: w}
	if w.agent.config.AppProtocol == GRPC {
		d.grpc = runtimev1.NewAppCallbackClient(w.conn())
	}
	return d
}

func withToken(pairs ...string) context.Context {
	return metadata.AppendToOutgoingContext(context.Background(), append([]string{tokenHeader, testToken}, pairs...)...)
}

func (d daprd) post(path, contentType, body string, header ...string) (int, string) {
	d.w.t.Helper()
	return d.do(http.MethodPost, path, contentType, body, append(header, tokenHeader, testToken)...)
}

func (d daprd) do(method, path, contentType, body string, header ...string) (int, string) {
	d.w.t.Helper()
	r, err := http.NewRequest(method, "http://"+d.w.app()+path, bytes.NewReader([]byte(body)))
	if err != nil {
		d.w.t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		d.w.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		d.w.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// verdict is what daprd does with an event after an answer.
type verdict string

const (
	acknowledged verdict = "acknowledged"
	redelivered  verdict = "redelivered"
	dropped      verdict = "dropped"
)

// topic delivers a topic event as daprd would, and judges the answer as daprd does (pkg/runtime/subscription/postman).
func (d daprd) topic(data string, trace ...string) verdict {
	d.w.t.Helper()
	if d.grpc != nil {
		answer, err := d.grpc.OnTopicEvent(withToken(trace...), &runtimev1.TopicEventRequest{Id: "1", Source: "s", Type: "t", SpecVersion: "1.0",
			DataContentType: "text/plain", Topic: "orders", PubsubName: "bus", Path: "/incoming", Data: []byte(data)})
		switch {
		case status.Code(err) == codes.Unimplemented:
			return dropped
		case err != nil:
			return redelivered
		case answer.GetStatus() == runtimev1.TopicEventResponse_DROP:
			return dropped
		case answer.GetStatus() == runtimev1.TopicEventResponse_SUCCESS:
			return acknowledged
		}
		return redelivered
	}
	code, body := d.post("/incoming", cloudEventType, `{"id":"1","source":"s","type":"t","specversion":"1.0","datacontenttype":"text/plain",
		"topic":"orders","pubsubname":"bus","data":"`+data+`"}`, trace...)
	var answer struct{ Status string }
	switch err := json.Unmarshal([]byte(body), &answer); {
	case code == http.StatusNotFound:
		return dropped
	case code > 299:
		return redelivered
	case err != nil || answer.Status == "" || answer.Status == statusSuccess:
		return acknowledged
	case answer.Status == statusDrop:
		return dropped
	}
	return redelivered
}

// binding delivers a binding's event as daprd would, and returns what the function said.
func (d daprd) binding(data string, trace ...string) (verdict, string) {
	d.w.t.Helper()
	if d.grpc != nil {
		answer, err := d.grpc.OnBindingEvent(withToken(trace...), &runtimev1.BindingEventRequest{Name: "cron", Data: []byte(data),
			Metadata: map[string]string{"about": "it"}})
		if err != nil {
			return redelivered, status.Convert(err).Message()
		}
		return acknowledged, string(answer.GetData())
	}
	code, body := d.post("/cron", jsonType, data, append(trace, "About", "it")...)
	if code > 299 {
		return redelivered, body
	}
	return acknowledged, body
}

// invoke calls the function as another application would.
func (d daprd) invoke(method, data string) (bool, string) {
	d.w.t.Helper()
	if d.grpc != nil {
		answer, err := d.grpc.OnInvoke(withToken(), &commonv1.InvokeRequest{Method: method, Data: &anypb.Any{Value: []byte(data)},
			HttpExtension: &commonv1.HTTPExtension{Verb: commonv1.HTTPExtension_PUT}})
		return err == nil, string(answer.GetData().GetValue())
	}
	code, body := d.do(http.MethodPut, "/"+method, "text/plain", data, tokenHeader, testToken)
	return code < 300, body
}

// questions asks what daprd asks at its start.
func (d daprd) questions() (bindings, topics string) {
	d.w.t.Helper()
	if d.grpc != nil {
		b, err := d.grpc.ListInputBindings(context.Background(), &emptypb.Empty{})
		if err != nil {
			d.w.t.Fatal(err)
		}
		s, err := d.grpc.ListTopicSubscriptions(context.Background(), &emptypb.Empty{})
		if err != nil {
			d.w.t.Fatal(err)
		}
		for _, s := range s.GetSubscriptions() {
			topics += s.GetPubsubName() + "/" + s.GetTopic() + s.GetRoutes().GetDefault()
		}
		return strings.Join(b.GetBindings(), ","), topics
	}
	for _, path := range []string{"/cron", "/unknown"} {
		if code, _ := d.do(http.MethodOptions, path, "", "", tokenHeader, testToken); code == http.StatusOK {
			bindings += path[1:]
		}
	}
	_, text := d.do(http.MethodGet, pathSubscribe, "", "", tokenHeader, testToken)
	if text == `[{"pubsubname":"bus","topic":"orders","route":"/incoming"}]` {
		topics = "bus/orders/incoming"
	}
	return bindings, topics
}

func (w *world) eventually(what string, is func() bool) {
	w.t.Helper()
	for start := time.Now(); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > patience {
			w.t.Fatalf("waited in vain: %s", what)
		}
	}
}

// ways runs a test with every pair of protocols.
func ways(t *testing.T, test func(t *testing.T, app, fn Protocol)) {
	t.Helper()
	for _, app := range []Protocol{GRPC, HTTP} {
		for _, fn := range []Protocol{GRPC, HTTP} {
			t.Run(string(app+"-"+fn), func(t *testing.T) {
				t.Parallel()
				test(t, app, fn)
			})
		}
	}
}

// nowhere is an address where nobody listens but who is told it.
func nowhere(t *testing.T) string {
	t.Helper()
	address, err := ports.Address()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := net.LookupPort("tcp", text)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func nameOf(port int) string { return fmt.Sprint(port) }
