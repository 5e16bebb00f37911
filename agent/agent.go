// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc"
)

const (
	pathPending = "/pending"
	pathReady   = "/readyz"
	pathMetrics = "/metrics"
	// lastWords is how long servers have to say goodbye after the drain.
	lastWords = time.Second
)

// Agent is one replica of a function's agent.
type Agent struct {
	config   Config
	log      logr.Logger
	answers  *answers
	tokens   *tokens
	pending  *budget
	metrics  *metrics
	replicas *replicas
	forward  *forwarder
	scaler   *scaler
	reads    gate

	app, scale, status net.Listener
}

// New reads the token and listens on all ports. From then on daprd finds an application; Run answers it.
func New(ctx context.Context, config Config, log logr.Logger) (*Agent, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	triggers, err := ParseTriggers(config.Triggers)
	if err != nil {
		return nil, err
	}
	targets, err := splitAddresses(config.FunctionAddress)
	if err != nil {
		return nil, err
	}
	var peers []hostPort
	if config.Peers != "" {
		if peers, err = splitAddresses(config.Peers); err != nil {
			return nil, err
		}
	}
	a := &Agent{config: config, log: log, pending: newBudget(config.MaxPendingBytes), reads: make(gate, readersOf(config))}
	if a.answers, err = newAnswers(triggers); err != nil {
		return nil, err
	}
	if a.tokens, err = newTokens(config.TokenDir); err != nil {
		return nil, err
	}
	a.metrics = newMetrics(a.pending)
	a.replicas = &replicas{targets: targets, lookup: lookupHost, limit: config.MaxInFlight, log: log, metrics: a.metrics,
		expired: make(chan struct{}), kick: make(chan struct{}, 1), dial: a.dial}
	a.forward = &forwarder{replicas: a.replicas, tokens: a.tokens, metrics: a.metrics, hold: config.Hold, answer: config.AnswerTimeout}
	a.scaler = newScaler(a.pending, rand.Text(), peers)
	return a, a.listen(ctx)
}

// readersOf keeps what is being read, and is not counted as pending yet, below what may be pending.
func readersOf(config Config) int64 { return min(max(config.MaxPendingBytes/config.MaxBody/2, 2), 16) }

func (a *Agent) listen(ctx context.Context) error {
	for port, listener := range map[*int]*net.Listener{
		&a.config.AppPort: &a.app, &a.config.ScalerPort: &a.scale, &a.config.StatusPort: &a.status,
	} {
		var err error
		if *listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("", strconv.Itoa(*port))); err != nil {
			for _, l := range []net.Listener{a.app, a.scale, a.status} {
				if l != nil {
					_ = l.Close() // it was not used
				}
			}
			return fmt.Errorf("listening: %w", err)
		}
	}
	return nil
}

// dial makes the way to one replica of the function.
func (a *Agent) dial(address string) transport {
	authority := a.config.FunctionAuthority
	if authority == "" {
		authority = strings.TrimSuffix(a.replicas.targets[0].host, ".")
	}
	if a.config.FunctionProtocol == HTTP {
		return newHTTPFunction(address, authority)
	}
	f, err := newGRPCFunction(address, authority, a.config.largest(), a.metrics.reconnected.Inc)
	if err != nil { // of options that do not depend on the address
		panic(err)
	}
	return f
}

// Run serves until ctx ends, and then drains: what is new is refused, so that the broker keeps it, and what is pending may end.
func (a *Agent) Run(ctx context.Context) error {
	a.log.Info("Serving", "app", a.app.Addr().String(), "scaler", a.scale.Addr().String(), "status", a.status.Addr().String(),
		"bindings", len(a.answers.routes), "topics", len(a.answers.topicRoutes), "protocol", a.config.AppProtocol)
	working, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	var workers, servers sync.WaitGroup
	workers.Go(func() { a.replicas.run(working, a.pending) })
	workers.Go(func() { a.scaler.run(working) })
	workers.Go(func() { a.tokens.watch(working, a.log) })

	failed := make(chan error, 3)
	serve := func(f func() error) {
		servers.Go(func() {
			if err := f(); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, grpc.ErrServerStopped) {
				failed <- err
			}
		})
	}
	stopApp := a.serveApp(working, serve)
	scale := a.scaler.server()
	serve(func() error { return scale.Serve(a.scale) })
	state := &http.Server{Handler: a.statusPages(), ReadHeaderTimeout: 5 * time.Second}
	serve(func() error { return state.Serve(a.status) })

	var err error
	select {
	case err = <-failed:
		err = fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	a.drain()
	stopApp()
	scale.Stop()
	_ = state.Close() // whoever asks asks again
	servers.Wait()
	stopWorking()
	workers.Wait()
	a.log.Info("Stopped", "pending", a.pending.calls.Load())
	return err
}

// serveApp starts what daprd speaks to, and returns how to stop it.
func (a *Agent) serveApp(ctx context.Context, serve func(func() error)) (stop func()) {
	if a.config.AppProtocol == HTTP {
		server := a.newHTTPServer()
		serve(func() error { return server.Serve(a.app) })
		return func() { stopWithin(func() { _ = server.Shutdown(ctx) }, func() { _ = server.Close() }) }
	}
	server := a.newGRPCServer() //nolint:contextcheck // a call has the context of its stream
	serve(func() error { return server.Serve(a.app) })
	return func() { stopWithin(server.GracefulStop, server.Stop) }
}

// stopWithin lets answers that are under way reach daprd.
func stopWithin(gently, now func()) {
	done := make(chan struct{})
	go func() {
		gently()
		close(done)
	}()
	timer := time.NewTimer(lastWords)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
	now()
	<-done
}

// drain waits until nothing is pending, but not for ever: what is left is refused.
func (a *Agent) drain() {
	a.pending.draining.Store(true)
	a.log.Info("Draining", "pending", a.pending.calls.Load())
	timer := time.NewTimer(a.config.Drain)
	defer timer.Stop()
	for a.pending.calls.Load() > 0 {
		select {
		case <-a.pending.ended:
		case <-timer.C:
			close(a.replicas.expired)
			return
		}
	}
}

// statusPages are for Kubernetes, Prometheus and the other replicas of the agent.
func (a *Agent) statusPages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathHealth, func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET "+pathReady, func(w http.ResponseWriter, _ *http.Request) {
		if a.pending.draining.Load() {
			refuseHTTP(w, resultDraining)
		}
	})
	mux.HandleFunc("GET "+pathPending, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		_ = json.NewEncoder(w).Encode(peerAnswer{ID: a.scaler.id, Pending: a.pending.calls.Load()}) // a peer asks again
	})
	mux.Handle("GET "+pathMetrics, promhttp.HandlerFor(a.metrics.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 2}))
	return mux
}
