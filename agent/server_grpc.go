// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"time"

	commonv1 "github.com/dapr/dapr/pkg/proto/common/v1"
	runtimev1 "github.com/dapr/dapr/pkg/proto/runtime/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// The methods by which daprd speaks to a gRPC application.
const (
	methodListBindings = runtimev1.AppCallback_ListInputBindings_FullMethodName
	methodListTopics   = runtimev1.AppCallback_ListTopicSubscriptions_FullMethodName
	methodTopic        = runtimev1.AppCallback_OnTopicEvent_FullMethodName
	methodBinding      = runtimev1.AppCallback_OnBindingEvent_FullMethodName
	methodInvoke       = runtimev1.AppCallback_OnInvoke_FullMethodName
	methodBulk         = runtimev1.AppCallback_OnBulkTopicEvent_FullMethodName
	methodJob          = runtimev1.AppCallback_OnJobEvent_FullMethodName
	methodHealth       = runtimev1.AppCallbackHealthCheck_HealthCheck_FullMethodName
	methodBulkAlpha    = runtimev1.AppCallbackAlpha_OnBulkTopicEventAlpha1_FullMethodName
	methodJobAlpha     = runtimev1.AppCallbackAlpha_OnJobEventAlpha1_FullMethodName
)

// maxStreams is above what the budget lets wait, so that daprd's questions are never queued behind events.
const maxStreams = 1 << 13

// newGRPCServer returns the application that a daprd with app protocol grpc sees.
func (a *Agent) newGRPCServer() *grpc.Server {
	return grpc.NewServer(
		grpc.ForceServerCodecV2(codec{}),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error { return a.serveGRPC(stream) }),
		grpc.MaxRecvMsgSize(int(a.config.largest())),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.NumStreamWorkers(uint32(runtime.GOMAXPROCS(0))), //nolint:gosec // nobody has that many cores
		// What daprd may send ahead of being asked for: a constant, because gRPC's own estimate grows with every connection.
		grpc.InitialWindowSize(small), grpc.InitialConnWindowSize(1<<20),
		grpc.ConnectionTimeout(5*time.Second),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
	)
}

// serveGRPC answers one call of daprd.
func (a *Agent) serveGRPC(stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	switch method {
	case methodListBindings:
		return a.tell(stream, a.answers.bindings)
	case methodListTopics:
		return a.tell(stream, a.answers.subscriptions)
	case methodHealth:
		if a.pending.draining.Load() {
			return refuseGRPC(resultDraining)
		}
		return a.tell(stream, nil)
	}
	md, _ := metadata.FromIncomingContext(stream.Context())
	start, k := time.Now(), kindOf(method)
	if given := md.Get(tokenHeader); len(given) != 1 || !a.tokens.accepts(given[0]) {
		a.metrics.done(k, resultToken, start)
		return refuseGRPC(resultToken)
	}
	switch method {
	case methodTopic, methodBinding, methodJob, methodJobAlpha, methodInvoke, methodBulk, methodBulkAlpha:
		r, err := a.serveUnary(stream, k, method, md)
		a.metrics.done(k, r, start)
		return err
	}
	r, err := a.proxy(stream, method, md)
	a.metrics.done(k, r, start)
	return err
}

// kindOf says what a method is counted as.
func kindOf(method string) kind {
	switch method {
	case methodTopic, methodBulk, methodBulkAlpha:
		return kindTopic
	case methodBinding:
		return kindBinding
	case methodJob, methodJobAlpha:
		return kindJob
	default:
		return kindInvoke
	}
}

// tell answers a question of daprd's with a message made before.
func (a *Agent) tell(stream grpc.ServerStream, message []byte) error {
	question := frame{}
	if err := stream.RecvMsg(&question); err != nil {
		return err
	}
	question.free()
	return stream.SendMsg(newFrame(message))
}

// receive reads a message. Few are read at once, because gRPC does not say how large the next one is.
func (a *Agent) receive(stream grpc.ServerStream) (*frame, result, error) {
	in := &frame{}
	a.reads.enter()
	err := stream.RecvMsg(in)
	a.reads.leave()
	switch {
	case status.Code(err) == codes.ResourceExhausted: // gRPC has told daprd how large it was, and how large it may be
		return nil, resultTooLarge, err
	case err != nil:
		return nil, resultGone, err
	}
	return in, resultSuccess, nil
}

