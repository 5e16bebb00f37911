// SPDX-License-Identifier: Apache-2.0

package router

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/openfunction/openfunction/pkg/core/route"
)

// both runs a test over HTTP/1.1 and HTTP/2.
func both(t *testing.T, test func(t *testing.T, w *world, client *http.Client)) {
	for _, two := range []bool{false, true} {
		t.Run(map[bool]string{false: "HTTP1", true: "HTTP2"}[two], func(t *testing.T) {
			w := newWorld(t, nil)
			test(t, w, map[bool]*http.Client{false: w.one, true: w.two}[two])
		})
	}
}

// seen is a request as a function gets it.
type seen struct {
	Proto, Method, Host, URI string
	Length                   int64
	Coding                   []string
	Header                   http.Header
	Body                     string
}

// echo answers with what it sees.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	text, _ := json.Marshal(seen{r.Proto, r.Method, r.Host, r.RequestURI, r.ContentLength, r.TransferEncoding, r.Header, string(body)})
	_, _ = w.Write(text)
}

func (w *world) seen(client *http.Client, req *http.Request) seen {
	w.t.Helper()
	status, text := w.do(client, req)
	s := seen{}
	if err := json.Unmarshal([]byte(text), &s); err != nil || status != 200 {
		w.t.Fatalf("%d %q: %v", status, text, err)
	}
	return s
}

func TestAFunctionSeesTheRequestAsItWasMade(t *testing.T) {
	both(t, func(t *testing.T, w *world, client *http.Client) {
		w.leads("fn", w.backend("a", echo))
		proto := map[*http.Client]string{w.one: "HTTP/1.1", w.two: "HTTP/2.0"}[client]
		trace := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		req := w.request(http.MethodPut, "fn.shop.svc.cluster.local:80", "/a//b%2Fc/../d?x=1;y=%zz&z", strings.NewReader("body"))
		req.Header = http.Header{"Traceparent": {trace}, "X-Custom": {"1", "2"}, "User-Agent": {""}, "Cookie": {"a=b"}}
		got := w.seen(client, req)
		want := seen{proto, http.MethodPut, "a.shop.svc.cluster.local", "/a//b%2Fc/../d?x=1;y=%zz&z", 4, nil, http.Header{
			"Traceparent": {trace}, "X-Custom": {"1", "2"}, "Cookie": {"a=b"}, "Content-Length": {"4"},
			"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Host": {"fn.shop.svc.cluster.local:80"}, "X-Forwarded-Proto": {"http"},
		}, "body"}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}

func TestWhatCameBeforeIsKept(t *testing.T) {
	both(t, func(t *testing.T, w *world, client *http.Client) {
		w.leads("fn", w.backend("a", echo))
		req := w.request(http.MethodGet, "shop.example.com", "/", nil)
		req.Header = http.Header{"X-Forwarded-For": {"10.1.1.1", "10.2.2.2"}, "X-Forwarded-Host": {"example.com"}, "X-Forwarded-Proto": {"https"},
			"Forwarded": {"for=10.1.1.1"}, route.Header: {"shop/fn"}, "User-Agent": {"test"}}
		got := w.seen(client, req).Header
		want := http.Header{"X-Forwarded-For": {"10.1.1.1, 10.2.2.2, 127.0.0.1"}, "X-Forwarded-Host": {"example.com"}, "X-Forwarded-Proto": {"https"},
			"Forwarded": {"for=10.1.1.1"}, "User-Agent": {"test"}}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}

// TestWhatIsSaidToTheRouterEndsThere looks at the bytes, because net/http hides some of the headers.
func TestWhatIsSaidToTheRouterEndsThere(t *testing.T) {
	w := newWorld(t, nil)
	l, requests := rawBackend(t, func(n int, c net.Conn) {
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nConnection: X-Private\r\nX-Private: 1\r\nKeep-Alive: 5\r\nX-Public: 1\r\nContent-Length: 0\r\n\r\n")
	})
	w.leads("fn", w.listens("a", l))
	req := w.request(http.MethodGet, "fn.shop", "/", nil)
	req.Header = http.Header{"Connection": {"X-Hop, keep-alive"}, "X-Hop": {"1"}, "Keep-Alive": {"1"}, "Proxy-Authorization": {"1"}, "Te": {"gzip, trailers"},
		"Upgrade": {"h2c"}, "Http2-Settings": {"1"}, "User-Agent": {"test"}, "X-Forwarded-Host": {"x"}}
	req.Header["Connection"] = append(req.Header["Connection"], "Upgrade, HTTP2-Settings")
	res, err := w.one.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	res.Header.Del("Date")
	if d := cmp.Diff(http.Header{"X-Public": {"1"}, "Content-Length": {"0"}}, res.Header); d != "" {
		t.Errorf("the answer: %s", d)
	}
	want := "GET / HTTP/1.1\r\nHost: a.shop.svc.cluster.local\r\nUser-Agent: test\r\nTe: trailers\r\nX-Forwarded-For: 127.0.0.1\r\n" +
		"X-Forwarded-Host: x\r\nX-Forwarded-Proto: http\r\n\r\n"
	if d := cmp.Diff(want, (<-requests)); d != "" {
		t.Errorf("the request: %s", d)
	}
}

// rawBackend listens, hands out the head of each request it reads, and lets answer write to the n-th.
func rawBackend(t testing.TB, answer func(n int, c net.Conn)) (address string, requests chan string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	requests = make(chan string, 1000)
	var number atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				reader := bufio.NewReader(c)
				for {
					head := strings.Builder{}
					for !strings.HasSuffix(head.String(), "\r\n\r\n") {
						line, err := reader.ReadString('\n')
						if err != nil {
							return
						}
						head.WriteString(line)
					}
					requests <- head.String()
					answer(int(number.Add(1)), c)
				}
			}()
		}
	}()
	return l.Addr().String(), requests
}

func TestRequestsWithoutABodyHaveNone(t *testing.T) {
	both(t, func(t *testing.T, w *world, client *http.Client) {
		w.leads("fn", w.backend("a", func(rw http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			rw.Header().Set("Seen", fmt.Sprintf("%s %d %d %v %q", r.Method, r.ContentLength, len(body), r.TransferEncoding, r.Header["Content-Length"]))
		}))
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "TRACE", "DELETE", "POST", "PUT", "PATCH", "PROPFIND"} {
			req := w.request(method, "fn.shop", "/", nil)
			req.Header.Set("Idempotency-Key", "1")
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			direct := map[bool]string{true: `["0"]`, false: "[]"}[method == "POST" || method == "PUT" || method == "PATCH"]
			if got, want := res.Header.Get("Seen"), method+" 0 0 [] "+direct; got != want {
				t.Errorf("the function saw %q, not %q", got, want)
			}
		}
	})
}

