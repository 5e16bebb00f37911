// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	runtimev1 "github.com/dapr/dapr/pkg/proto/runtime/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

func TestQuestionsAreAnsweredWhileTheFunctionIsAtZero(t *testing.T) {
	ways(t, func(t *testing.T, app, fn Protocol) {
		w := start(t, config(t, app, fn, nowhere(t)))
		bindings, topics := w.daprd().questions()
		if bindings != "cron" || topics != "bus/orders/incoming" {
			t.Errorf("bindings %q, topics %q", bindings, topics)
		}
	})
}

func TestEventsReachTheFunctionAndAnswersDaprd(t *testing.T) {
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	ways(t, func(t *testing.T, app, fn Protocol) {
		f := &function{answer: func(h heard) said {
			if h.name == "cron" {
				return said{body: "done"}
			}
			return said{}
		}}
		address, _ := f.serve(t, fn, "127.0.0.1:0")
		c := config(t, app, fn, address)
		c.FunctionAuthority = "fn.example"
		w := start(t, c)
		d := w.daprd()
		if v := d.topic("hello", traceParent, trace, "tracestate", "a=b", "baggage", "k=v"); v != acknowledged {
			t.Errorf("the topic's event was %s", v)
		}
		if v, body := d.binding("tick", traceParent, trace, "tracestate", "a=b", "baggage", "k=v"); v != acknowledged || body != "done" {
			t.Errorf("the binding's event was %s, with %q", v, body)
		}
		calls := f.all()
		if len(calls) != 2 || calls[0].data != "hello" || calls[1].name != "cron" || calls[1].data != "tick" {
			t.Fatalf("the function heard %v", calls)
		}
		for _, h := range calls {
			if h.trace != trace || h.header("tracestate") != "a=b" || h.header("baggage") != "k=v" {
				t.Errorf("%s: trace %q %q %q", h.name, h.trace, h.header("tracestate"), h.header("baggage"))
			}
			if h.header(tokenHeader) != testToken {
				t.Errorf("%s: the function got the token %q", h.name, h.header(tokenHeader))
			}
			if fn == GRPC && h.header(":authority") != "fn.example" || fn == HTTP && h.header("host") != "fn.example" {
				t.Errorf("%s: authority %q, host %q", h.name, h.header(":authority"), h.header("host"))
			}
		}
		if e := calls[0].topic; fn == GRPC && (e.GetId() != "1" || e.GetPubsubName() != "bus" || e.GetTopic() != "orders" || e.GetPath() != "/incoming") {
			t.Errorf("the event became %v", e)
		}
		if fn == HTTP && calls[0].name != "incoming" {
			t.Errorf("the event went to %q", calls[0].name)
		}
	})
}

func TestABindingMayHaveATopicsName(t *testing.T) {
	f := &function{}
	address, _ := f.serve(t, GRPC, "127.0.0.1:0")
	c := config(t, HTTP, GRPC, address)
	c.Triggers = `[{"component":"incoming","kind":"bindings"},{"component":"bus","kind":"pubsub","topic":"orders","path":"/incoming"}]`
	d := start(t, c).daprd()
	if code, _ := d.post("/incoming", jsonType, `{"a":1}`); code != http.StatusOK {
		t.Errorf("the binding's event got %d", code)
	}
	if v := d.topic("x"); v != acknowledged {
		t.Errorf("the topic's event was %s", v)
	}
	if got := d.bulk("one"); got != "0=SUCCESS raw=SUCCESS empty=RETRY" {
		t.Errorf("the bulk became %s", got)
	}
	if calls := f.all(); len(calls) != 4 || calls[0].name != "incoming" || calls[1].name != "orders" || calls[2].name != "orders" {
		t.Errorf("the function heard %v", calls)
	}
}

