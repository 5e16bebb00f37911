// SPDX-License-Identifier: Apache-2.0

// Command bench prints what the agent costs an event, one `name value unit` a line. It runs in the root of the module.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/openfunction/openfunction/test/agent/bench"
)

func main() {
	o := bench.Options{}
	flag.IntVar(&o.Seconds, "seconds", 10, "seconds of every measurement")
	flag.IntVar(&o.Rate, "rate", 1000, "events a second")
	flag.StringVar(&o.Root, "root", ".", "root of the module")
	flag.Parse()
	for _, protocol := range []string{"grpc", "http"} {
		o.Protocol = protocol
		figures, err := bench.Measure(context.Background(), o)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		for _, f := range figures {
			fmt.Println(f)
		}
	}
}
