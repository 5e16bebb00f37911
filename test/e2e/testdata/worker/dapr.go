// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	commonv1 "github.com/dapr/dapr/pkg/proto/common/v1"
	runtimev1 "github.com/dapr/dapr/pkg/proto/runtime/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// sidecar is Dapr as a function uses it.
type sidecar interface {
	send(ctx context.Context, output endpoint, data []byte) error
	save(ctx context.Context, store, key, value string) error
	load(ctx context.Context, store, key string) (string, error)
}

// newSidecar returns the Dapr API that DAPR_API names, at the address that the function was given.
func newSidecar() (sidecar, error) {
	host := orElse(os.Getenv("DAPR_HOST"), "127.0.0.1")
	if os.Getenv("DAPR_API") == "http" {
		return httpSidecar{base: "http://" + host + ":" + orElse(os.Getenv("DAPR_HTTP_PORT"), "3500") + "/v1.0"}, nil
	}
	conn, err := grpc.NewClient(host+":"+orElse(os.Getenv("DAPR_GRPC_PORT"), "50001"), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		return nil, fmt.Errorf("preparing the connection to Dapr: %w", err)
	}
	return grpcSidecar{runtimev1.NewDaprClient(conn)}, nil
}

// patience is how long one call of Dapr may take; a sidecar that is starting counts.
const patience = 30 * time.Second

type grpcSidecar struct{ client runtimev1.DaprClient }

func (s grpcSidecar) send(ctx context.Context, output endpoint, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if output.isTopic() {
		_, err := s.client.PublishEvent(ctx, &runtimev1.PublishEventRequest{PubsubName: output.ComponentName, Topic: output.URI, Data: data,
			DataContentType: "application/json", Metadata: output.Metadata})
		return err
	}
	_, err := s.client.InvokeBinding(ctx, &runtimev1.InvokeBindingRequest{Name: output.ComponentName, Data: data, Operation: output.Operation,
		Metadata: output.Metadata})
	return err
}

func (s grpcSidecar) save(ctx context.Context, store, key, value string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := s.client.SaveState(ctx, &runtimev1.SaveStateRequest{StoreName: store,
		States: []*commonv1.StateItem{{Key: key, Value: []byte(value)}}})
	return err
}

func (s grpcSidecar) load(ctx context.Context, store, key string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err := s.client.GetState(ctx, &runtimev1.GetStateRequest{StoreName: store, Key: key})
	return string(answer.GetData()), err
}

type httpSidecar struct{ base string }

func (s httpSidecar) send(ctx context.Context, output endpoint, data []byte) error {
	if output.isTopic() {
		_, err := s.call(ctx, http.MethodPost, "/publish/"+url.PathEscape(output.ComponentName)+"/"+url.PathEscape(output.URI), data)
		return err
	}
	body, err := json.Marshal(map[string]any{"data": json.RawMessage(data), "operation": output.Operation, "metadata": output.Metadata})
	if err != nil {
		return err
	}
	_, err = s.call(ctx, http.MethodPost, "/bindings/"+url.PathEscape(output.ComponentName), body)
	return err
}

func (s httpSidecar) save(ctx context.Context, store, key, value string) error {
	body, err := json.Marshal([]map[string]any{{"key": key, "value": value}})
	if err != nil {
		return err
	}
	_, err = s.call(ctx, http.MethodPost, "/state/"+url.PathEscape(store), body)
	return err
}

func (s httpSidecar) load(ctx context.Context, store, key string) (string, error) {
	answer, err := s.call(ctx, http.MethodGet, "/state/"+url.PathEscape(store)+"/"+url.PathEscape(key), nil)
	if err != nil {
		return "", err
	}
	var value string
	err = json.Unmarshal(answer, &value)
	return value, err
}

func (s httpSidecar) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, s.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= http.StatusBadRequest {
		return nil, fmt.Errorf("%s: %s", response.Status, answer)
	}
	return answer, nil
}