func TestAnswersAreHandedOnWhole(t *testing.T) {
	both(t, func(t *testing.T, w *world, client *http.Client) {
		w.leads("fn", w.backend("a", func(rw http.ResponseWriter, r *http.Request) {
			status := 0
			_, _ = fmt.Sscan(r.URL.Query().Get("status"), &status)
			rw.Header().Set("Location", "/elsewhere")
			rw.Header().Set("Content-Encoding", "gzip")
			rw.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
			rw.WriteHeader(status)
			if status != 204 && status != 304 {
				fmt.Fprint(rw, "not gzip at all")
			}
		}))
		for _, status := range []int{200, 201, 204, 301, 304, 404, 418, 500, 503} {
			res, err := client.Do(w.request(http.MethodGet, "fn.shop", fmt.Sprintf("/?status=%d", status), nil))
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if want := map[bool]string{true: "", false: "not gzip at all"}[status == 204 || status == 304]; res.StatusCode != status || string(body) != want ||
				len(res.Header["Set-Cookie"]) != 2 || res.Header.Get("Location") == "" || res.Header.Get("Content-Encoding") != "gzip" {
				t.Errorf("%d %q %v", res.StatusCode, body, res.Header)
			}
		}
	})
}

func TestEarlyHintsAndTrailersPass(t *testing.T) {
	both(t, func(t *testing.T, w *world, client *http.Client) {
		w.leads("fn", w.backend("a", func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Link", "</style.css>")
			rw.WriteHeader(http.StatusEarlyHints)
			body, _ := io.ReadAll(r.Body)
			rw.Header().Set("Trailer", "Announced")
			fmt.Fprintf(rw, "%s %s", body, r.Trailer.Get("Of-Client"))
			rw.Header().Set("Announced", "1")
			rw.Header().Set(http.TrailerPrefix+"Unannounced", "2")
		}))
		req := w.request(http.MethodPost, "fn.shop", "/", io.MultiReader(strings.NewReader("body")))
		req.Trailer = http.Header{"Of-Client": {"3"}}
		var hints atomic.Int64
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			if code == http.StatusEarlyHints && header.Get("Link") != "" {
				hints.Add(1)
			}
			return nil
		}}))
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || string(body) != "body 3" || hints.Load() != 1 {
			t.Errorf("%q, %d early hints: %v", body, hints.Load(), err)
		}
		if d := cmp.Diff(http.Header{"Announced": {"1"}, "Unannounced": {"2"}}, res.Trailer); d != "" {
			t.Error(d)
		}
	})
}

