// SPDX-License-Identifier: Apache-2.0

//go:build daprd

package daprd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openfunction/openfunction/test/agent/standin"
	"github.com/openfunction/openfunction/test/ports"
)

const (
	patience = 15 * time.Second
	back     = 5 * time.Second
	token    = "the-token-of-the-tests"
	appID    = "fn"
)

var programs, daprdProgram string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "agent-daprd-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		programs = dir
		root := filepath.Join("..", "..", "..")
		build := exec.Command("go", "build", "-o", dir, "./cmd/agent", "./test/agent/standin/standin")
		build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building: %v\n%s", err, out)
			return 1
		}
		component := exec.Command("go", "run", "-C", "hack/cluster", ".", "build", "dapr")
		component.Dir, component.Stderr = root, os.Stderr
		folder, err := component.Output()
		if err != nil {
			fmt.Fprintln(os.Stderr, "building daprd:", err)
			return 1
		}
		daprdProgram = filepath.Join(strings.TrimSpace(string(folder)), "daprd")
		return m.Run()
	}())
}

// components are a broker and a clock, redelivery what daprd does with what failed.
const components = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: bus}
spec: {type: pubsub.in-memory, version: v1}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: source}
spec:
  type: bindings.cron
  version: v1
  metadata:
  - {name: schedule, value: "@every 1s"}
`

const redelivery = `apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: redelivery}
spec:
  policies:
    retries:
      always: {policy: constant, duration: 100ms, maxRetries: -1}
  targets:
    components:
      bus: {inbound: {retry: always}}
