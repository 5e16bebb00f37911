// SPDX-License-Identifier: Apache-2.0

// Command install builds the images of this checkout and installs them on the cluster that KUBECONFIG names, or the local one.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/openfunction/openfunction/hack/platform"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := install(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func install(ctx context.Context) error {
	cluster, err := platform.Find(ctx, ".", os.Stdout)
	if err != nil {
		return err
	}
	images, err := platform.Build(ctx, ".", cluster, os.Stdout)
	if err != nil {
		return err
	}
	if err := platform.Install(ctx, ".", cluster, images, os.Stdout); err != nil {
		return err
	}
	fmt.Printf("Installed; use %s --kubeconfig %s, and name the builder %s\n", cluster.Kubectl, cluster.Kubeconfig, images.Builder)
	return nil
}