// TestStreamsAreNotHeldBack: each end waits for what the other one says, so anything held back is a deadlock.
func TestStreamsAreNotHeldBack(t *testing.T) {
	both(t, func(t *testing.T, w *world, client *http.Client) {
		w.leads("fn", w.backend("a", func(rw http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(rw).EnableFullDuplex()
			rw.Header().Set("Content-Type", "text/plain")
			rw.WriteHeader(200)
			rw.(http.Flusher).Flush()
			lines := bufio.NewScanner(r.Body)
			for lines.Scan() {
				fmt.Fprintf(rw, "heard %s\n", lines.Text())
				rw.(http.Flusher).Flush()
			}
		}))
		body, said := io.Pipe()
		res, err := client.Do(w.request(http.MethodPost, "fn.shop", "/", body))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		answers := bufio.NewScanner(res.Body)
		for i := range 20 {
			fmt.Fprintf(said, "%d\n", i)
			if !answers.Scan() || answers.Text() != fmt.Sprintf("heard %d", i) {
				t.Fatalf("%q: %v", answers.Text(), answers.Err())
			}
		}
		said.Close()
		if answers.Scan() {
			t.Errorf("more: %q", answers.Text())
		}
	})
}

func TestServerSentEventsComeAtOnce(t *testing.T) {
	both(t, func(t *testing.T, w *world, client *http.Client) {
		next := make(chan int)
		w.leads("fn", w.backend("a", func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "text/event-stream")
			for i := range next {
				fmt.Fprintf(rw, "data: %d\n\n", i)
				rw.(http.Flusher).Flush()
			}
		}))
		go func() { next <- 0 }()
		res, err := client.Do(w.request(http.MethodGet, "fn.shop", "/", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		lines := bufio.NewReader(res.Body)
		for i := range 10 {
			line, err := lines.ReadString('\n')
			if err != nil || line != fmt.Sprintf("data: %d\n", i) {
				t.Fatalf("%q: %v", line, err)
			}
			_, _ = lines.ReadString('\n')
			if i < 9 {
				next <- i + 1
			}
		}
		close(next)
	})
}

