// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

const (
	// metricName is what KEDA knows the metric by, targetKey where its target is in the trigger's metadata.
	metricName    = "pending"
	targetKey     = "targetPending"
	defaultTarget = 10
	// askPeers is how often the other replicas are asked while KEDA listens, linger how long the function stays active after the last event:
	// events that come one by one are not a reason to start and stop it.
	askPeers = time.Second
	linger   = time.Second
	maxPeer  = 1 << 10
)

// scaler is KEDA's external push scaler over what is pending in all replicas of the agent.
type scaler struct {
	externalscaler.UnimplementedExternalScalerServer
	pending *budget
	id      string // of this replica of the agent
	peers   []hostPort
	lookup  func(ctx context.Context, host string) ([]string, error)
	client  http.Client

	elsewhere atomic.Int64 // events pending with peers, when last asked
	active    atomic.Int64 // when something was last pending, in Unix nanoseconds
	mu        sync.Mutex
	listeners map[chan struct{}]struct{}
}

// peerAnswer is the JSON of /pending.
type peerAnswer struct {
	ID      string `json:"id"`
	Pending int64  `json:"pending"`
}

func newScaler(pending *budget, id string, peers []hostPort) *scaler {
	return &scaler{pending: pending, id: id, peers: peers, lookup: lookupHost,
		client: http.Client{Timeout: askPeers}, listeners: map[chan struct{}]struct{}{}}
}

func (s *scaler) server() *grpc.Server {
	server := grpc.NewServer(grpc.MaxRecvMsgSize(small), grpc.ConnectionTimeout(5*time.Second), grpc.MaxConcurrentStreams(100),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}))
	externalscaler.RegisterExternalScalerServer(server, s)
	return server
}

// run wakes those that listen as soon as something is pending, and looks at the peers.
func (s *scaler) run(ctx context.Context) {
	tick := time.NewTicker(askPeers)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.pending.woken:
			s.active.Store(time.Now().UnixNano())
		case <-tick.C:
			s.elsewhere.Store(s.sumPeers(ctx))
			if s.sum() > 0 {
				s.active.Store(time.Now().UnixNano())
			}
		}
		s.mu.Lock()
		for l := range s.listeners {
			signal(l)
		}
		s.mu.Unlock()
	}
}

func (s *scaler) sum() int64 { return s.pending.calls.Load() + s.elsewhere.Load() }

func (s *scaler) isActive() bool {
	return s.sum() > 0 || time.Since(time.Unix(0, s.active.Load())) < linger
}

// sumPeers asks every other replica of the agent. One that does not answer has nothing that counts.
func (s *scaler) sumPeers(ctx context.Context) int64 {
	var addresses []string
	for _, p := range s.peers {
		hosts, err := s.lookup(ctx, p.host)
		if err != nil {
			continue
		}
		for _, h := range hosts {
			addresses = append(addresses, net.JoinHostPort(h, p.port))
		}
	}
	slices.Sort(addresses)
	var sum atomic.Int64
	var asked sync.WaitGroup
	for _, address := range slices.Compact(addresses) {
		asked.Go(func() {
			if answer, err := s.ask(ctx, address); err == nil && answer.ID != s.id {
				sum.Add(answer.Pending)
			}
		})
	}
	asked.Wait()
	return sum.Load()
}

func (s *scaler) ask(ctx context.Context, address string) (peerAnswer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+pathPending, nil)
	if err != nil {
		return peerAnswer{}, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return peerAnswer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxPeer))
	if err != nil {
		return peerAnswer{}, err
	}
	return parsePeer(text)
}

// parsePeer reads a peer's answer, and believes nothing that cannot be.
func parsePeer(text []byte) (peerAnswer, error) {
	var answer peerAnswer
	if err := json.Unmarshal(text, &answer); err != nil {
		return peerAnswer{}, err
	}
	if answer.ID == "" || answer.Pending < 0 || answer.Pending > math.MaxInt32 {
		return peerAnswer{}, errors.New("no answer of an agent")
	}
	return answer, nil
}

// IsActive implements externalscaler.ExternalScalerServer.
func (s *scaler) IsActive(context.Context, *externalscaler.ScaledObjectRef) (*externalscaler.IsActiveResponse, error) {
	return &externalscaler.IsActiveResponse{Result: s.isActive()}, nil
}

// StreamIsActive implements externalscaler.ExternalScalerServer: it tells the state at once, and then every change.
func (s *scaler) StreamIsActive(_ *externalscaler.ScaledObjectRef, stream grpc.ServerStreamingServer[externalscaler.IsActiveResponse]) error {
	changed := make(chan struct{}, 1)
	s.mu.Lock()
	s.listeners[changed] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, changed)
		s.mu.Unlock()
	}()
	for told, first := false, true; ; first = false {
		if active := s.isActive(); first || active != told {
			if err := stream.Send(&externalscaler.IsActiveResponse{Result: active}); err != nil {
				return err
			}
			told = active
		}
		select {
		case <-stream.Context().Done():
			return stream.Context().Err()
		case <-changed:
		}
	}
}

// GetMetricSpec implements externalscaler.ExternalScalerServer.
func (s *scaler) GetMetricSpec(_ context.Context, ref *externalscaler.ScaledObjectRef) (*externalscaler.GetMetricSpecResponse, error) {
	target, err := parseTarget(ref.GetScalerMetadata())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &externalscaler.GetMetricSpecResponse{MetricSpecs: []*externalscaler.MetricSpec{
		{MetricName: metricName, TargetSize: max(int64(math.Ceil(target)), 1), TargetSizeFloat: target},
	}}, nil
}

// StreamMetricSpec implements externalscaler.ExternalScalerServer: it tells the specification at once, which never changes. A KEDA that made its
// autoscaler while the agent was away learns of the metric this way, and would otherwise drop every push.
func (s *scaler) StreamMetricSpec(ref *externalscaler.ScaledObjectRef, stream grpc.ServerStreamingServer[externalscaler.GetMetricSpecResponse]) error {
	spec, err := s.GetMetricSpec(stream.Context(), ref)
	if err != nil {
		return err
	}
	if err := stream.Send(spec); err != nil {
		return err
	}
	<-stream.Context().Done()
	return stream.Context().Err()
}

// GetMetrics implements externalscaler.ExternalScalerServer.
func (s *scaler) GetMetrics(context.Context, *externalscaler.GetMetricsRequest) (*externalscaler.GetMetricsResponse, error) {
	sum := s.sum()
	return &externalscaler.GetMetricsResponse{MetricValues: []*externalscaler.MetricValue{
		{MetricName: metricName, MetricValue: sum, MetricValueFloat: float64(sum)},
	}}, nil
}

// parseTarget reads how many pending events one replica of the function is for.
func parseTarget(metadata map[string]string) (float64, error) {
	text, ok := metadata[targetKey]
	if !ok {
		return defaultTarget, nil
	}
	target, err := strconv.ParseFloat(text, 64)
	if err != nil || !(target > 0) || target > math.MaxInt32 {
		return 0, errors.New(targetKey + " is a number above 0")
	}
	return target, nil
}
