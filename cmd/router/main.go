// SPDX-License-Identifier: Apache-2.0

// Command router hands the HTTP requests for all functions to the engines that run them. Package router says what it does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"

	"github.com/openfunction/openfunction/router"
)

func main() {
	flags := flag.NewFlagSet("router", flag.ContinueOnError)
	logs := textlogger.NewConfig()
	logs.AddFlags(flags)
	config, err := router.ParseConfig(flags, os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	log := textlogger.NewLogger(logs)
	klog.SetLogger(log)
	if err != nil {
		log.Error(err, "The router cannot start")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	if err := run(ctx, config, log); err != nil {
		log.Error(err, "The router ended")
		os.Exit(1)
	}
}

func run(ctx context.Context, config router.Config, log logr.Logger) error {
	find := rest.InClusterConfig
	if config.Kubeconfig != "" {
		find = func() (*rest.Config, error) { return clientcmd.BuildConfigFromFlags("", config.Kubeconfig) }
	}
	kubeconfig, err := find()
	if err != nil {
		return fmt.Errorf("finding the cluster: %w", err)
	}
	kubeconfig.UserAgent = "openfunction-router"
	r, err := router.New(ctx, config, log)
	if err != nil {
		return err
	}
	return r.Run(ctx, kubeconfig)
}
