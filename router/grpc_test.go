// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// grpcFunction is a function that speaks gRPC.
type grpcFunction struct {
	testpb.UnimplementedTestServiceServer

	cancelled chan struct{}
}

// UnaryCall says what it heard, and in the trailer what was said beside it.
func (grpcFunction) UnaryCall(ctx context.Context, in *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	if err := grpc.SetTrailer(ctx, metadata.Pairs("said", strings.Join(md.Get("say"), ","), "said-bin", string([]byte{0, 1}))); err != nil {
		return nil, err
	}
	if s := in.GetResponseStatus(); s != nil {
		return nil, status.Error(codes.Code(s.Code), s.Message)
	}
	return &testpb.SimpleResponse{Payload: in.GetPayload()}, nil
}

// StreamingOutputCall sends what is asked for, and then waits for the client to go.
func (f grpcFunction) StreamingOutputCall(in *testpb.StreamingOutputCallRequest, stream grpc.ServerStreamingServer[testpb.StreamingOutputCallResponse]) error {
	stream.SetTrailer(metadata.Pairs("said", "enough"))
	for _, p := range in.GetResponseParameters() {
		if err := stream.Send(&testpb.StreamingOutputCallResponse{Payload: &testpb.Payload{Body: make([]byte, p.GetSize())}}); err != nil {
			return err
		}
	}
	if len(in.GetResponseParameters()) > 0 {
		return nil
	}
	if err := stream.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
		return err
	}
	<-stream.Context().Done()
	close(f.cancelled)
	return stream.Context().Err()
}

// FullDuplexCall answers each message with one.
func (grpcFunction) FullDuplexCall(stream grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := stream.Send(&testpb.StreamingOutputCallResponse{Payload: in.GetPayload()}); err != nil {
			return err
		}
	}
}

// grpcWorld is a world with that function, and a client of it.
func grpcWorld(t *testing.T) (*world, grpcFunction, testpb.TestServiceClient) {
	w := newWorld(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, server := grpcFunction{cancelled: make(chan struct{})}, grpc.NewServer()
	testpb.RegisterTestServiceServer(server, f)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	w.leads("fn", w.listens("a", l.Addr().String()))
	c, err := grpc.NewClient(strings.TrimPrefix(w.url, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority("fn.shop"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return w, f, testpb.NewTestServiceClient(c)
}

func TestGRPCCalls(t *testing.T) {
	_, _, c := grpcWorld(t)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "say", "something")
	trailer := metadata.MD{}
	body := []byte(strings.Repeat("x", 1<<20))
	out, err := c.UnaryCall(ctx, &testpb.SimpleRequest{Payload: &testpb.Payload{Body: body}}, grpc.Trailer(&trailer))
	if err != nil || len(out.GetPayload().GetBody()) != len(body) {
		t.Errorf("%d bytes: %v", len(out.GetPayload().GetBody()), err)
	}
	if got := strings.Join(append(trailer["said"], trailer["said-bin"]...), " "); got != "something \x00\x01" {
		t.Errorf("the trailer is %q", trailer)
	}
	_, err = c.UnaryCall(ctx, &testpb.SimpleRequest{ResponseStatus: &testpb.EchoStatus{Code: int32(codes.DataLoss), Message: "gone"}}, grpc.Trailer(&trailer))
	if status.Code(err) != codes.DataLoss || status.Convert(err).Message() != "gone" {
		t.Error(err)
	}
}

func TestGRPCServerStreams(t *testing.T) {
	w, f, c := grpcWorld(t)
	var sizes []*testpb.ResponseParameters
	for i := range 50 {
		sizes = append(sizes, &testpb.ResponseParameters{Size: int32(i * 1000)})
	}
	stream, err := c.StreamingOutputCall(t.Context(), &testpb.StreamingOutputCallRequest{ResponseParameters: sizes})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; ; n++ {
		if _, err = stream.Recv(); err != nil {
			break
		}
	}
	if !errors.Is(err, io.EOF) || n != len(sizes) || strings.Join(stream.Trailer()["said"], "") != "enough" {
		t.Errorf("%d messages, trailer %v: %v", n, stream.Trailer(), err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	if stream, err = c.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-f.cancelled
	eventually(t, func() bool { return w.inFlight.Load() == 0 })
}

func TestGRPCBothWays(t *testing.T) {
	_, _, c := grpcWorld(t)
	stream, err := c.FullDuplexCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if err := stream.Send(&testpb.StreamingOutputCallRequest{Payload: &testpb.Payload{Body: []byte{byte(i)}}}); err != nil {
			t.Fatal(err)
		}
		if in, err := stream.Recv(); err != nil || in.GetPayload().GetBody()[0] != byte(i) {
			t.Fatal(err)
		}
	}
	_ = stream.CloseSend()
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

// TestGRPCClientsUnderstandRefusals: the router's own answers are statuses that gRPC has a code for.
func TestGRPCClientsUnderstandRefusals(t *testing.T) {
	w, _, c := grpcWorld(t)
	w.table.remove(key{"shop", "fn"})
	if _, err := c.UnaryCall(t.Context(), &testpb.SimpleRequest{}); status.Code(err) != codes.Unimplemented {
		t.Error(err)
	}
	w.leads("fn")
	if _, err := c.UnaryCall(t.Context(), &testpb.SimpleRequest{}); status.Code(err) != codes.Unavailable {
		t.Error(err)
	}
	w.config.ConnectPatience = 10 * time.Millisecond
	w.leads("fn", w.listens("none", ""))
	if _, err := c.UnaryCall(t.Context(), &testpb.SimpleRequest{}); status.Code(err) != codes.Unavailable {
		t.Error(err)
	}
}