// serveUnary hands one call to the function and its answer to daprd.
func (a *Agent) serveUnary(stream grpc.ServerStream, k kind, method string, md metadata.MD) (result, error) {
	in, r, err := a.receive(stream)
	if err != nil {
		return r, err
	}
	defer in.free()
	if method == methodBulk || method == methodBulkAlpha {
		return a.serveBulkGRPC(stream, in, md)
	}
	size := int64(in.data.Len()) + costOfStream
	if r, ok := a.pending.take(size, 1); !ok {
		return r, refuseGRPC(r)
	}
	defer a.pending.give(size, 1)
	var out any
	if a.config.FunctionProtocol == GRPC {
		answer := &frame{}
		defer answer.free()
		r, err = a.passGRPC(stream, k, method, md, in, answer)
		out = answer
	} else {
		out, r, err = a.grpcToHTTP(stream.Context(), k, in, md)
	}
	if err != nil {
		return r, err
	}
	if err := stream.SendMsg(out); err != nil {
		return resultGone, err
	}
	return r, nil
}

// passGRPC hands a message to a function that speaks gRPC too, as it came.
func (a *Agent) passGRPC(stream grpc.ServerStream, k kind, method string, md metadata.MD, in, out *frame) (result, error) {
	var header, trailer metadata.MD
	var options []grpc.CallOption
	if k == kindInvoke || k == kindJob {
		options = []grpc.CallOption{grpc.Header(&header), grpc.Trailer(&trailer)}
	}
	said, err := a.sendGRPC(stream.Context(), k, method, forwardedMetadata(md), in, out, options...)
	if err != nil && (k != kindInvoke || said == nil) {
		return resultOf(err), refuseGRPC(resultOf(err))
	}
	if k == kindInvoke || k == kindJob {
		if err := stream.SetHeader(forwardedMetadata(header)); err != nil {
			return resultGone, err
		}
		stream.SetTrailer(forwardedMetadata(trailer))
	}
	switch {
	case said != nil && k == kindTopic && status.Code(said) == codes.Unimplemented:
		return resultError, refuseGRPC(resultError)
	case said != nil:
		return resultError, said
	case k == kindTopic:
		return resultOfTopic(topicStatusOfFrame(out.data.Materialize())), nil
	}
	return resultSuccess, nil
}

func resultOfTopic(s runtimev1.TopicEventResponse_TopicEventResponseStatus) result {
	switch s {
	case runtimev1.TopicEventResponse_SUCCESS:
		return resultSuccess
	case runtimev1.TopicEventResponse_DROP:
		return resultDrop
	default:
		return resultRetry
	}
}

// sendGRPC calls a function that speaks gRPC. The first error is the function's; the second says why there is no answer.
func (a *Agent) sendGRPC(ctx context.Context, k kind, method string, md metadata.MD, in, out any, options ...grpc.CallOption) (said, err error) {
	err = a.forward.deliver(ctx, call{repeatable: k != kindInvoke, send: func(ctx context.Context, r *replica, token string) outcome {
		md.Set(tokenHeader, token)
		var o outcome
		o, said = r.to.(*grpcFunction).invoke(ctx, method, md, in, out, options...)
		return o
	}})
	return said, err
}

// grpcToHTTP hands a call to a function that speaks HTTP.
func (a *Agent) grpcToHTTP(ctx context.Context, k kind, in *frame, md metadata.MD) (proto.Message, result, error) {
	message := in.data.Materialize()
	switch k {
	case kindTopic:
		e := &runtimev1.TopicEventRequest{}
		if err := proto.Unmarshal(message, e); err != nil {
			return nil, resultBad, refuseGRPC(resultBad)
		}
		s, r, err := a.topicOverHTTP(ctx, e, md)
		return &runtimev1.TopicEventResponse{Status: s}, r, err
	case kindBinding:
		e := &runtimev1.BindingEventRequest{}
		if err := proto.Unmarshal(message, e); err != nil {
			return nil, resultBad, refuseGRPC(resultBad)
		}
		answer, r, err := a.overHTTP(ctx, k, bindingToHTTP(e, a.answers.routes[e.GetName()], md))
		return &runtimev1.BindingEventResponse{Data: answer.body}, r, err
	case kindJob:
		e := &runtimev1.JobEventRequest{}
		if err := proto.Unmarshal(message, e); err != nil {
			return nil, resultBad, refuseGRPC(resultBad)
		}
		_, r, err := a.overHTTP(ctx, k, &httpRequest{method: http.MethodPost, url: urlOf("/job/" + e.GetName()), header: headerOf(md),
			body: e.GetData().GetValue()})
		return &runtimev1.JobEventResponse{}, r, err
	default:
		e := &commonv1.InvokeRequest{}
		if err := proto.Unmarshal(message, e); err != nil {
			return nil, resultBad, refuseGRPC(resultBad)
		}
		answer, r, err := a.overHTTP(ctx, k, invokeToHTTP(e, md))
		return &commonv1.InvokeResponse{Data: &anypb.Any{Value: answer.body}, ContentType: answer.header.Get("Content-Type")}, r, err
	}
}

