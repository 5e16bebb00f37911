// SPDX-License-Identifier: Apache-2.0

// Command core runs the controllers of core.openfunction.io and networking.openfunction.io.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	controllers "github.com/openfunction/openfunction/controllers/core"
	"github.com/openfunction/openfunction/controllers/networking"
	"github.com/openfunction/openfunction/pkg/provider"
)

// flags are the settings of the binary.
type flags struct {
	metrics, probes    string
	pprof              string
	leaderElection     bool
	namespace          string
	qps                float64
	insecureRegistries string
	options            controllers.Options
}

func main() {
	f := flags{}
	flag.StringVar(&f.metrics, "metrics-bind-address", ":8080", "address of the Prometheus metrics; 0 turns them off")
	flag.StringVar(&f.probes, "health-probe-bind-address", ":8081", "address of /healthz and /readyz; 0 turns them off")
	flag.StringVar(&f.pprof, "pprof-bind-address", "0", "address of the Go profiles under /debug/pprof/; 0 turns them off. They are open to who reaches it: name a loopback address")
	flag.BoolVar(&f.leaderElection, "leader-elect", false, "let only one replica work at a time")
	flag.StringVar(&f.namespace, "namespace", os.Getenv("POD_NAMESPACE"), "namespace this runs in: that of the leader election lease and of openfunction-config")
	flag.Float64Var(&f.qps, "kube-api-qps", 200, "requests a second to the API server, with bursts of twice as many")
	flag.IntVar(&f.options.Concurrency, "concurrency", 8, "how many objects of one kind are worked on at once, of Functions half as many")
	flag.StringVar(&f.options.ClusterDomain, "cluster-domain", cmp.Or(os.Getenv("CLUSTER_DOMAIN"), "cluster.local"), "DNS suffix of Services")
	flag.StringVar(&f.options.TrustDomain, "dapr-trust-domain", "cluster.local", "trust domain of Dapr's control plane")
	flag.StringVar(&f.options.Serving.DaprNamespace, "dapr-namespace", "dapr-system", "namespace of Dapr's control plane")
	flag.StringVar(&f.options.Serving.DaprdImage, "daprd-image", "ghcr.io/dapr/daprd:1.18.2", "image of daprd in the Dapr mode Shared")
	flag.StringVar(&f.options.Serving.AgentImage, "agent-image", "openfunction/agent:latest", "image of the function agent")
	flag.StringVar(&f.options.Serving.Interceptor.Namespace, "interceptor-namespace",
		cmp.Or(os.Getenv("INTERCEPTOR_NAMESPACE"), controllers.DefaultInterceptor.Namespace), "namespace of the interceptor of KEDA's HTTP add-on")
	flag.StringVar(&f.options.Serving.Interceptor.Name, "interceptor-service",
		cmp.Or(os.Getenv("INTERCEPTOR_SERVICE"), controllers.DefaultInterceptor.Name), "Service of that interceptor")
	flag.DurationVar(&f.options.Serving.Drain, "drain", 30*time.Second, "how long the objects of an engine stay after a function moved to another one")
	flag.StringVar(&f.options.Build.FetcherImage, "fetcher-image", "openfunction/fetcher:latest", "image that fetches sources and reports builds")
	flag.StringVar(&f.options.Build.DockerfileImage, "dockerfile-image", "", "kaniko executor image for the dockerfile strategy; empty turns it off")
	flag.StringVar(&f.options.Build.GoProxy, "build-goproxy", "", "Go module proxy of builds whose build.env has no FUNC_GOPROXY")
	flag.StringVar(&f.insecureRegistries, "insecure-registries", "", "comma-separated registry hosts that are spoken to over plain HTTP")
	logs := textlogger.NewConfig()
	logs.AddFlags(flag.CommandLine)
	flag.Parse()
	ctrl.SetLogger(textlogger.NewLogger(logs))
	klog.SetLogger(ctrl.Log)
	f.options.Serving.PlatformNamespace = f.namespace
	if f.insecureRegistries != "" {
		f.options.Build.InsecureRegistries = strings.Split(f.insecureRegistries, ",")
	}
	if err := run(f); err != nil {
		ctrl.Log.Error(err, "The controllers ended")
		os.Exit(1)
	}
}

func run(f flags) error {
	kubeconfig, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the cluster: %w", err)
	}
	kubeconfig.QPS, kubeconfig.Burst = float32(f.qps), int(2*f.qps)
	kubeconfig.UserAgent = "openfunction-core"
	mgr, err := ctrl.NewManager(kubeconfig, ctrl.Options{
		Scheme:   controllers.NewScheme(),
		Cache:    controllers.CacheOptions(f.options),
		NewCache: controllers.NewCache,
		// The priority queue of controller-runtime v0.24.1 can lock up when it is shut down.
		Controller:                    config.Controller{UsePriorityQueue: ptr.To(false)},
		Metrics:                       metricsserver.Options{BindAddress: f.metrics},
		HealthProbeBindAddress:        f.probes,
		PprofBindAddress:              f.pprof,
		LeaderElection:                f.leaderElection,
		LeaderElectionID:              "core.openfunction.io",
		LeaderElectionNamespace:       f.namespace,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return fmt.Errorf("making the manager: %w", err)
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("adding the health check: %w", err)
	}
	if err := mgr.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("adding the readiness check: %w", err)
	}
	f.options.Kinds = provider.NewKinds(mgr)
	if err := controllers.SetupWithManager(mgr, f.options); err != nil {
		return err
	}
	gateways := networking.Options{PlatformNamespace: f.namespace, Concurrency: f.options.Concurrency, Kinds: f.options.Kinds}
	if err := networking.SetupWithManager(mgr, gateways); err != nil {
		return err
	}
	return mgr.Start(ctrl.SetupSignalHandler())
}
