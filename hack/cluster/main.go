// Command cluster runs a real Kubernetes node with Tekton, Knative and Traefik on a bare Debian machine. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/openfunction/openfunction/hack/cluster/internal/cluster"
	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
)

// command is one word of the command line.
type command struct {
	name, usage, help string
	run               func(ctx context.Context, c *cluster.Cluster, args []string) error
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			_, _ = fmt.Fprintln(os.Stderr, "cluster: "+err.Error())
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	all := commands()
	if len(args) == 0 || slices.Contains([]string{"help", "-h", "--help"}, args[0]) {
		printUsage(all)
		return nil
	}
	for _, c := range all {
		if c.name == args[0] {
			l, err := layout.Find()
			if err != nil {
				return err
			}
			return c.run(ctx, cluster.New(l), args[1:])
		}
	}
	printUsage(all)
	return fmt.Errorf("there is no command %q", args[0])
}

func printUsage(all []command) {
	var b strings.Builder
	b.WriteString("usage: cluster COMMAND\n\n")
	for _, c := range all {
		if c.help != "" {
			_, _ = fmt.Fprintf(&b, "  %-46s %s\n", strings.TrimSpace(c.name+" "+c.usage), c.help)
		}
	}
	_, _ = fmt.Fprint(os.Stderr, b.String())
}
