// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// kind is what daprd asked for.
type kind int

const (
	kindBinding kind = iota
	kindTopic
	kindJob
	kindInvoke
	kinds
)

var kindNames = [kinds]string{"binding", "topic", "job", "invoke"}

// result is what daprd was told.
type result int

const (
	resultSuccess  result = iota // the function did it
	resultRetry                  // the function asked for it again
	resultDrop                   // the function does not want it
	resultError                  // the function failed
	resultFull                   // refused: too much is pending
	resultTooLarge               // refused: the body is larger than allowed
	resultToken                  // refused: daprd's token is wrong, or the function refused ours
	resultHeld                   // refused: no replica took it in time
	resultDraining               // refused: the agent is about to stop
	resultBroken                 // refused: the connection to the function broke
	resultSlow                   // refused: the function did not answer in time
	resultGone                   // daprd went away before the answer
	resultBad                    // refused: it cannot be read
	results
)

var resultNames = [results]string{"success", "retry", "drop", "error", "full", "too_large", "token", "held", "draining", "broken", "slow", "gone", "bad"}

// metrics are what the agent counts:
//
//	openfunction_agent_events_total{kind,result}          what daprd was told, by what it asked
//	openfunction_agent_event_duration_seconds{kind}       from daprd's call to the answer
//	openfunction_agent_pending_events                     held, or with the function
//	openfunction_agent_pending_bytes                      what those are charged with, of --max-pending-bytes
//	openfunction_agent_replicas                           addresses of the function
//	openfunction_agent_resent_total                       events sent again because a connection broke
//	openfunction_agent_reconnected_total                  connections replaced because they were only half there
type metrics struct {
	registry    *prometheus.Registry
	events      [kinds][results]prometheus.Counter
	durations   [kinds]prometheus.Observer
	replicas    prometheus.Gauge
	resent      prometheus.Counter
	reconnected prometheus.Counter
}

func newMetrics(pending *budget) *metrics {
	const namespace = "openfunction_agent"
	events := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "events_total",
		Help: "Calls of daprd, by what it was told."}, []string{"kind", "result"})
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: "event_duration_seconds",
		Help: "Time from daprd's call to the answer.", Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9)}, []string{"kind"})
	m := &metrics{
		registry: prometheus.NewRegistry(),
		replicas: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "replicas", Help: "Addresses of the function."}),
		resent: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "resent_total",
			Help: "Events sent again because a connection to the function broke."}),
		reconnected: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "reconnected_total",
			Help: "Connections to the function that were replaced because they were only half there."}),
	}
	for k := range kinds {
		for r := range results {
			m.events[k][r] = events.WithLabelValues(kindNames[k], resultNames[r])
		}
		m.durations[k] = durations.WithLabelValues(kindNames[k])
	}
	m.registry.MustRegister(events, durations, m.replicas, m.resent, m.reconnected,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: "pending_events", Help: "Events held, or with the function."},
			func() float64 { return float64(pending.calls.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: "pending_bytes", Help: "What pending events are charged with."},
			func() float64 { return float64(pending.bytes.Load()) }),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) done(k kind, r result, since time.Time) {
	m.events[k][r].Inc()
	m.durations[k].Observe(time.Since(since).Seconds())
}
