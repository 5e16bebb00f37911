// SPDX-License-Identifier: Apache-2.0

// Worker is the program in the function images of the e2e suite. It is what its environment makes of it: an HTTP function, a Dapr app that
// takes events by gRPC or HTTP, or a reader of a Redis list. Every event is written down in Redis, so that the suite can count them.
//
//	worker        the function
//	worker probe  asks others from inside the cluster, for who asks it (probe.go)
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/openfunction/openfunction/test/e2e/brokers"
)

// version is set by the linker: the images of the suite differ in it. "broken" ends at once.
var version = "one"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		log.Print(err)
		os.Exit(1) //nolint:gocritic // nothing is left to do
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 0:
		return function(ctx)
	case len(args) == 1 && args[0] == "probe":
		return serveProbe(ctx, ":8080")
	default:
		return fmt.Errorf("unknown arguments %q", args)
	}
}

// function is what the image does in a function.
func function(ctx context.Context) error {
	if version == "broken" || os.Getenv("BROKEN") != "" {
		return errors.New("this version is broken")
	}
	described, err := describe(os.Getenv("FUNC_CONTEXT"))
	if err != nil {
		return err
	}
	delay, err := time.ParseDuration(orElse(os.Getenv("DELAY"), "0s"))
	if err != nil {
		return fmt.Errorf("reading DELAY: %w", err)
	}
	w := &worker{
		described: described,
		delay:     delay,
		key:       os.Getenv("KEY"),
		pod:       os.Getenv("POD_NAME"),
		token:     os.Getenv("APP_API_TOKEN"),
		redis:     &brokers.Redis{Address: os.Getenv("REDIS")},
		one:       make(chan struct{}, 1),
	}
	if w.dapr, err = newSidecar(); err != nil {
		return err
	}
	log.Printf("version %s, runtime %s, %d inputs, %d outputs, %d states", version, described.Runtime, len(described.Inputs),
		len(described.Outputs), len(described.States))
	switch address := ":" + orElse(described.Port, "8080"); {
	case os.Getenv("LIST") != "":
		return w.readList(ctx, os.Getenv("LIST"), os.Getenv("ONCE") != "")
	case described.Runtime == "Async" && os.Getenv("APP_PROTOCOL") != "http":
		return w.serveGRPC(ctx, address)
	default:
		return w.serveHTTP(ctx, address)
	}
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