func TestOnlyTheFunctionAcknowledges(t *testing.T) {
	type answers = map[Protocol]said
	for name, c := range map[string]struct {
		says  answers
		topic verdict
		bound verdict
	}{
		"Success": {answers{GRPC: {}, HTTP: {code: 200}}, acknowledged, acknowledged},
		"Retry": {answers{GRPC: {topic: runtimev1.TopicEventResponse_RETRY}, HTTP: {body: `{"status":"RETRY"}`}},
			redelivered, acknowledged},
		"Drop":    {answers{GRPC: {topic: runtimev1.TopicEventResponse_DROP}, HTTP: {body: `{"status":"DROP"}`}}, dropped, acknowledged},
		"Failure": {answers{GRPC: {err: errors.New("no")}, HTTP: {code: 500}}, redelivered, redelivered},
		"Busy":    {answers{GRPC: {err: status.Error(codes.Unavailable, "no")}, HTTP: {code: 503}}, redelivered, redelivered},
		// daprd would take these for "drop it", but they are no word about the event.
		"NoHandler": {answers{GRPC: {err: status.Error(codes.Unimplemented, "no")}, HTTP: {code: 404}}, redelivered, redelivered},
		"Redirect":  {answers{GRPC: {err: status.Error(codes.Aborted, "no")}, HTTP: {code: 302}}, redelivered, redelivered},
		"WrongToken": {answers{GRPC: {err: status.Error(codes.Unauthenticated, "no")}, HTTP: {code: 401}},
			redelivered, redelivered},
		// The Dapr SDK for Go says so in words, and over HTTP with a status of success.
		"WrongTokenInSDK": {answers{GRPC: {err: errors.New("authentication failed: app token mismatch")},
			HTTP: {code: 203, body: "authentication failed."}}, redelivered, redelivered},
		"Strange": {answers{GRPC: {topic: 7}, HTTP: {body: `{"status":"MAYBE"}`}}, redelivered, acknowledged},
	} {
		t.Run(name, func(t *testing.T) {
			ways(t, func(t *testing.T, app, fn Protocol) {
				f := &function{answer: func(heard) said { return c.says[fn] }}
				address, _ := f.serve(t, fn, "127.0.0.1:0")
				d := start(t, config(t, app, fn, address)).daprd()
				if v := d.topic("x"); v != c.topic {
					t.Errorf("the topic's event was %s, not %s", v, c.topic)
				}
				if v, _ := d.binding("x"); v != c.bound {
					t.Errorf("the binding's event was %s, not %s", v, c.bound)
				}
				if n := len(f.all()); n != 2 {
					t.Errorf("the function was asked %d times for 2 events", n)
				}
			})
		})
	}
}

func TestInvocationsAreForwarded(t *testing.T) {
	ways(t, func(t *testing.T, app, fn Protocol) {
		f := &function{answer: func(h heard) said { return said{body: h.name + " " + h.data} }}
		address, _ := f.serve(t, fn, "127.0.0.1:0")
		d := start(t, config(t, app, fn, address)).daprd()
		if ok, body := d.invoke("some/method", "hi"); !ok || body != "some/method hi" {
			t.Errorf("%t %q", ok, body)
		}
	})
}

func TestAFailedInvocationIsNotRepeated(t *testing.T) {
	for _, fn := range []Protocol{GRPC, HTTP} {
		t.Run(string(fn), func(t *testing.T) {
			var stop func()
			f := &function{}
			f.answer = func(heard) said {
				stop()
				return said{}
			}
			address, halt := f.serve(t, fn, "127.0.0.1:0")
			stop = func() { go halt() }
			block := make(chan struct{})
			t.Cleanup(func() { close(block) })
			first := f.answer
			f.answer = func(h heard) said {
				first(h)
				<-block
				return said{}
			}
			d := start(t, config(t, fn, fn, address)).daprd()
			if ok, _ := d.invoke("pay", "10"); ok {
				t.Error("an invocation whose connection broke succeeded")
			}
			if n := len(f.all()); n != 1 {
				t.Errorf("the function was asked %d times", n)
			}
		})
	}
}

func TestAnEventWhoseConnectionBrokeIsRepeated(t *testing.T) {
	ways(t, func(t *testing.T, app, fn Protocol) {
		broken, block := make(chan struct{}), make(chan struct{})
		var once sync.Once
		first := &function{answer: func(heard) said {
			once.Do(func() { close(broken) })
			<-block
			return said{}
		}}
		address, stop := first.serve(t, fn, nowhere(t))
		t.Cleanup(func() { close(block) })
		w := start(t, config(t, app, fn, address))
		got := make(chan verdict, 1)
		go func() { got <- w.daprd().topic("x") }()
		<-broken
		go stop()
		second := &function{}
		w.eventually("the address is free", func() bool {
			select {
			case v := <-got:
				t.Errorf("the event was %s before there was a function", v)
				return true
			default:
			}
			return listens(t, second, fn, address)
		})
		if v := <-got; v != acknowledged || len(second.all()) != 1 {
			t.Errorf("the event was %s, and the second function heard %d", v, len(second.all()))
		}
	})
}