func TestWebsockets(t *testing.T) {
	w := newWorld(t, nil)
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }, Subprotocols: []string{"talk"}}
	w.leads("fn", w.backend("a", func(rw http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(rw, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		for {
			kind, text, err := c.ReadMessage()
			if err != nil {
				return
			}
			_ = c.WriteMessage(kind, append([]byte(r.Host+" heard "), text...))
		}
	}))
	w.draining.Store(true) // it says Connection: close, but not to these
	dialer := websocket.Dialer{Subprotocols: []string{"talk"}}
	c, res, err := dialer.Dial("ws"+strings.TrimPrefix(w.url, "http"), http.Header{"Host": {"fn.shop"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if res.StatusCode != 101 || c.Subprotocol() != "talk" || w.inFlight.Load() != 1 {
		t.Errorf("%d, %q, %d under way", res.StatusCode, c.Subprotocol(), w.inFlight.Load())
	}
	for i := range 10 {
		if err := c.WriteMessage(websocket.TextMessage, fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
		if _, text, err := c.ReadMessage(); err != nil || string(text) != fmt.Sprintf("a.shop.svc.cluster.local heard %d", i) {
			t.Fatalf("%q: %v", text, err)
		}
	}
	c.Close()
	eventually(t, func() bool { return w.inFlight.Load() == 0 && w.count(result1xx) == 1 })
}

// eventually waits until something is so.
func eventually(t testing.TB, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

// TestLargeBodiesAreNotBuffered sends 100 MiB there and back through a router with a function that reads when it is told to.
func TestLargeBodiesAreNotBuffered(t *testing.T) {
	const size = 100 << 20
	both(t, func(t *testing.T, w *world, client *http.Client) {
		w.leads("fn", w.backend("a", func(rw http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(rw).EnableFullDuplex()
			rw.Header().Set("Content-Length", fmt.Sprint(r.ContentLength))
			_, _ = io.CopyBuffer(struct{ io.Writer }{rw}, r.Body, make([]byte, 32<<10))
		}))
		var before, at runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		sum, peak := sha256.New(), uint64(0)
		body := &io.LimitedReader{R: random{}, N: size}
		req := w.request(http.MethodPost, "fn.shop", "/", io.TeeReader(body, sum))
		req.ContentLength = size
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		back, buffer := sha256.New(), make([]byte, 64<<10)
		for n := 0; ; n++ {
			read, err := res.Body.Read(buffer)
			back.Write(buffer[:read])
			if n%200 == 0 {
				runtime.ReadMemStats(&at)
				peak = max(peak, at.HeapInuse)
			}
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if hex.EncodeToString(back.Sum(nil)) != hex.EncodeToString(sum.Sum(nil)) {
			t.Error("what came back is something else")
		}
		if grown := int64(peak) - int64(before.HeapInuse); grown > 32<<20 {
			t.Errorf("client, router and function together took %d MiB", grown>>20)
		}
	})
}

// random reads without end.
type random struct{}

func (random) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i * 7)
	}
	return len(p), nil
}

// TestABodyMayBeAnsweredEarly: the function answers without reading, and the client gets that answer although it is still sending.
func TestABodyMayBeAnsweredEarly(t *testing.T) {
	both(t, func(t *testing.T, w *world, client *http.Client) {
		w.leads("fn", w.backend("a", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusForbidden) }))
		body, said := io.Pipe()
		defer said.Close()
		go func() { _, _ = io.Copy(said, random{}) }()
		req := w.request(http.MethodPost, "fn.shop", "/", body)
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusForbidden {
			t.Error(res.StatusCode)
		}
	})
}

func TestAClientThatGoesEndsTheRequest(t *testing.T) {
	both(t, func(t *testing.T, w *world, client *http.Client) {
		begun, ended := make(chan struct{}), make(chan struct{})
		w.leads("fn", w.backend("a", func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/amid" {
				fmt.Fprint(rw, "some")
				rw.(http.Flusher).Flush()
			}
			begun <- struct{}{}
			<-r.Context().Done()
			ended <- struct{}{}
		}))
		for i, path := range []string{"/before", "/amid"} {
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				res, err := client.Do(w.request(http.MethodGet, "fn.shop", path, nil).WithContext(ctx))
				if err == nil {
					_, _ = io.ReadAll(res.Body)
					res.Body.Close()
				}
			}()
			<-begun
			cancel()
			<-ended
			eventually(t, func() bool { return w.inFlight.Load() == 0 && w.count(resultGone) == i+1 })
		}
	})
}

// TestAnAnswerThatBreaksOffDoesSoForTheClient: it must not look whole, and harms no other request.
func TestAnAnswerThatBreaksOffDoesSoForTheClient(t *testing.T) {
	both(t, func(t *testing.T, w *world, client *http.Client) {
		w.leads("fn", w.backend("a", func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/whole" {
				return
			}
			fmt.Fprint(rw, "some")
			rw.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}))
		for i := range 5 {
			res, err := client.Do(w.request(http.MethodGet, "fn.shop", "/", nil))
			if err != nil {
				t.Fatal(err)
			}
			if text, err := io.ReadAll(res.Body); err == nil {
				t.Errorf("%q looks whole", text)
			}
			res.Body.Close()
			eventually(t, func() bool { return w.inFlight.Load() == 0 && w.count(resultBroken) == i+1 })
			status, _ := w.do(client, w.request(http.MethodGet, "fn.shop", "/whole", nil))
			if status != 200 {
				t.Error(status)
			}
		}
	})
}

