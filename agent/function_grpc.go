// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// probeMethod is one that no function has: any answer, and "unimplemented" above all, is a sign of life that costs the function
// nothing. HTTP/2 pings would do as well, but gRPC servers take them for an attack.
const probeMethod = "/openfunction.agent.v1.Probe/Probe"

// grpcFunction is the one long-lived connection to a replica that speaks gRPC.
type grpcFunction struct {
	connect func() (*grpc.ClientConn, error)
	conn    atomic.Pointer[grpc.ClientConn]
	lost    func() // counts connections that were replaced
}

func newGRPCFunction(address, authority string, largest int64, lost func()) (*grpcFunction, error) {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority(authority),
		grpc.WithContextDialer(dialer.dial),
		grpc.WithStatsHandler(fates{}),
		grpc.WithDisableServiceConfig(),
		grpc.WithIdleTimeout(0),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: dialTimeout,
			Backoff: backoff.Config{BaseDelay: firstBackoff, Multiplier: 2, Jitter: 0.2, MaxDelay: lastBackoff}}),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(codec{}), grpc.MaxCallRecvMsgSize(int(largest))),
	}
	f := &grpcFunction{lost: lost, connect: func() (*grpc.ClientConn, error) {
		conn, err := grpc.NewClient("passthrough:///"+address, options...)
		if err == nil {
			conn.Connect()
		}
		return conn, err
	}}
	conn, err := f.connect()
	if err != nil {
		return nil, err
	}
	f.conn.Store(conn)
	return f, nil
}

// invoke calls one method. The error is the function's own when the outcome is answered.
func (f *grpcFunction) invoke(ctx context.Context, method string, md metadata.MD, in, out any, options ...grpc.CallOption) (outcome, error) {
	fate := &fate{}
	ctx = context.WithValue(metadata.NewOutgoingContext(ctx, md), fateKey{}, fate)
	err := f.conn.Load().Invoke(ctx, method, in, out, options...)
	switch code := status.Code(err); {
	case err == nil:
		return answered, nil
	case fate.answered.Load():
		if unauthorised(err) {
			return tokenRefused, err
		}
		return answered, err
	case !fate.sent.Load() && code == codes.Unavailable:
		return notSent, err
	case code == codes.Unavailable || code == codes.Canceled || code == codes.DeadlineExceeded:
		return broken, err
	default: // the answer itself cannot be read; asking again would not help
		return answered, err
	}
}

// unauthorised is true for what a function says about a token it does not know: by the code, or as the Dapr SDK for Go does.
func unauthorised(err error) bool {
	s := status.Convert(err)
	return s.Code() == codes.Unauthenticated || s.Code() == codes.Unknown && strings.HasPrefix(s.Message(), "authentication failed")
}

// probe asks the connection in use. When only a new one answers, the function lives and the connection does not: the new one takes over.
func (f *grpcFunction) probe(ctx context.Context) error {
	current := f.conn.Load()
	asked := make(chan error, 1)
	ctx, cancel := context.WithTimeout(ctx, 2*probeTimeout)
	defer cancel()
	go func() { asked <- ask(ctx, current) }()
	timer := time.NewTimer(probeTimeout)
	defer timer.Stop()
	select {
	case err := <-asked:
		return err
	case <-timer.C:
	}
	fresh, err := f.connect()
	if err != nil {
		return err
	}
	if err := ask(ctx, fresh); err != nil {
		return keep(fresh, err)
	}
	select {
	case err := <-asked: // both live: it was slow only
		return keep(fresh, err)
	default:
	}
	f.conn.Store(fresh)
	f.lost()
	return current.Close()
}

func keep(unused *grpc.ClientConn, err error) error {
	_ = unused.Close() // it has no calls
	return err
}

// ask is nil when anything comes back from the replica.
func ask(ctx context.Context, conn *grpc.ClientConn) error {
	fate := &fate{}
	err := conn.Invoke(context.WithValue(ctx, fateKey{}, fate), probeMethod, newFrame(nil), &frame{})
	if fate.answered.Load() {
		return nil
	}
	return err
}

func (f *grpcFunction) close() { _ = f.conn.Load().Close() }

// fate is how far a call got. gRPC's error alone does not say whether a server made it.
type fate struct{ sent, answered atomic.Bool }

type fateKey struct{}

// fates notes the fate of every call whose context asks for it.
type fates struct{}

// TagRPC implements stats.Handler.
func (fates) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC implements stats.Handler.
func (fates) HandleRPC(ctx context.Context, s stats.RPCStats) {
	switch s.(type) {
	case *stats.OutHeader:
		if f, ok := ctx.Value(fateKey{}).(*fate); ok {
			f.sent.Store(true)
		}
	case *stats.InTrailer:
		if f, ok := ctx.Value(fateKey{}).(*fate); ok {
			f.answered.Store(true)
		}
	}
}

// TagConn implements stats.Handler.
func (fates) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (fates) HandleConn(context.Context, stats.ConnStats) {}
