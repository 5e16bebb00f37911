// SPDX-License-Identifier: Apache-2.0

package router

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// result is what became of a request that was sent on.
type result int

const (
	result1xx    result = iota // the connection became another protocol's, such as a websocket
	result2xx                  // the function's own answers
	result3xx                  //
	result4xx                  //
	result5xx                  //
	resultAway                 // no connection to a backend could be made
	resultBroken               // the backend broke the connection off, or took too long, before or amid its answer
	resultGone                 // the client went away
	results
)

var resultNames = [results]string{"1xx", "2xx", "3xx", "4xx", "5xx", "away", "broken", "gone"}

// refusal is why a request was answered by the router itself without a try.
type refusal int

const (
	refusedUnknown  refusal = iota // no such function
	refusedEmpty                   // the function has no backend yet
	refusedBad                     // the request does not name a function
	refusedFull                    // too many requests are under way
	refusedFunction                // too many of them are for this function
	refusedLoop                    // the request came through here too often
	refusals
)

var refusalNames = [refusals]string{"unknown", "empty", "bad", "full", "function_full", "loop"}

// metrics are what the router counts:
//
//	openfunction_router_requests_total{namespace,function,result}  requests that were sent on, by what became of them
//	openfunction_router_request_duration_seconds                   from the request to the end of its answer
//	openfunction_router_refused_total{reason}                      requests the router answered itself
//	openfunction_router_retries_total                              connections tried again; nothing of the request had been sent
//	openfunction_router_repeats_total                              requests sent once more, because a kept connection broke
//	openfunction_router_requests_in_flight                         requests under way
//	openfunction_router_requests_waiting                           of these, for a function that is not known yet
//	openfunction_router_connections                                connections of clients
//	openfunction_router_functions                                  functions that are known
//	openfunction_router_routes_refused_total                       routes that could not be read or led too far
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	durations prometheus.Histogram
	refused   [refusals]prometheus.Counter
	retries   prometheus.Counter
	repeats   prometheus.Counter
	badRoutes prometheus.Counter
}

const metricsNamespace = "openfunction_router"

func newMetrics() *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: metricsNamespace, Name: name, Help: help})
	}
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: metricsNamespace, Name: "refused_total",
		Help: "Requests that the router answered itself."}, []string{"reason"})
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: metricsNamespace, Name: "requests_total",
			Help: "Requests that were sent on, by what became of them."}, []string{"namespace", "function", "result"}),
		durations: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: metricsNamespace, Name: "request_duration_seconds",
			Help: "Time from the request to the end of its answer.", Buckets: prometheus.ExponentialBuckets(0.0005, 4, 11)}),
		retries:   counter("retries_total", "Connections that were tried again."),
		repeats:   counter("repeats_total", "Requests that were sent once more, because a kept connection broke."),
		badRoutes: counter("routes_refused_total", "Routes that could not be read, or led too far."),
	}
	for r := range refusals {
		m.refused[r] = refused.WithLabelValues(refusalNames[r])
	}
	m.registry.MustRegister(m.requests, m.durations, refused, m.retries, m.repeats, m.badRoutes,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// gauge shows a number that is known elsewhere.
func (m *metrics) gauge(name, help string, value func() int64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: metricsNamespace, Name: name, Help: help},
		func() float64 { return float64(value()) }))
}

// done counts a request that was sent on.
func (m *metrics) done(k key, r result, since time.Time) {
	m.requests.WithLabelValues(k.namespace, k.name, resultNames[r]).Inc()
	m.durations.Observe(time.Since(since).Seconds())
}

// forget removes the counters of a function.
func (m *metrics) forget(k key) {
	for _, name := range resultNames {
		m.requests.DeleteLabelValues(k.namespace, k.name, name)
	}
}