// TestARequestIsSentAgainOnlyIfNothingWasSent counts what arrives at a function whose connections fail in every way.
func TestARequestIsSentAgainOnlyIfNothingWasSent(t *testing.T) {
	for _, idle := range []bool{false, true} {
		methods := []string{"GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"}
		if idle {
			methods = []string{"POST", "PATCH", "PROPFIND"}
		}
		t.Run(map[bool]string{false: "FreshConnection", true: "KeptConnection"}[idle], func(t *testing.T) {
			w := newWorld(t, func(c *Config) { c.ConnectPatience = 10 * time.Second })
			at, requests := rawBackend(t, func(n int, c net.Conn) {
				if idle && n%2 == 1 {
					fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					return
				}
				c.Close() // it did who knows what
			})
			w.leads("fn", w.listens("a", at))
			for _, method := range methods {
				if idle {
					status, text := w.get("fn.shop")
					w.expect(status, text, 200, "")
					<-requests
				}
				req := w.request(method, "fn.shop", "/", nil)
				req.Header.Set("Idempotency-Key", "1")
				status, text := w.do(w.one, req)
				if method == "HEAD" {
					text = "whether it did"
				}
				w.expect(status, text, 502, "whether it did")
				<-requests
				if more := len(requests); more != 0 {
					t.Errorf("%s was sent %d times", method, more+1)
				}
			}
		})
	}
}

// TestARequestIsRepeatedOnceWhenItMeetsTheEndOfAKeptConnection counts what arrives at a function that answers some requests on each connection
// and then, with a request before it, ends it in some way.
func TestARequestIsRepeatedOnceWhenItMeetsTheEndOfAKeptConnection(t *testing.T) {
	const kept = 4 // connections
	closes := func(c net.Conn) { c.Close() }
	resets := func(c net.Conn) {
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	for name, test := range map[string]struct {
		end     func(net.Conn)
		fresh   bool // a fresh connection is answered
		body    string
		methods []string
		status  int
		times   int
	}{
		"Closed":       {closes, true, "", []string{"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"}, 200, 2},
		"Reset":        {resets, true, "", []string{"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"}, 200, 2},
		"NotByProxies": {closes, true, "", []string{"POST", "PATCH", "PROPFIND"}, 502, 1},
		"WithABody":    {closes, true, "body", []string{"PUT", "DELETE", "POST"}, 502, 1},
		"AlwaysCloses": {closes, false, "", []string{"GET", "PUT"}, 502, 2},
		"AnsweredAByte": {func(c net.Conn) {
			fmt.Fprint(c, "H")
			c.Close()
		}, true, "", []string{"GET"}, 502, 1},
		"Slow": {func(net.Conn) { time.Sleep(100 * time.Millisecond) }, true, "", []string{"GET"}, 504, 1},
	} {
		t.Run(name, func(t *testing.T) {
			for _, method := range test.methods {
				w := newWorld(t, nil)
				if name == "Slow" {
					w.config.ResponseHeaderTimeout = 50 * time.Millisecond
					w.transports = newTransports(w.config, w.dial)
				}
				var mu sync.Mutex
				seen := map[net.Conn]int{}
				warm := sync.WaitGroup{}
				warm.Add(kept)
				at, requests := rawBackend(t, func(n int, c net.Conn) {
					mu.Lock()
					seen[c]++
					first := seen[c] == 1
					mu.Unlock()
					if n <= kept {
						warm.Done()
						warm.Wait()
					}
					if n <= kept || first && test.fresh {
						fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
						return
					}
					test.end(c)
				})
				w.leads("fn", w.listens("a", at))
				var group sync.WaitGroup
				for range kept {
					group.Go(func() { w.get("fn.shop") })
				}
				group.Wait()
				for range kept {
					<-requests
				}
				req := w.request(method, "fn.shop", "/", strings.NewReader(test.body))
				if test.body == "" {
					req = w.request(method, "fn.shop", "/", nil)
				}
				req.Header.Set("Idempotency-Key", "1")
				status, text := w.do(w.one, req)
				w.expect(status, text, test.status, "")
				if times := len(requests); times != test.times {
					t.Errorf("%s was sent %d times, not %d", method, times, test.times)
				}
				if got := int(testutil.ToFloat64(w.metrics.repeats)); got != test.times-1 {
					t.Errorf("%d repeats are counted", got)
				}
			}
		})
	}
}

// TestARepeatThatFindsNobody: something may have been done, so nobody is told that nothing was sent.
func TestARepeatThatFindsNobody(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.ConnectPatience = 50 * time.Millisecond })
	at, _ := rawBackend(t, func(n int, c net.Conn) {
		if n == 1 {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			return
		}
		w.listens("a", "")
		c.Close()
	})
	w.leads("fn", w.listens("a", at))
	status, text := w.get("fn.shop")
	w.expect(status, text, 200, "")
	status, text = w.get("fn.shop")
	w.expect(status, text, 502, "whether it did what was asked is not known")
}

