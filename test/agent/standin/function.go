// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	commonv1 "github.com/dapr/dapr/pkg/proto/common/v1"
	runtimev1 "github.com/dapr/dapr/pkg/proto/runtime/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
)

// TokenHeader is where the app token is.
const TokenHeader = "dapr-api-token"

// Function is a function of events. Its start-up questions fail: nobody is to ask them.
type Function struct {
	runtimev1.UnimplementedAppCallbackServer
	token string
	delay time.Duration
	notes io.Writer
}

// RunFunction serves a function until the process is killed.
func RunFunction(args []string) error {
	flags := flag.NewFlagSet("function", flag.ContinueOnError)
	address := flags.String("address", "", "where it listens")
	protocol := flags.String("protocol", "grpc", "grpc or http")
	notes := flags.String("notes", "", "file of the events it worked on")
	f := &Function{notes: io.Discard}
	flags.StringVar(&f.token, "token", "", "token it wants")
	flags.DurationVar(&f.delay, "delay", 0, "how long it works on an event")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *notes != "" {
		file, err := os.OpenFile(*notes, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		f.notes = file
	}
	l, err := net.Listen("tcp", *address)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	if *protocol == "http" {
		return http.Serve(l, f)
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(64 << 20))
	runtimev1.RegisterAppCallbackServer(server, f)
	return server.Serve(l)
}

// work notes an event, and then it is done.
func (f *Function) work(data []byte) error {
	time.Sleep(f.delay)
	id, _, _ := strings.Cut(string(data), " ")
	_, err := io.WriteString(f.notes, id+"\n")
	return err
}

func (f *Function) check(ctx context.Context) error {
	md, _ := metadata.FromIncomingContext(ctx)
	if given := md.Get(TokenHeader); len(given) != 1 || given[0] != f.token {
		return status.Error(codes.Unauthenticated, "wrong token")
	}
	return nil
}

// OnTopicEvent implements runtimev1.AppCallbackServer.
func (f *Function) OnTopicEvent(ctx context.Context, e *runtimev1.TopicEventRequest) (*runtimev1.TopicEventResponse, error) {
	if err := f.check(ctx); err != nil {
		return nil, err
	}
	return &runtimev1.TopicEventResponse{}, f.work(e.GetData())
}

// OnBindingEvent implements runtimev1.AppCallbackServer.
func (f *Function) OnBindingEvent(ctx context.Context, e *runtimev1.BindingEventRequest) (*runtimev1.BindingEventResponse, error) {
	if err := f.check(ctx); err != nil {
		return nil, err
	}
	return &runtimev1.BindingEventResponse{}, f.work(e.GetData())
}

// OnInvoke implements runtimev1.AppCallbackServer.
func (f *Function) OnInvoke(ctx context.Context, e *commonv1.InvokeRequest) (*commonv1.InvokeResponse, error) {
	if err := f.check(ctx); err != nil {
		return nil, err
	}
	return &commonv1.InvokeResponse{Data: &anypb.Any{Value: e.GetData().GetValue()}, ContentType: "text/plain"}, nil
}

// ServeHTTP implements http.Handler.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(TokenHeader) != f.token {
		http.Error(w, "wrong token", http.StatusUnauthorized)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var event struct {
		Data string `json:"data"`
	}
	if json.Unmarshal(body, &event) == nil {
		body = []byte(event.Data)
	}
	if err := f.work(body); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}
