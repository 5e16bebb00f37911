// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"

	"github.com/openfunction/openfunction/test/agent/standin"
	"github.com/openfunction/openfunction/test/paired"
)

// daprdApp is the app id that a daprd of the benchmark serves.
const daprdApp = "bench"

// invoked is an application behind a real daprd, called by its app id: of all that makes daprd call an application, this alone answers when the
// application has, so that the time it takes can be read.
type invoked struct {
	url    string
	client *http.Client
}

// behindDaprd starts daprd before the application at an address.
func behindDaprd(ctx context.Context, program, protocol, address string) (standin.App, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	api := freeAddress()
	command := exec.CommandContext(ctx, program, "--app-id", daprdApp, "--app-port", port, "--app-protocol", protocol, "--log-level", "error",
		"--dapr-http-port", portOf(api), "--dapr-grpc-port", portOf(freeAddress()), "--dapr-internal-grpc-port", portOf(freeAddress()),
		"--enable-metrics=false", "--placement-host-address", "", "--scheduler-host-address", "")
	command.Env, command.Stderr = append(os.Environ(), "APP_API_TOKEN="+token), os.Stderr
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("starting daprd: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = paired.Workers, paired.Workers
	return &invoked{url: "http://" + api + "/v1.0/invoke/" + daprdApp + "/method/event", client: &http.Client{Transport: transport}}, nil
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// Ask implements standin.App; daprd asks by itself.
func (a *invoked) Ask(context.Context) (bindings, topics []string, err error) { return nil, nil, nil }

// Deliver implements standin.App.
func (a *invoked) Deliver(ctx context.Context, _ int, data []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, bytes.NewReader(data))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "text/plain")
	response, err := a.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, text)
	}
	return err
}
