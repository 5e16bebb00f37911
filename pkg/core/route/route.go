// SPDX-License-Identifier: Apache-2.0

package route

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

const (
	// Label marks the Services that the router stands behind; its value is "true". The router reads no others.
	Label = "openfunction.io/front"
	// Annotation holds the Route of such a Service, as String writes it.
	Annotation = "openfunction.io/route"
	// Header names the function a request is for, as Function writes it. It wins over the Host header and never reaches the function.
	Header = "Openfunction-Function"
)

const (
	// MaxBackends is how many backends a Route may have.
	MaxBackends = 16
	// MaxWeight is the largest weight of a backend.
	MaxWeight = 1_000_000
)

// Backend is one place that answers requests of a function.
type Backend struct {
	// Address is the "host:port" that is dialled.
	Address string `json:"address"`
	// Host is the Host header the backend expects; by it an engine tells functions apart.
	Host string `json:"host"`
	// Weight is the share of requests, relative to the weights of the others; 0 gets none.
	Weight int32 `json:"weight"`
}

// Route is where the requests of one function go. Without a backend that has a weight, the function takes no requests yet.
type Route struct {
	// Backends are in an order of the writer's choice; equal routes have them in the same.
	Backends []Backend `json:"backends"`
}

// Function returns the value of Header for a function.
func Function(namespace, name string) string { return namespace + "/" + name }

// String returns the JSON that Parse reads. Equal routes give equal strings.
func (r Route) String() string {
	if r.Backends == nil {
		r.Backends = []Backend{}
	}
	text, err := json.Marshal(r)
	if err != nil {
		return "" // strings and a number: it cannot fail
	}
	return string(text)
}

// Parse reads what String wrote. It passes over fields it does not know, which a newer controller may have written, and says what is wrong
// with those it knows.
func Parse(annotation string) (Route, error) {
	if annotation == "" {
		return Route{}, errors.New("the route is empty")
	}
	var r Route
	if err := json.Unmarshal([]byte(annotation), &r); err != nil {
		return Route{}, fmt.Errorf("reading the route: %w", err)
	}
	if len(r.Backends) > MaxBackends {
		return Route{}, fmt.Errorf("a route has at most %d backends, not %d", MaxBackends, len(r.Backends))
	}
	for i, b := range r.Backends {
		if err := b.validate(); err != nil {
			return Route{}, fmt.Errorf("backends[%d]: %w", i, err)
		}
	}
	return r, nil
}

func (b Backend) validate() error {
	host, port, err := net.SplitHostPort(b.Address)
	if err != nil || !isHost(host) || !isPort(port) {
		return fmt.Errorf("the address %q is not HOST:PORT", b.Address)
	}
	name := b.Host
	if host, port, err := net.SplitHostPort(b.Host); err == nil && isPort(port) {
		name = host
	}
	if !isHost(name) {
		return fmt.Errorf("the host %q is not a name", b.Host)
	}
	if b.Weight < 0 || b.Weight > MaxWeight {
		return fmt.Errorf("the weight %d is not between 0 and %d", b.Weight, MaxWeight)
	}
	return nil
}

// isHost tells whether a name may stand in a Host header and be looked up: an IP address, or labels of letters, digits, "-" and "_".
func isHost(name string) bool {
	if net.ParseIP(name) != nil {
		return true
	}
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.TrimLeft(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

func isPort(port string) bool {
	number, err := strconv.ParseUint(port, 10, 16)
	return err == nil && number > 0
}