func TestAConnectionIsTriedForAWhile(t *testing.T) {
	both(t, func(t *testing.T, w *world, client *http.Client) {
		w.config.ConnectPatience = 10 * time.Second
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at := l.Addr().String()
		l.Close() // nobody listens yet
		w.leads("fn", w.listens("a", at))
		var group sync.WaitGroup
		var served atomic.Int64
		for range 5 {
			group.Go(func() {
				status, text := w.do(client, w.request(http.MethodPost, "fn.shop", "/", strings.NewReader("body")))
				w.expect(status, text, 200, "body")
			})
		}
		time.Sleep(100 * time.Millisecond)
		if l, err = net.Listen("tcp", at); err != nil {
			t.Skip("somebody else took the port")
		}
		late := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			served.Add(1)
			_, _ = io.Copy(rw, r.Body)
		}))
		late.Config.Protocols = w.server().Protocols
		late.Listener.Close()
		late.Listener = l
		late.Start()
		defer late.Close()
		group.Wait()
		if served.Load() != 5 {
			t.Errorf("5 requests arrived %d times", served.Load())
		}
	})
}

// TestATryGoesWhereTheRouteLeadsThen: a backend that went is given up when the route changes, without the request failing.
func TestATryGoesWhereTheRouteLeadsThen(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.ConnectPatience = 10 * time.Second })
	w.leads("fn", route.Backend{Address: "gone.shop.svc.cluster.local:80", Host: "gone", Weight: 1})
	go func() {
		time.Sleep(100 * time.Millisecond)
		w.leads("fn", w.backend("a", says("hello")))
	}()
	status, text := w.get("fn.shop")
	w.expect(status, text, 200, "hello")
}

func TestABackendThatCannotBeReached(t *testing.T) {
	both(t, func(t *testing.T, w *world, client *http.Client) {
		w.config.ConnectPatience = 50 * time.Millisecond
		w.leads("fn", route.Backend{Address: "gone.shop.svc.cluster.local:80", Host: "gone", Weight: 1})
		status, text := w.do(client, w.request(http.MethodGet, "fn.shop", "/", nil))
		w.expect(status, text, 503, "The function shop/fn could not be reached for 50ms; nothing was sent to it")
		if w.count(resultAway) != 1 {
			t.Error("it is not counted")
		}
	})
}