func listens(t *testing.T, f *function, fn Protocol, address string) bool {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	f.serveOn(t, fn, l)
	return true
}

func TestEventsWaitForAFunctionAtZero(t *testing.T) {
	ways(t, func(t *testing.T, app, fn Protocol) {
		address := nowhere(t)
		w := start(t, config(t, app, fn, address))
		d, got := w.daprd(), make(chan verdict, 10)
		for range cap(got) {
			go func() { got <- d.topic("x") }()
		}
		w.eventually("all wait", func() bool { return w.agent.pending.calls.Load() == 10 })
		f := &function{}
		f.serve(t, fn, address)
		for range cap(got) {
			if v := <-got; v != acknowledged {
				t.Errorf("the event was %s", v)
			}
		}
		if b := w.agent.pending.bytes.Load(); b != 0 {
			t.Errorf("%d bytes are still charged", b)
		}
	})
}

func TestAnEventIsHeldNoLongerThanToldTo(t *testing.T) {
	ways(t, func(t *testing.T, app, fn Protocol) {
		c := config(t, app, fn, nowhere(t))
		c.Hold = 50 * time.Millisecond
		if v, why := start(t, c).daprd().binding("x"); v != redelivered || !strings.Contains(why, "no replica of the function") {
			t.Errorf("the event was %s: %s", v, why)
		}
	})
}

func TestAFunctionThatIsTooSlowIsAskedOnce(t *testing.T) {
	ways(t, func(t *testing.T, app, fn Protocol) {
		block := make(chan struct{})
		t.Cleanup(func() { close(block) })
		// On a busy machine the time may be over before the function heard anything, which shows nothing.
		for timeout := 50 * time.Millisecond; timeout < patience; timeout *= 4 {
			f := &function{answer: func(heard) said {
				<-block
				return said{}
			}}
			address, _ := f.serve(t, fn, "127.0.0.1:0")
			c := config(t, app, fn, address)
			c.AnswerTimeout = timeout
			if v, why := start(t, c).daprd().binding("x"); v != redelivered || !strings.Contains(why, "did not answer in time") {
				t.Errorf("the event was %s: %s", v, why)
			}
			switch n := len(f.all()); {
			case n == 1:
				return
			case n > 1:
				t.Fatalf("the function was asked %d times", n)
			}
		}
		t.Error("the function was never asked")
	})
}

func TestMoreThanTheBudgetIsRefusedAtOnce(t *testing.T) {
	ways(t, func(t *testing.T, app, fn Protocol) {
		c := config(t, app, fn, nowhere(t))
		c.MaxPendingBytes = c.largest() + costOfCall
		w := start(t, c)
		d, got := w.daprd(), make(chan string, 5)
		for range cap(got) {
			go func() {
				v, why := d.binding(strings.Repeat("x", 60<<10))
				got <- string(v) + why
			}()
		}
		fit := 2 // a stream costs less than a connection
		if app == HTTP {
			fit = 1
		}
		for range cap(got) - fit {
			if why := <-got; !strings.Contains(why, "holds as many events as it may") {
				t.Error(why)
			}
		}
		if n, b := w.agent.pending.calls.Load(), w.agent.pending.bytes.Load(); n != int64(fit) || b > c.MaxPendingBytes {
			t.Errorf("%d events with %d bytes are pending", n, b)
		}
		(&function{}).serve(t, fn, c.FunctionAddress)
		for range fit {
			if v := <-got; v != string(acknowledged) {
				t.Errorf("an event that fit was %s", v)
			}
		}
	})
}

