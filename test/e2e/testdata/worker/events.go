// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/subtle"
	"fmt"
	"log"
	"net"

	runtimev1 "github.com/dapr/dapr/pkg/proto/runtime/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// tokenName is the header and the gRPC metadata in which Dapr presents the app token.
const tokenName = "dapr-api-token"

func (w *worker) isTrusted(token string) bool {
	return w.token == "" || subtle.ConstantTimeCompare([]byte(token), []byte(w.token)) == 1
}

// app is the gRPC face of the worker to Dapr.
type app struct {
	runtimev1.UnimplementedAppCallbackServer
	worker *worker
}

func (w *worker) serveGRPC(ctx context.Context, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	server := grpc.NewServer()
	runtimev1.RegisterAppCallbackServer(server, app{worker: w})
	go func() {
		<-ctx.Done()
		server.GracefulStop()
	}()
	return server.Serve(listener)
}

// ListTopicSubscriptions tells Dapr the topics of the function, when Dapr asks the function itself.
func (a app) ListTopicSubscriptions(context.Context, *emptypb.Empty) (*runtimev1.ListTopicSubscriptionsResponse, error) {
	answer := &runtimev1.ListTopicSubscriptionsResponse{}
	for _, input := range a.worker.described.Inputs {
		if input.isTopic() {
			answer.Subscriptions = append(answer.Subscriptions, &runtimev1.TopicSubscription{PubsubName: input.ComponentName, Topic: input.URI})
		}
	}
	return answer, nil
}

// ListInputBindings tells Dapr the bindings of the function.
func (a app) ListInputBindings(context.Context, *emptypb.Empty) (*runtimev1.ListInputBindingsResponse, error) {
	answer := &runtimev1.ListInputBindingsResponse{}
	for _, input := range a.worker.described.Inputs {
		if !input.isTopic() {
			answer.Bindings = append(answer.Bindings, input.ComponentName)
		}
	}
	return answer, nil
}

// OnTopicEvent takes a message of a topic.
func (a app) OnTopicEvent(ctx context.Context, in *runtimev1.TopicEventRequest) (*runtimev1.TopicEventResponse, error) {
	if err := a.take(ctx, in.GetData(), in.GetId()); err != nil {
		return nil, err
	}
	return &runtimev1.TopicEventResponse{}, nil
}

// OnBindingEvent takes an event of a binding.
func (a app) OnBindingEvent(ctx context.Context, in *runtimev1.BindingEventRequest) (*runtimev1.BindingEventResponse, error) {
	if err := a.take(ctx, in.GetData(), in.GetMetadata()["readTimeUTC"]); err != nil {
		return nil, err
	}
	return &runtimev1.BindingEventResponse{}, nil
}

func (a app) take(ctx context.Context, data []byte, otherwise string) error {
	token := ""
	if values := metadata.ValueFromIncomingContext(ctx, tokenName); len(values) > 0 {
		token = values[0]
	}
	if !a.worker.isTrusted(token) {
		a.worker.refuse(ctx)
		return status.Error(codes.Unauthenticated, errToken.Error())
	}
	if err := a.worker.handle(ctx, data, otherwise); err != nil {
		log.Printf("Failed: %v", err)
		return status.Error(codes.Internal, err.Error())
	}
	return nil
}