func TestAFunctionThatIsSlowToAnswer(t *testing.T) {
	w := newWorld(t, nil)
	w.config.ResponseHeaderTimeout = 50 * time.Millisecond // less than Validate allows
	w.transports = newTransports(w.config, w.dial)
	w.leads("fn", w.backend("a", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	status, text := w.get("fn.shop")
	w.expect(status, text, 504, "did not begin to answer for 50ms")
}

func TestTheSwitchOfARouteFailsNoRequest(t *testing.T) {
	both(t, func(t *testing.T, w *world, client *http.Client) {
		slow := func(text string) http.HandlerFunc {
			return func(rw http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				time.Sleep(time.Millisecond)
				fmt.Fprintf(rw, "%s %s", text, body)
			}
		}
		a, b := w.backend("a", slow("a")), w.backend("b", slow("b"))
		w.leads("fn", a)
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		var requests, switches atomic.Int64
		for i := range 8 {
			group.Go(func() {
				for ctx.Err() == nil {
					body := fmt.Sprint(i, requests.Add(1))
					status, text := w.do(client, w.request(http.MethodPost, "fn.shop", "/", strings.NewReader(body)))
					w.expect(status, text, 200, " "+body)
				}
			})
		}
		for ; switches.Load() < 200; switches.Add(1) {
			w.leads("fn", [][]route.Backend{{a}, {b}, {a, b}}[switches.Load()%3]...)
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
		group.Wait()
		t.Logf("%d requests, %d changes", requests.Load(), switches.Load())
		if w.inFlight.Load() != 0 {
			t.Errorf("%d requests are still counted", w.inFlight.Load())
		}
	})
}

func TestTooManyRequestsAreRefused(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxRequests, c.MaxRequestsPerFunction = 3, 2 })
	begun, end := make(chan struct{}), make(chan struct{})
	held := w.backend("a", func(_ http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		<-end
	})
	w.leads("fn", held)
	w.leads("other", held)
	w.leads("third", w.backend("b", says("hello")))
	var group sync.WaitGroup
	hold := func(host string) {
		group.Go(func() {
			status, text := w.get(host)
			w.expect(status, text, 200, "")
		})
		<-begun
	}
	hold("fn.shop")
	hold("fn.shop")
	status, text := w.get("fn.shop")
	w.expect(status, text, 503, "too many requests for shop/fn under way")
	status, text = w.get("third.shop")
	w.expect(status, text, 200, "hello")
	hold("other.shop")
	status, text = w.get("third.shop")
	w.expect(status, text, 503, "too many requests under way")
	close(end)
	group.Wait()
	status, text = w.get("third.shop")
	w.expect(status, text, 200, "hello")
}

// TestConnectionsToBackendsAreKept: about as many as there were requests at once. One that is about to be free again may be too late for the next.
func TestConnectionsToBackendsAreKept(t *testing.T) {
	w := newWorld(t, nil)
	var mu sync.Mutex
	peers := map[string]bool{}
	w.leads("fn", w.backend("a", func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		peers[r.RemoteAddr] = true
	}))
	const clients = 20
	for range 20 {
		var group sync.WaitGroup
		for range clients {
			group.Go(func() { w.get("fn.shop") })
		}
		group.Wait()
	}
	if len(peers) > 2*clients {
		t.Errorf("%d connections for %d requests at once", len(peers), clients)
	}
}

func TestConnectionsOfClientsAreLimited(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	clients := newLimited(l, 2)
	accepted := make(chan net.Conn)
	go func() {
		for {
			c, err := clients.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- c
		}
	}()
	for range 3 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first := <-accepted
	<-accepted
	select {
	case <-accepted:
		t.Error("a third connection was taken")
	case <-time.After(50 * time.Millisecond):
	}
	first.Close()
	first.Close() // makes room once
	<-accepted
	clients.Close()
	if _, open := <-accepted; open {
		t.Error("a connection came after the end")
	}
}

func TestSlowHeadersAreCutOff(t *testing.T) {
	w := newWorld(t, nil)
	server := w.server()
	if server.ReadHeaderTimeout != readHeaderTimeout || server.ReadTimeout != 0 || server.WriteTimeout != 0 {
		t.Errorf("timeouts of the server: %+v", server)
	}
	server.ReadHeaderTimeout = 100 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	start := time.Now()
	go func() {
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(c, "%s", "GET / HTTP/1.1\r\nX: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"[i%40:i%40+1]); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	_, _ = io.ReadAll(c)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the connection lived for %s", took)
	}
}

func TestNoTunnels(t *testing.T) {
	w := newWorld(t, nil)
	c, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "CONNECT fn.shop:80 HTTP/1.1\r\nHost: fn.shop\r\n\r\n")
	line, _ := bufio.NewReader(c).ReadString('\n')
	if !strings.Contains(line, "400") {
		t.Error(line)
	}
}

// TestADrainingRouterAsksClientsToGo: at once with the next answer, on both protocols, and without breaking it.
func TestADrainingRouterAsksClientsToGo(t *testing.T) {
	both(t, func(t *testing.T, w *world, client *http.Client) {
		w.leads("fn", w.backend("a", says("hello")))
		var used []string
		for i := range 4 {
			if i == 2 {
				w.draining.Store(true)
			}
			req := w.request(http.MethodGet, "fn.shop", "/", nil)
			req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
				GotConn: func(info httptrace.GotConnInfo) { used = append(used, info.Conn.LocalAddr().String()) }}))
			status, text := w.do(client, req)
			w.expect(status, text, 200, "hello")
			time.Sleep(10 * time.Millisecond) // a GOAWAY comes after the answer
		}
		if used[0] != used[2] || used[2] == used[3] {
			t.Errorf("connections: %v", slices.Compact(used))
		}
	})
}