func TestTooLargeIsRefused(t *testing.T) {
	ways(t, func(t *testing.T, app, fn Protocol) {
		f := &function{}
		address, _ := f.serve(t, fn, "127.0.0.1:0")
		w := start(t, config(t, app, fn, address))
		if v, why := w.daprd().binding(strings.Repeat("x", 130<<10)); v != redelivered || !strings.Contains(why, "larger than") {
			t.Errorf("the event was %s: %s", v, why)
		}
		if app == HTTP {
			r, err := http.NewRequest(http.MethodPost, "http://"+w.app()+"/cron", io.MultiReader(strings.NewReader(strings.Repeat("x", 200<<10))))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set(tokenHeader, testToken)
			response, err := http.DefaultClient.Do(r)
			if err != nil || response.StatusCode != http.StatusRequestEntityTooLarge {
				t.Fatalf("without a length: %v %v", response, err)
			}
			_ = response.Body.Close()
		}
		if len(f.all()) != 0 {
			t.Error("the function heard of it")
		}
		if b := w.agent.pending.bytes.Load(); b != 0 {
			t.Errorf("%d bytes are still charged", b)
		}
	})
}

func TestTokenIsWanted(t *testing.T) {
	for _, app := range []Protocol{GRPC, HTTP} {
		t.Run(string(app), func(t *testing.T) {
			f := &function{}
			address, _ := f.serve(t, app, "127.0.0.1:0")
			w := start(t, config(t, app, app, address))
			d := w.daprd()
			for _, given := range [][]string{nil, {""}, {"wrong"}, {testToken + " "}, {"wrong", testToken}, {testToken, testToken}} {
				if app == HTTP {
					r, err := http.NewRequest(http.MethodPost, "http://"+w.app()+"/cron", strings.NewReader("x"))
					if err != nil {
						t.Fatal(err)
					}
					r.Header[http.CanonicalHeaderKey(tokenHeader)] = given
					response, err := http.DefaultClient.Do(r)
					if err != nil {
						t.Fatal(err)
					}
					_ = response.Body.Close()
					if response.StatusCode != http.StatusUnauthorized && given[0] != testToken+" " { // HTTP trims
						t.Errorf("%d headers of a token gave %d", len(given), response.StatusCode)
					}
					continue
				}
				_, err := d.grpc.OnBindingEvent(metadata.NewOutgoingContext(context.Background(), metadata.MD{tokenHeader: given}),
					&runtimev1.BindingEventRequest{Name: "cron"})
				if status.Code(err) != codes.Unauthenticated && (given == nil || given[0] != testToken+" ") {
					t.Errorf("%d tokens gave %v", len(given), err)
				}
			}
			if n := len(f.all()); n > 1 {
				t.Errorf("the function heard %d events", n)
			}
		})
	}
}

func TestRotationIsUnseen(t *testing.T) {
	ways(t, func(t *testing.T, app, fn Protocol) {
		var knows atomic.Value
		knows.Store(testToken)
		f := &function{answer: func(h heard) said {
			if h.header(tokenHeader) != knows.Load() {
				return said{err: status.Error(codes.Unauthenticated, "no"), code: http.StatusUnauthorized}
			}
			return said{}
		}}
		address, _ := f.serve(t, fn, "127.0.0.1:0")
		c := config(t, app, fn, address)
		w := start(t, c)
		d := w.daprd()
		writeToken(t, c.TokenDir, precedingToken, testToken)
		writeToken(t, c.TokenDir, currentToken, "next")
		w.eventually("the token is taken", func() bool { return w.agent.tokens.now.Load().values[0] == "next" })
		for range 3 {
			if v := d.topic("x"); v != acknowledged {
				t.Errorf("with a function that knows the old token the event was %s", v)
			}
		}
		if n := len(f.all()); n != 4 {
			t.Errorf("the function was asked %d times for 3 events: the agent does not remember which token it knows", n)
		}
		if ok, _ := d.invoke("m", "x"); !ok {
			t.Error("an invocation failed")
		}
		knows.Store("next")
		if v := d.topic("x"); v != acknowledged {
			t.Errorf("with a function that knows the new token the event was %s", v)
		}
	})
}

