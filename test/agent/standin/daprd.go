// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	runtimev1 "github.com/dapr/dapr/pkg/proto/runtime/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"
)

// The names of the stand-in's components, and the triggers an agent is told for them.
const (
	Binding  = "source"
	PubSub   = "bus"
	Topic    = "orders"
	Triggers = `[{"component":"source","kind":"bindings"},{"component":"bus","kind":"pubsub","topic":"orders"}]`
)

// redeliver is how long the broker keeps an event that failed.
const redeliver = 50 * time.Millisecond

// App is an application as daprd sees it: the agent, or a function.
type App interface {
	// Ask puts daprd's start-up questions.
	Ask(ctx context.Context) (bindings, topics []string, err error)
	// Deliver hands over an event: nil means that the broker may forget it.
	Deliver(ctx context.Context, number int, data []byte) error
}

// Dial returns the way to an application.
func Dial(protocol, address, token string) (App, error) {
	if protocol == "http" {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxConnsPerHost, transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 1024, 64, 64 // as daprd has them
		return &httpApp{url: "http://" + address, token: token, client: &http.Client{Transport: transport}}, nil
	}
	// It comes back soon, so that what takes long is the agent's doing.
	params := grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: redeliver, Multiplier: 1.5, MaxDelay: 500 * time.Millisecond}, MinConnectTimeout: 5 * time.Second}
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithConnectParams(params))
	if err != nil {
		return nil, err
	}
	return &grpcApp{client: runtimev1.NewAppCallbackClient(conn), token: token}, nil
}

type grpcApp struct {
	client runtimev1.AppCallbackClient
	token  string
}

// Ask implements App.
func (a *grpcApp) Ask(ctx context.Context) (bindings, topics []string, err error) {
	b, err := a.client.ListInputBindings(ctx, &emptypb.Empty{})
	if err != nil {
		return nil, nil, err
	}
	t, err := a.client.ListTopicSubscriptions(ctx, &emptypb.Empty{})
	for _, s := range t.GetSubscriptions() {
		topics = append(topics, s.GetPubsubName()+"/"+s.GetTopic())
	}
	return b.GetBindings(), topics, err
}

// Deliver implements App: every other event is a binding's.
func (a *grpcApp) Deliver(ctx context.Context, number int, data []byte) error {
	ctx = metadata.AppendToOutgoingContext(ctx, TokenHeader, a.token)
	if number%2 == 0 {
		_, err := a.client.OnBindingEvent(ctx, &runtimev1.BindingEventRequest{Name: Binding, Data: data})
		return err
	}
	answer, err := a.client.OnTopicEvent(ctx, &runtimev1.TopicEventRequest{Id: "id", Source: "standin", Type: "event", SpecVersion: "1.0",
		DataContentType: "text/plain", Topic: Topic, PubsubName: PubSub, Data: data})
	if err == nil && answer.GetStatus() != runtimev1.TopicEventResponse_SUCCESS {
		return fmt.Errorf("the application said %s", answer.GetStatus())
	}
	return err
}

type httpApp struct {
	url, token string
	client     *http.Client
}

func (a *httpApp) do(ctx context.Context, method, path, contentType string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, a.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set(TokenHeader, a.token)
	r.Header.Set("Content-Type", contentType)
	answer, err := a.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return nil, fmt.Errorf("the application said %d: %s", answer.StatusCode, text)
	}
	return text, nil
}

// Ask implements App.
func (a *httpApp) Ask(ctx context.Context) (bindings, topics []string, err error) {
	if _, err := a.do(ctx, http.MethodOptions, "/"+Binding, "application/json", nil); err != nil {
		return nil, nil, err
	}
	text, err := a.do(ctx, http.MethodGet, "/dapr/subscribe", "application/json", nil)
	if err != nil {
		return nil, nil, err
	}
	var subscriptions []struct{ PubsubName, Topic string }
	err = json.Unmarshal(text, &subscriptions)
	for _, s := range subscriptions {
		topics = append(topics, s.PubsubName+"/"+s.Topic)
	}
	return []string{Binding}, topics, err
}

