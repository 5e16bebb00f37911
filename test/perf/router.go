// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/openfunction/openfunction/test/kit"
	"github.com/openfunction/openfunction/test/router/bench"
)

// requestRate is at how many requests a second the router's added latency is measured.
const requestRate = 1000

// measureRouter compares calling a function directly with calling it through the router, on this machine and without a cluster.
func measureRouter(ctx context.Context, s settings) error {
	root, err := kit.Root()
	if err != nil {
		return err
	}
	for _, two := range []bool{false, true} {
		progress("the router before a function, HTTP/2: %t", two)
		figures, err := bench.Measure(ctx, bench.Options{Seconds: s.seconds, Rate: requestRate, HTTP2: two, Root: root})
		if err != nil {
			return err
		}
		for _, f := range figures {
			figure(f.Name, f.Value, f.Unit)
		}
	}
	return nil
}
