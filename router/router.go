// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/client-go/rest"
)

const (
	readHeaderTimeout = 10 * time.Second
	maxStreams        = 1000 // at once, of an HTTP/2 connection of a client
	// drainStep is how often a draining router looks whether it is done.
	drainStep = 20 * time.Millisecond
)

// Router is one replica of the router.
type Router struct {
	config     Config
	log        logr.Logger
	proxyLog   *log.Logger
	suffix     string // ".svc.<cluster domain>"
	table      *table
	transports transports
	metrics    *metrics
	buffers    buffers

	inFlight atomic.Int64
	synced   atomic.Bool
	draining atomic.Bool

	requests, measures, probes net.Listener
}

// New listens on all ports. Run serves them.
func New(ctx context.Context, config Config, logger logr.Logger) (*Router, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	r := newRouter(config, logger, newDialer(config).dial)
	for address, listener := range map[*string]*net.Listener{
		&config.Listen: &r.requests, &config.Metrics: &r.measures, &config.Probes: &r.probes,
	} {
		var err error
		if *listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", *address); err != nil {
			r.close()
			return nil, fmt.Errorf("listening: %w", err)
		}
	}
	clients := newLimited(r.requests, config.MaxConnections)
	r.requests = clients
	r.metrics.gauge("connections", "Connections of clients.", clients.open)
	return r, nil
}

// newRouter returns a router without ports.
func newRouter(config Config, logger logr.Logger, dial func(ctx context.Context, network, address string) (net.Conn, error)) *Router {
	m := newMetrics()
	r := &Router{config: config, log: logger, suffix: ".svc." + config.ClusterDomain, metrics: m, table: newTable(m, config.MaxWaiting),
		transports: newTransports(config, dial), proxyLog: log.New(lines{logger.V(1)}, "", 0)}
	m.gauge("requests_in_flight", "Requests under way.", r.inFlight.Load)
	m.gauge("requests_waiting", "Requests that wait for a function that is not known yet.", func() int64 { _, n := r.table.sizes(); return n })
	m.gauge("functions", "Functions that are known.", func() int64 { n, _ := r.table.sizes(); return n })
	return r
}

// Run serves until ctx ends, and then drains.
func (r *Router) Run(ctx context.Context, kubeconfig *rest.Config) error {
	defer r.close()
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var group sync.WaitGroup
	failed := make(chan error, 4)
	start := func(f func() error) {
		group.Go(func() {
			if err := f(); err != nil && !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		})
	}
	front, pages := r.server(), &http.Server{Handler: r.pages(), ReadHeaderTimeout: readHeaderTimeout}
	start(func() error { return r.watch(working, kubeconfig) })
	start(func() error { return front.Serve(r.requests) })
	start(func() error { return pages.Serve(r.measures) })
	start(func() error { return pages.Serve(r.probes) })
	r.log.Info("Serving", "requests", r.requests.Addr().String(), "metrics", r.measures.Addr().String(), "probes", r.probes.Addr().String())

	var err error
	select {
	case err = <-failed:
		err = fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
		r.drain(working, front)
	}
	stop()
	_ = front.Close() // what is left has had its time
	_ = pages.Close() // whoever asks asks another replica
	group.Wait()
	return err
}

// server returns the server of the requests for functions.
func (r *Router) server() *http.Server {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           r,
		Protocols:         protocols,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       r.config.IdleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(lines{r.log}, "", 0),
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerStream: streamBuffer,
			MaxReceiveBufferPerConnection: connectionBuffer, SendPingTimeout: time.Minute},
	}
}

// pages are those of Prometheus and of the kubelet.
func (r *Router) pages() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		switch {
		case r.draining.Load():
			answer(w, http.StatusServiceUnavailable, "The router is about to stop")
		case !r.synced.Load():
			answer(w, http.StatusServiceUnavailable, "The router does not know all functions yet")
		}
	})
	return mux
}

// drain goes out of the way without breaking a request. First new connections go on being served, since whoever makes them is told late that
// this replica is to go, and every answer asks its client not to use the connection again. Then what is under way may end.
func (r *Router) drain(ctx context.Context, front *http.Server) {
	r.log.Info("Draining", "requests", r.inFlight.Load())
	r.draining.Store(true)
	sleep(ctx, r.config.DrainDelay)
	ctx, cancel := context.WithTimeout(ctx, r.config.Drain)
	defer cancel()
	_ = front.Shutdown(ctx)                              // it fails for want of time only
	for r.inFlight.Load() > 0 && sleep(ctx, drainStep) { // websockets are no business of Shutdown
	}
	r.log.Info("Drained", "broken", r.inFlight.Load())
}

func (r *Router) close() {
	for _, l := range []net.Listener{r.requests, r.measures, r.probes} {
		if l != nil {
			_ = l.Close() // it may be closed already
		}
	}
}

// lines makes a logger's lines of what net/http writes.
type lines struct{ log logr.Logger }

// Write logs one line.
func (l lines) Write(text []byte) (int, error) {
	l.log.Info("net/http", "text", string(text))
	return len(text), nil
}