// Deliver implements App.
func (a *httpApp) Deliver(ctx context.Context, number int, data []byte) error {
	if number%2 == 0 {
		_, err := a.do(ctx, http.MethodPost, "/"+Binding, "application/json", data)
		return err
	}
	event, err := json.Marshal(map[string]any{"id": "id", "source": "standin", "type": "event", "specversion": "1.0",
		"datacontenttype": "text/plain", "topic": Topic, "pubsubname": PubSub, "data": string(data)})
	if err != nil {
		return err
	}
	said, err := a.do(ctx, http.MethodPost, "/"+Topic, "application/cloudevents+json", event)
	var status struct{ Status string }
	if err == nil && json.Unmarshal(said, &status) == nil && status.Status != "" && status.Status != "SUCCESS" {
		return errors.New("the application said " + status.Status)
	}
	return err
}

// RunDaprd asks the start-up questions and delivers until every event is done.
func RunDaprd(args []string) error {
	flags := flag.NewFlagSet("daprd", flag.ContinueOnError)
	address := flags.String("app", "", "HOST:PORT of the application")
	protocol := flags.String("protocol", "grpc", "grpc or http")
	token := flags.String("token", "", "token it shows")
	done := flags.String("done", "", "file of the events that were acknowledged")
	events := flags.Int("events", 1000, "how many events there are")
	size := flags.Int("size", 64, "bytes of an event")
	concurrency := flags.Int("concurrency", 64, "events under way at once")
	if err := flags.Parse(args); err != nil {
		return err
	}
	left, err := notDone(*done, *events)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(*done, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	app, err := Dial(*protocol, *address, *token)
	if err != nil {
		return err
	}
	bindings, topics, err := askUntilAnswered(app)
	if err != nil {
		return err
	}
	fmt.Println("subscribed", strings.Join(slices.Concat(bindings, topics), " "))
	return deliverAll(app, left, *size, *concurrency, file)
}

func askUntilAnswered(app App) (bindings, topics []string, err error) {
	for range 200 {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		bindings, topics, err = app.Ask(ctx)
		cancel()
		if err == nil {
			return bindings, topics, nil
		}
		time.Sleep(redeliver)
	}
	return nil, nil, fmt.Errorf("the start-up questions were not answered: %w", err)
}

func deliverAll(app App, left []int, size, concurrency int, done io.Writer) error {
	queue := make(chan int, len(left))
	for _, number := range left {
		queue <- number
	}
	var open, workers sync.WaitGroup
	open.Add(len(left))
	padding := strings.Repeat("x", size)
	var complaint sync.Map
	for range concurrency {
		workers.Go(func() {
			for number := range queue {
				if err := app.Deliver(context.Background(), number, []byte(Event(number)+" "+padding)); err != nil {
					if _, told := complaint.LoadOrStore(err.Error(), true); !told {
						fmt.Println("refused", err)
					}
					time.AfterFunc(redeliver, func() { queue <- number })
					continue
				}
				if _, err := io.WriteString(done, Event(number)+"\n"); err != nil {
					panic(err) // the test's own disk
				}
				open.Done()
			}
		})
	}
	open.Wait()
	close(queue)
	workers.Wait()
	fmt.Println("all done")
	return nil
}

// Event is the identity of an event.
func Event(number int) string { return fmt.Sprintf("event-%06d", number) }

// Lines reads a file of events. A file that does not exist has none.
func Lines(path string) (map[string]int, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer file.Close()
	out, scan := map[string]int{}, bufio.NewScanner(file)
	for scan.Scan() {
		out[scan.Text()]++
	}
	return out, scan.Err()
}

func notDone(path string, events int) ([]int, error) {
	done, err := Lines(path)
	var left []int
	for number := range events {
		if done[Event(number)] == 0 {
			left = append(left, number)
		}
	}
	return left, err
}