// overHTTP sends a request and turns a bad status into an error for daprd.
func (a *Agent) overHTTP(ctx context.Context, k kind, request *httpRequest) (httpAnswer, result, error) {
	answer, err := a.sendHTTP(ctx, k, request)
	if err != nil {
		return answer, resultOf(err), refuseGRPC(resultOf(err))
	}
	if answer.status < 200 || answer.status > 299 {
		return answer, resultError, status.Errorf(codeOfHTTP(answer.status), "the function answered %d", answer.status)
	}
	return answer, resultSuccess, nil
}

// topicOverHTTP hands one topic event to a function that speaks HTTP.
func (a *Agent) topicOverHTTP(ctx context.Context, e *runtimev1.TopicEventRequest, md metadata.MD,
) (runtimev1.TopicEventResponse_TopicEventResponseStatus, result, error) {
	request, err := topicToHTTP(e, a.topicRoute(e.GetPubsubName(), e.GetTopic()), md)
	if err != nil {
		return 0, resultBad, refuseGRPC(resultBad)
	}
	answer, err := a.sendHTTP(ctx, kindTopic, request)
	if err != nil {
		return 0, resultOf(err), refuseGRPC(resultOf(err))
	}
	s, ok := topicStatus(answer)
	switch {
	case !ok && answer.status == http.StatusNotFound:
		return 0, resultError, refuseGRPC(resultError)
	case !ok:
		return 0, resultError, status.Errorf(codes.Internal, "the function answered %d", answer.status)
	}
	return s, resultOfTopic(s), nil
}

// topicRoute is where a function that speaks HTTP wants a topic's events.
func (a *Agent) topicRoute(pubsub, topic string) string {
	if route, ok := a.answers.topicRoutes[[2]string{pubsub, topic}]; ok {
		return route
	}
	return "/" + topic
}

// proxy passes on a call of any other gRPC service of the function, with as many messages either way as there are.
func (a *Agent) proxy(stream grpc.ServerStream, method string, md metadata.MD) (result, error) {
	if a.config.FunctionProtocol != GRPC {
		return resultError, status.Error(codes.Unimplemented, "the function speaks HTTP")
	}
	if r, ok := a.pending.take(costOfStream, 1); !ok {
		return r, refuseGRPC(r)
	}
	defer a.pending.give(costOfStream, 1)
	var said error
	err := a.forward.deliver(stream.Context(), call{send: func(ctx context.Context, r *replica, token string) outcome {
		out := forwardedMetadata(md)
		out.Set(tokenHeader, token)
		var o outcome
		o, said = r.to.(*grpcFunction).stream(metadata.NewOutgoingContext(ctx, out), method, stream)
		return o
	}})
	switch {
	case err != nil:
		return resultOf(err), refuseGRPC(resultOf(err))
	case said != nil:
		return resultError, said
	}
	return resultSuccess, nil
}

// stream joins a call of daprd with one to the function.
func (f *grpcFunction) stream(ctx context.Context, method string, from grpc.ServerStream) (outcome, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	to, err := f.conn.Load().NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return notSent, err
	}
	go func() {
		for {
			message := &frame{}
			if err := from.RecvMsg(message); errors.Is(err, io.EOF) {
				_ = to.CloseSend() // the answer says what became of it
				return
			} else if err != nil {
				cancel()
				return
			}
			err := to.SendMsg(message)
			message.free()
			if err != nil {
				return // RecvMsg below says why
			}
		}
	}()
	for first := true; ; first = false {
		message := &frame{}
		err := to.RecvMsg(message)
		if first {
			if header, headerErr := to.Header(); headerErr == nil {
				if err := from.SetHeader(forwardedMetadata(header)); err != nil {
					return answered, err
				}
			}
		}
		if err != nil {
			from.SetTrailer(forwardedMetadata(to.Trailer()))
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return answered, err
		}
		err = from.SendMsg(message)
		message.free()
		if err != nil {
			return answered, err
		}
	}
}
