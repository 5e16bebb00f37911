// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"net"
	"testing"

	"github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func serveAt(t *testing.T, server *grpc.Server, address string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
}

func TestScalerFollowsWhatIsPending(t *testing.T) {
	address := nowhere(t)
	w := start(t, config(t, GRPC, GRPC, address))
	keda := externalscaler.NewExternalScalerClient(connect(t, loopback(w.agent.scale)))
	ref := &externalscaler.ScaledObjectRef{Name: "fn", Namespace: "ns", ScalerMetadata: map[string]string{targetKey: "2.5"}}
	stream, err := keda.StreamIsActive(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	next := func() bool {
		t.Helper()
		state, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return state.GetResult()
	}
	if next() {
		t.Error("active with nothing pending")
	}
	d, got := w.daprd(), make(chan verdict, 3)
	for range cap(got) {
		go func() { got <- d.topic("x") }()
	}
	if !next() {
		t.Error("not active with events pending")
	}
	w.eventually("all are pending", func() bool { return w.agent.pending.calls.Load() == 3 })
	spec, err := keda.GetMetricSpec(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if s := spec.GetMetricSpecs()[0]; s.GetMetricName() != "pending" || s.GetTargetSizeFloat() != 2.5 || s.GetTargetSize() != 3 {
		t.Errorf("the metric is %v", s)
	}
	specs, err := keda.StreamMetricSpec(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if streamed, err := specs.Recv(); err != nil || streamed.GetMetricSpecs()[0].String() != spec.GetMetricSpecs()[0].String() {
		t.Errorf("the stream begins with %v (%v), GetMetricSpec says %v", streamed, err, spec)
	}
	values, err := keda.GetMetrics(t.Context(), &externalscaler.GetMetricsRequest{ScaledObjectRef: ref, MetricName: "pending"})
	if err != nil {
		t.Fatal(err)
	}
	if v := values.GetMetricValues()[0]; v.GetMetricName() != "pending" || v.GetMetricValue() != 3 || v.GetMetricValueFloat() != 3 {
		t.Errorf("the value is %v", v)
	}
	if state, err := keda.IsActive(t.Context(), ref); err != nil || !state.GetResult() {
		t.Errorf("active: %v %v", state, err)
	}
	(&function{}).serve(t, GRPC, address)
	for range cap(got) {
		<-got
	}
	if next() {
		t.Error("active after the last event")
	}
}

func TestScalerSumsUpAllReplicasOfTheAgent(t *testing.T) {
	function := nowhere(t)
	first := start(t, config(t, GRPC, GRPC, function))
	c := config(t, GRPC, GRPC, function)
	// The peers' name has this replica's own address too; it counts once.
	c.StatusPort = portOf(t, nowhere(t))
	c.Peers = loopback(first.agent.status) + "," + net.JoinHostPort("127.0.0.1", nameOf(c.StatusPort)) + "," + nowhere(t)
	second := start(t, c)
	for _, w := range []*world{first, first, second} {
		d := w.daprd()
		go d.topic("x")
	}
	keda := externalscaler.NewExternalScalerClient(connect(t, loopback(second.agent.scale)))
	second.eventually("all three are counted", func() bool {
		values, err := keda.GetMetrics(context.Background(), &externalscaler.GetMetricsRequest{})
		return err == nil && values.GetMetricValues()[0].GetMetricValue() == 3
	})
	(&testFunction{}).serve(t, GRPC, function)
	second.eventually("nothing is pending", func() bool {
		values, err := keda.GetMetrics(context.Background(), &externalscaler.GetMetricsRequest{})
		return err == nil && values.GetMetricValues()[0].GetMetricValue() == 0
	})
}

// testFunction is function where a variable has that name.
type testFunction = function

func TestScalerSaysWhatIsWrongWithItsTarget(t *testing.T) {
	s := newScaler(newBudget(1), "id", nil)
	for text, ok := range map[string]bool{"1": true, "0.5": true, "0": false, "-1": false, "NaN": false, "Inf": false, "ten": false, "": false} {
		_, err := s.GetMetricSpec(t.Context(), &externalscaler.ScaledObjectRef{ScalerMetadata: map[string]string{targetKey: text}})
		if ok != (err == nil) || !ok && status.Code(err) != codes.InvalidArgument {
			t.Errorf("%q: %v", text, err)
		}
	}
	spec, err := s.GetMetricSpec(t.Context(), nil)
	if err != nil || spec.GetMetricSpecs()[0].GetTargetSizeFloat() != defaultTarget {
		t.Errorf("without metadata: %v %v", spec, err)
	}
}