func TestDrain(t *testing.T) {
	ways(t, func(t *testing.T, app, fn Protocol) {
		working, finish := make(chan struct{}), make(chan struct{})
		f := &function{answer: func(heard) said {
			close(working)
			<-finish
			return said{}
		}}
		address, _ := f.serve(t, fn, "127.0.0.1:0")
		w := start(t, config(t, app, fn, address))
		d, got := w.daprd(), make(chan verdict, 1)
		if !healthy(w, d) || page(w, pathReady) != http.StatusOK {
			t.Error("the agent is not healthy")
		}
		go func() { got <- d.topic("x") }()
		<-working
		w.stop()
		w.eventually("the agent drains", func() bool { return w.agent.pending.draining.Load() })
		if healthy(w, d) || page(w, pathReady) == http.StatusOK || page(w, pathHealth) != http.StatusOK {
			t.Error("a draining agent is alive, and neither ready nor healthy")
		}
		if v, why := d.binding("x"); v != redelivered || !strings.Contains(why, "about to stop") {
			t.Errorf("a new event was %s: %s", v, why)
		}
		close(finish)
		if v := <-got; v != acknowledged {
			t.Errorf("the pending event was %s", v)
		}
		if err := <-w.ended; err != nil {
			t.Error(err)
		}
	})
}

func healthy(w *world, d daprd) bool {
	if d.grpc == nil {
		code, _ := d.do(http.MethodGet, pathHealth, "", "")
		return code == http.StatusOK
	}
	_, err := runtimev1.NewAppCallbackHealthCheckClient(w.conn()).HealthCheck(context.Background(), &emptypb.Empty{})
	return err == nil
}

func page(w *world, path string) int {
	response, err := http.Get("http://" + loopback(w.agent.status) + path)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

func TestDrainEnds(t *testing.T) {
	ways(t, func(t *testing.T, app, fn Protocol) {
		c := config(t, app, fn, nowhere(t))
		c.Drain = 50 * time.Millisecond
		w := start(t, c)
		d, got := w.daprd(), make(chan string, 1)
		go func() {
			_, why := d.binding("x")
			got <- why
		}()
		w.eventually("the event waits", func() bool { return w.agent.pending.calls.Load() == 1 })
		w.stop()
		if why := <-got; !strings.Contains(why, "about to stop") {
			t.Error(why)
		}
		if err := <-w.ended; err != nil {
			t.Error(err)
		}
	})
}

func TestOneReplicaGetsNoMoreThanItMay(t *testing.T) {
	var now, tooMany atomic.Int64
	full := make(chan struct{})
	f := &function{answer: func(heard) said {
		switch n := now.Add(1); {
		case n == 3:
			select {
			case <-full:
			default:
				close(full)
			}
		case n > 3:
			tooMany.Store(n)
		}
		<-full // the first wait for the third
		time.Sleep(2 * time.Millisecond)
		now.Add(-1)
		return said{}
	}}
	address, _ := f.serve(t, GRPC, "127.0.0.1:0")
	c := config(t, GRPC, GRPC, address)
	c.MaxInFlight = 3
	d := start(t, c).daprd()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if v := d.topic("x"); v != acknowledged {
				t.Errorf("the event was %s", v)
			}
		})
	}
	all.Wait()
	if n := tooMany.Load(); n > 0 {
		t.Errorf("the replica had %d events at once", n)
	}
}

func TestBulksAreTakenApart(t *testing.T) {
	ways(t, func(t *testing.T, app, fn Protocol) {
		f := &function{answer: func(h heard) said {
			switch h.data {
			case "bad":
				return said{err: errors.New("no"), code: 500}
			case "drop":
				return said{topic: runtimev1.TopicEventResponse_DROP, body: `{"status":"DROP"}`}
			}
			return said{}
		}}
		address, _ := f.serve(t, fn, "127.0.0.1:0")
		d := start(t, config(t, app, fn, address)).daprd()
		got := d.bulk("good", "bad", "drop", "fine")
		if want := "0=SUCCESS 1=RETRY 2=DROP 3=SUCCESS raw=SUCCESS empty=RETRY"; got != want {
			t.Errorf("%s, not %s", got, want)
		}
		calls := f.all()
		if len(calls) != 5 || calls[4].data != "raw data" {
			t.Errorf("the function heard %d events: %v", len(calls), calls)
		}
		if calls[0].header("key") != "of 0" || calls[0].header(tokenHeader) != testToken {
			t.Errorf("metadata %q, token %q", calls[0].header("key"), calls[0].header(tokenHeader))
		}
	})
}

