// SPDX-License-Identifier: Apache-2.0

// Framework is a function written with the established functions framework for Go, as it is released: what runs in the images of the users this
// project takes over. It sends what it gets to the output that OUTPUT names, and writes the id of every event down in Redis.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"time"

	ofctx "github.com/OpenFunction/functions-framework-go/context"
	"github.com/OpenFunction/functions-framework-go/framework"
	"k8s.io/klog/v2"
)

func main() {
	ctx := context.Background()
	fwk, err := framework.NewFramework()
	if err != nil {
		klog.Exit(err)
	}
	fwk.RegisterPlugins(nil)
	if err := fwk.Register(ctx, forward); err != nil {
		klog.Exit(err)
	}
	if err := fwk.Start(ctx); err != nil {
		klog.Exit(err)
	}
}

// forward is the function.
func forward(ctx ofctx.Context, in []byte) (ofctx.Out, error) {
	if name := os.Getenv("OUTPUT"); name != "" {
		if answer, err := ctx.Send(name, in); err != nil {
			klog.Errorf("Sending to %s: %v: %s", name, err, answer)
			return ctx.ReturnOnInternalError(), err
		}
	}
	if err := writeDown(in); err != nil {
		klog.Error(err)
		return ctx.ReturnOnInternalError(), err
	}
	return ctx.ReturnOnSuccess().WithData([]byte("forwarded")), nil
}

// writeDown adds the id of the event to a set in Redis.
func writeDown(data []byte) error {
	var event struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(data, &event); err != nil {
		return fmt.Errorf("reading event %q: %w", data, err)
	}
	conn, err := net.DialTimeout("tcp", os.Getenv("REDIS"), 5*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "SADD %s:ids %s\r\nINCR %s:times\r\n", os.Getenv("KEY"), event.ID, os.Getenv("KEY")); err != nil {
		return err
	}
	answers := make([]byte, 64)
	n, err := conn.Read(answers)
	if err != nil || answers[0] != ':' {
		return fmt.Errorf("redis answered %q: %v", answers[:n], err)
	}
	return nil
}