`

// world is daprd, an agent and at times a function.
type world struct {
	t                        *testing.T
	app, fn                  string // protocols
	dir                      string
	appPort, fnPort, apiPort string
	statusPort               string
	daprd                    *exec.Cmd
}

func freePort(t *testing.T) string {
	t.Helper()
	port, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(port)
}

func (w *world) run(program string, args ...string) *exec.Cmd {
	w.t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr, cmd.Env = &said, &said, append(os.Environ(), "APP_API_TOKEN="+token)
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		end(cmd)
		if w.t.Failed() {
			text := said.String()
			w.t.Logf("%s %s said:\n%s", filepath.Base(program), args[0], text[max(len(text)-4000, 0):])
		}
	})
	return cmd
}

func end(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
}

func (w *world) startFunction() *exec.Cmd {
	w.t.Helper()
	return w.run(filepath.Join(programs, "standin"), "function", "--address", "127.0.0.1:"+w.fnPort, "--protocol", w.fn, "--token", token,
		"--notes", filepath.Join(w.dir, "worked"), "--delay", "5ms")
}

func (w *world) startDaprd() {
	w.t.Helper()
	w.apiPort = freePort(w.t)
	w.daprd = w.run(daprdProgram, "--app-id", appID, "--app-port", w.appPort, "--app-protocol", w.app, "--resources-path", filepath.Join(w.dir, "resources"),
		"--dapr-http-port", w.apiPort, "--dapr-grpc-port", freePort(w.t), "--dapr-internal-grpc-port", freePort(w.t), "--enable-metrics=false",
		"--enable-app-health-check", "--app-health-probe-interval", "1", "--placement-host-address", "", "--scheduler-host-address", "")
	w.eventually("daprd has subscribed", patience, func() bool {
		code, body := w.call(http.MethodGet, "/v1.0/metadata", "")
		var told struct {
			Subscriptions []struct{ PubsubName, Topic string } `json:"subscriptions"`
		}
		return code == http.StatusOK && json.Unmarshal([]byte(body), &told) == nil && len(told.Subscriptions) == 1 &&
			told.Subscriptions[0].Topic == standin.Topic
	})
}

func (w *world) call(method, path, body string) (int, string) {
	r, err := http.NewRequest(method, "http://127.0.0.1:"+w.apiPort+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/plain")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(text)
}

// status asks the agent.
func (w *world) status(path string) string {
	response, err := http.Get("http://127.0.0.1:" + w.statusPort + path)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (w *world) eventually(what string, within time.Duration, is func() bool) {
	w.t.Helper()
	for start := time.Now(); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Since(start) > within {
			events, ticks := w.worked()
			w.t.Fatalf("waited %s: %s; %d events and %d ticks until now", within, what, events, ticks)
		}
	}
}

// publish goes on in the background: daprd's in-memory broker takes an event when the one before is done.
func (w *world) publish(from, to int) {
	done := make(chan struct{})
	ctx, stop := context.WithCancel(context.Background())
	w.t.Cleanup(func() {
		stop()
		<-done
	})
	path := "http://127.0.0.1:" + w.apiPort + "/v1.0/publish/" + standin.PubSub + "/" + standin.Topic
	go func() {
		defer close(done)
		for number := from; number < to; number++ {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(standin.Event(number)+" x"))
			if err != nil {
				w.t.Error(err)
				return
			}
			r.Header.Set("Content-Type", "text/plain")
			response, err := http.DefaultClient.Do(r)
			if ctx.Err() != nil {
				return
			}
			if err != nil || response.StatusCode >= 300 {
				w.t.Errorf("publishing %d: %v %v", number, response, err)
				return
			}
			_ = response.Body.Close()
		}
	}()
}

// worked is how many of the published events a function worked on, and how often the clock was heard.
func (w *world) worked() (events, ticks int) {
	w.t.Helper()
	lines, err := standin.Lines(filepath.Join(w.dir, "worked"))
	if err != nil {
		w.t.Fatal(err)
	}
	for line, n := range lines {
		if strings.HasPrefix(line, "event-") {
			events++
		} else {
			ticks += n
		}
	}
	return events, ticks
}

func TestRealDaprd(t *testing.T) {
	for _, app := range []string{"grpc", "http"} {
		for _, fn := range []string{"grpc", "http"} {
			t.Run(app+"-"+fn, func(t *testing.T) {
				w := &world{t: t, app: app, fn: fn, dir: t.TempDir(), appPort: freePort(t), fnPort: freePort(t), statusPort: freePort(t)}
				if err := os.MkdirAll(filepath.Join(w.dir, "resources"), 0o755); err != nil {
					t.Fatal(err)
				}
				for name, text := range map[string]string{"token": token, "resources/components.yaml": components, "resources/redelivery.yaml": redelivery} {
					if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				w.run(filepath.Join(programs, "agent"), "--app-protocol", app, "--app-port", w.appPort, "--function-protocol", fn,
					"--function-address", "127.0.0.1:"+w.fnPort, "--token-dir", w.dir, "--triggers", standin.Triggers,
					"--scaler-port", "0", "--status-port", w.statusPort, "--hold", "2s")

				w.startDaprd() // with the function at zero
				w.publish(0, 100)
				w.eventually("an event waits in the agent", patience, func() bool { return strings.Contains(w.status("/pending"), `"pending":1`) })
				if events, _ := w.worked(); events != 0 {
					t.Fatal("events were worked on without a function")
				}
				function := w.startFunction()
				w.eventually("events that waited are worked on", patience, func() bool { events, _ := w.worked(); return events == 100 })
				w.eventually("the binding is heard", back, func() bool { _, ticks := w.worked(); return ticks > 0 })

				w.publish(100, 300)
				w.eventually("the next are under way", patience, func() bool { events, _ := w.worked(); return events > 120 })
				end(function)
				w.eventually("the agent gives an event back", patience, func() bool {
					return strings.Contains(w.status("/metrics"), `openfunction_agent_events_total{kind="topic",result="held"} `) &&
						!strings.Contains(w.status("/metrics"), `openfunction_agent_events_total{kind="topic",result="held"} 0`)
				})
				if events, _ := w.worked(); events == 300 {
					t.Fatal("all were done before the function was killed: it proves nothing")
				}
				w.startFunction()
				w.eventually("what was left is delivered again", patience, func() bool { events, _ := w.worked(); return events == 300 })

				w.eventually("invocations reach the function", back, func() bool {
					code, _ := w.call(http.MethodPost, "/v1.0/invoke/"+appID+"/method/echo", "hello")
					return code == http.StatusOK
				})

				end(w.daprd)
				w.startDaprd()
				w.publish(300, 350)
				w.eventually("the next daprd is served as well", patience, func() bool { events, _ := w.worked(); return events == 350 })
			})
		}
	}
}
