// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
)

// expected is what `check` asks of a daprd.
type expected struct {
	url, appID, appAddress string
	appPort                int
}

// metadata is the part of daprd's answer to GET /v1.0/metadata that is looked at.
type metadata struct {
	ID      string `json:"id"`
	Version string `json:"runtimeVersion"`
	App     struct {
		Port     int    `json:"port"`
		Protocol string `json:"protocol"`
		Address  string `json:"channelAddress"`
	} `json:"appConnectionProperties"`
	Components []struct {
		Name string `json:"name"`
		Type string `json:"type"`
	} `json:"components"`
}

// check asks daprd, as its users reach it, for its health and what it is, until the answer is right.
func check(ctx context.Context, s settings) error {
	found, err := wait(ctx, s, func(ctx context.Context) ([]byte, error) { return s.expected.ask(ctx) })
	if err != nil {
		return err
	}
	fmt.Fprintln(s.log, string(found))
	return nil
}

func (e expected) ask(ctx context.Context) ([]byte, error) {
	if _, err := e.get(ctx, "/v1.0/healthz/outbound"); err != nil {
		return nil, fmt.Errorf("daprd is not healthy: %w", err)
	}
	body, err := e.get(ctx, "/v1.0/metadata")
	if err != nil {
		return nil, err
	}
	var m metadata
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, fmt.Errorf("the metadata of daprd: %w", err)
	}
	switch {
	case m.ID != e.appID:
		return nil, fmt.Errorf("daprd has the app id %q, not %q", m.ID, e.appID)
	case e.appAddress != "" && m.App.Address != e.appAddress:
		return nil, fmt.Errorf("daprd calls the application at %q, not at %q", m.App.Address, e.appAddress)
	case e.appPort != 0 && m.App.Port != e.appPort:
		return nil, fmt.Errorf("daprd calls the application on port %d, not on %d", m.App.Port, e.appPort)
	}
	calls := "calls"
	if _, err := e.get(ctx, "/v1.0/healthz"); err != nil { // an application that is away, or at zero, is no fault of daprd's
		calls = "cannot reach the application yet at"
	}
	names := make([]string, 0, len(m.Components))
	for _, c := range m.Components {
		names = append(names, c.Name+" ("+c.Type+")")
	}
	return fmt.Appendf(nil, "daprd %s is healthy, has the app id %s, %s %s://%s:%s and has the components: %s", m.Version, m.ID,
		calls, m.App.Protocol, m.App.Address, strconv.Itoa(m.App.Port), cmp.Or(strings.Join(names, ", "), "none")), nil
}

// get asks daprd, with the token it may want.
func (e expected) get(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(e.url, "/")+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	if token := os.Getenv("DAPR_API_TOKEN"); token != "" {
		request.Header.Set("dapr-api-token", token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case err != nil:
		return nil, err
	case response.StatusCode == http.StatusUnauthorized:
		return nil, errors.New("daprd wants another API token: " + path)
	case response.StatusCode/100 != 2:
		return nil, fmt.Errorf("%s answered %d: %.200s", path, response.StatusCode, body)
	}
	return body, nil
}
