// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/openfunction/openfunction/test/agent/bench"
	"github.com/openfunction/openfunction/test/kit"
)

// eventRate is at how many events a second the agent's added latency is measured.
const eventRate = 1000

// measureAgent compares events that are handed to a function directly with the same through the agent.
func measureAgent(ctx context.Context, s settings) error {
	root, err := kit.Root()
	if err != nil {
		return err
	}
	for _, protocol := range []string{"grpc", "http"} {
		progress("the agent between a caller and a function, %s", protocol)
		figures, err := bench.Measure(ctx, bench.Options{Seconds: s.seconds, Rate: eventRate, Protocol: protocol, Root: root})
		if err != nil {
			return err
		}
		for _, f := range figures {
			figure(f.Name, f.Value, f.Unit)
		}
	}
	return nil
}
