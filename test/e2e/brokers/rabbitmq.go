// SPDX-License-Identifier: Apache-2.0

package brokers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// RabbitMQ sends messages by the HTTP API of RabbitMQ's management plugin.
type RabbitMQ struct {
	// Address is HOST:PORT of the management plugin.
	Address string
	// User and Password may use the default virtual host.
	User, Password string
}

// DefaultExchange leads to the queue that has the routing key's name.
const DefaultExchange = "amq.default"

// Publish sends one message, and fails when it reached no queue.
func (r RabbitMQ) Publish(ctx context.Context, exchange, key string, data []byte) error {
	answer, err := r.call(ctx, http.MethodPost, "/api/exchanges/%2F/"+url.PathEscape(exchange)+"/publish", map[string]any{
		"properties": map[string]any{"delivery_mode": 2}, "routing_key": key, "payload": string(data), "payload_encoding": "string",
	})
	if err != nil {
		return err
	}
	var result struct {
		Routed bool `json:"routed"`
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return fmt.Errorf("publishing to %s: %w", exchange, err)
	}
	if !result.Routed {
		return fmt.Errorf("publishing to %s with key %q: it reached no queue", exchange, key)
	}
	return nil
}

// DeclareQueue makes a durable queue, as Dapr's binding does.
func (r RabbitMQ) DeclareQueue(ctx context.Context, name string) error {
	_, err := r.call(ctx, http.MethodPut, "/api/queues/%2F/"+url.PathEscape(name), map[string]any{"durable": true, "auto_delete": false})
	return err
}

func (r RabbitMQ) call(ctx context.Context, method, path string, body any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+r.Address+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	request.SetBasicAuth(r.User, r.Password)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking rabbitmq: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("asking rabbitmq: %w", err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		return nil, fmt.Errorf("asking rabbitmq for %s: %s: %s", path, response.Status, answer)
	}
	return answer, nil
}
