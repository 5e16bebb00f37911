// SPDX-License-Identifier: Apache-2.0

// Command perf prints a line per figure, `name value unit`: what our controllers cost the API server and how fast they
// are. Figures at scale are taken with the real cmd/core against a real kube-apiserver, whose audit log is what counts
// writes; the statuses of Tekton and Knative are played. The time to the first answer is taken on a real cluster.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// settings are the flags.
type settings struct {
	functions int
	seconds   int
	quiet     time.Duration
	cluster   bool
	builds    bool
	engines   bool
	install   bool
	only      string
	profiles  string
	planeGOGC string
}

func main() {
	var s settings
	flag.IntVar(&s.functions, "functions", 1000, "how many Functions to settle; 0 leaves these figures out")
	flag.IntVar(&s.seconds, "agent-seconds", 10, "how long each measurement of the agent and the router takes, by protocol; 0 leaves them out")
	flag.DurationVar(&s.quiet, "quiet", time.Minute, "how long a settled world is watched for writes")
	flag.BoolVar(&s.cluster, "cluster", true, "take the figures on a cluster too: the one KUBECONFIG names, else the local one")
	flag.BoolVar(&s.builds, "builds", true, "of these, take those of builds and of Knative")
	flag.BoolVar(&s.engines, "engines", true, "of these, take those of KEDA, its HTTP add-on and Dapr")
	flag.StringVar(&s.only, "only", "", "of the figures of the engines, take one kind: starts, memory or zero; or take those of the router and no others: router")
	flag.BoolVar(&s.install, "install", true, "install this checkout first; without it only the figures of the engines are taken, of what is installed")
	flag.StringVar(&s.planeGOGC, "control-plane-gogc", "400", "GOGC of the kube-apiserver and etcd that the figures at scale are taken on, which share two cores with what is measured; Go's default is 100")
	flag.StringVar(&s.profiles, "profiles", "", "folder for CPU profiles of cmd/core, the kube-apiserver and this program while the Functions settle; they cost some of the speed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, s)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	if s.only == "router" {
		return measureRouter(ctx, s)
	}
	if s.functions > 0 {
		if err := scale(ctx, s); err != nil {
			return fmt.Errorf("taking the figures at %d Functions: %w", s.functions, err)
		}
	}
	if s.seconds > 0 {
		if err := measureAgent(ctx, s); err != nil {
			return fmt.Errorf("taking the figures of the agent: %w", err)
		}
		if err := measureRouter(ctx, s); err != nil {
			return fmt.Errorf("taking the figures of the router: %w", err)
		}
	}
	if s.cluster {
		if err := measureCluster(ctx, s); err != nil {
			return fmt.Errorf("taking the figures on a cluster: %w", err)
		}
	}
	return nil
}

// figure prints one line of the result.
func figure(name string, value float64, unit string) {
	fmt.Printf("%s %.4g %s\n", name, value, unit)
}

// progress tells on standard error what is going on.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// How often something is looked at: what is timed itself, and what takes as much work as there are Functions, which would be work that the
// controllers do not get.
const (
	often  = 50 * time.Millisecond
	seldom = 500 * time.Millisecond
)

// waitUntil asks again and again whether something is so.
func waitUntil(ctx context.Context, every, limit time.Duration, what string, is func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if yes, err := is(); err != nil || yes {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waited %s in vain for %s", limit, what)
		}
	}
}