// bulk delivers events at once, with one raw payload and one empty entry at the end.
func (d daprd) bulk(events ...string) string {
	d.w.t.Helper()
	var out []string
	if d.grpc != nil {
		request := &runtimev1.TopicEventBulkRequest{Id: "b", Topic: "orders", PubsubName: "bus", Path: "/incoming", Type: bulkType}
		for i, data := range events {
			request.Entries = append(request.Entries, &runtimev1.TopicEventBulkRequestEntry{EntryId: string(rune('0' + i)),
				Metadata: map[string]string{"Key": "of " + string(rune('0'+i)), tokenHeader: "evil"},
				Event: &runtimev1.TopicEventBulkRequestEntry_CloudEvent{CloudEvent: &runtimev1.TopicEventCERequest{Id: "x", Source: "s", Type: "t",
					SpecVersion: "1.0", DataContentType: "text/plain", Data: []byte(data), Extensions: &structpb.Struct{}}}})
		}
		request.Entries = append(request.Entries,
			&runtimev1.TopicEventBulkRequestEntry{EntryId: "raw", Event: &runtimev1.TopicEventBulkRequestEntry_Bytes{Bytes: []byte("raw data")}},
			&runtimev1.TopicEventBulkRequestEntry{EntryId: "empty"})
		answer, err := d.grpc.OnBulkTopicEvent(withToken(), request)
		if err != nil {
			d.w.t.Fatal(err)
		}
		for _, s := range answer.GetStatuses() {
			out = append(out, s.GetEntryId()+"="+s.GetStatus().String())
		}
		return strings.Join(out, " ")
	}
	type object = map[string]any
	var entries []object
	for i, data := range events {
		entries = append(entries, object{"entryId": string(rune('0' + i)), "contentType": cloudEventType,
			"metadata": object{"Key": "of " + string(rune('0'+i)), tokenHeader: "evil"},
			"event": object{"id": "x", "source": "s", "type": "t", "specversion": "1.0", "datacontenttype": "text/plain",
				"topic": "orders", "pubsubname": "bus", "data": data}})
	}
	entries = append(entries, object{"entryId": "raw", "event": "cmF3IGRhdGE=", "metadata": nil}, object{"entryId": "empty"})
	text, err := json.Marshal(object{"id": "b", "type": bulkType, "topic": "orders", "pubsub": "bus", "entries": entries})
	if err != nil {
		d.w.t.Fatal(err)
	}
	code, body := d.post("/incoming", jsonType, string(text))
	var answer bulkAnswer
	if err := json.Unmarshal([]byte(body), &answer); err != nil || code != http.StatusOK {
		d.w.t.Fatal(code, body, err)
	}
	for _, s := range answer.Statuses {
		out = append(out, s.EntryID+"="+s.Status)
	}
	return strings.Join(out, " ")
}

func TestOtherServicesOfTheFunctionAreReached(t *testing.T) {
	l := nowhere(t)
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		for {
			message := &emptypb.Empty{}
			if err := stream.RecvMsg(message); errors.Is(err, io.EOF) {
				return status.Error(codes.OutOfRange, "enough")
			} else if err != nil {
				return err
			}
			if err := stream.SendMsg(message); err != nil {
				return err
			}
		}
	}))
	serveAt(t, server, l)
	w := start(t, config(t, GRPC, GRPC, l))
	stream, err := w.conn().NewStream(withToken(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/other.Service/Talk")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := errors.Join(stream.SendMsg(&emptypb.Empty{}), stream.RecvMsg(&emptypb.Empty{})); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(&emptypb.Empty{}); status.Code(err) != codes.OutOfRange {
		t.Errorf("the stream ended with %v", err)
	}
	w.eventually("nothing is pending", func() bool { return w.agent.pending.calls.Load() == 0 })
}

func TestMetricsAreThere(t *testing.T) {
	f := &function{}
	address, _ := f.serve(t, GRPC, "127.0.0.1:0")
	w := start(t, config(t, GRPC, GRPC, address))
	w.daprd().topic("x")
	response, err := http.Get("http://" + loopback(w.agent.status) + pathMetrics)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`openfunction_agent_events_total{kind="topic",result="success"} 1`, `openfunction_agent_event_duration_seconds_count{kind="topic"} 1`,
		"openfunction_agent_pending_events 0", "openfunction_agent_pending_bytes 0", "openfunction_agent_replicas 1",
		"openfunction_agent_resent_total 0", "openfunction_agent_reconnected_total 0",
	} {
		if !strings.Contains(string(text), want+"\n") {
			t.Errorf("no %s", want)
		}
	}
}
