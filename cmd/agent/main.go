// SPDX-License-Identifier: Apache-2.0

// Command agent stands between daprd and a function. Package agent says what it does.
package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"k8s.io/klog/v2/textlogger"

	"github.com/openfunction/openfunction/agent"
)

// memoryLimit makes the collector work hard before the container's 64 MiB are reached: the rest is for what is not on the heap.
const memoryLimit = 38 << 20

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	flags := flag.NewFlagSet("agent", flag.ContinueOnError)
	logs := textlogger.NewConfig()
	logs.AddFlags(flags)
	config, err := agent.ParseConfig(flags, os.Args[1:], os.LookupEnv)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	log := textlogger.NewLogger(logs)
	if err != nil {
		log.Error(err, "The agent cannot start")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	a, err := agent.New(ctx, config, log)
	if err == nil {
		err = a.Run(ctx)
	}
	if err != nil {
		log.Error(err, "The agent ended")
		os.Exit(1)
	}
}
