// SPDX-License-Identifier: Apache-2.0

// Command webhook converts core.openfunction.io objects between their versions. It keeps its own certificate, and any number of replicas may
// run.
package main

import (
	"context"
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

	"github.com/openfunction/openfunction/controllers/conversion"
)

// flags are the settings of the binary.
type flags struct {
	metrics, probes          string
	namespace, service, cert string
	hosts                    string
	port                     int
	drain                    time.Duration
}

func main() {
	f := flags{}
	flag.StringVar(&f.metrics, "metrics-bind-address", ":8080", "address of the Prometheus metrics; 0 turns them off")
	flag.StringVar(&f.probes, "health-probe-bind-address", ":8081", "address of /healthz and /readyz; 0 turns them off")
	flag.IntVar(&f.port, "port", 9443, "port the API server sends objects to")
	flag.StringVar(&f.namespace, "namespace", os.Getenv("POD_NAMESPACE"), "namespace this runs in")
	flag.StringVar(&f.service, "service", "openfunction-webhook", "Service of this webhook, in that namespace")
	flag.StringVar(&f.cert, "certificate-secret", "openfunction-webhook-certificate", "Secret to keep the certificate in, in that namespace; it has to exist")
	flag.StringVar(&f.hosts, "hosts", "", "comma-separated names that the API server calls this webhook by; by default those of the Service")
	flag.DurationVar(&f.drain, "drain", 5*time.Second, "how long to go on when told to end, for requests of those who have not heard of it yet")
	logs := textlogger.NewConfig()
	logs.AddFlags(flag.CommandLine)
	flag.Parse()
	ctrl.SetLogger(textlogger.NewLogger(logs))
	klog.SetLogger(ctrl.Log)
	if err := run(f); err != nil {
		ctrl.Log.Error(err, "The webhook ended")
		os.Exit(1)
	}
}

func run(f flags) error {
	kubeconfig, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the cluster: %w", err)
	}
	kubeconfig.UserAgent = "openfunction-webhook"
	told := ctrl.SetupSignalHandler()
	o := conversion.Options{Port: f.port, Ending: told.Done(), Hosts: []string{f.service + "." + f.namespace + ".svc", f.service + "." + f.namespace}}
	o.Secret.Namespace, o.Secret.Name = f.namespace, f.cert
	if f.hosts != "" {
		o.Hosts = strings.Split(f.hosts, ",")
	}
	server := conversion.NewServer(o)
	mgr, err := ctrl.NewManager(kubeconfig, ctrl.Options{
		Scheme:        conversion.NewScheme(),
		Cache:         conversion.CacheOptions(o),
		WebhookServer: server,
		// The priority queue of controller-runtime v0.24.1 can lock up when it is shut down.
		Controller:             config.Controller{UsePriorityQueue: ptr.To(false)},
		Metrics:                metricsserver.Options{BindAddress: f.metrics},
		HealthProbeBindAddress: f.probes,
	})
	if err != nil {
		return fmt.Errorf("making the manager: %w", err)
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("adding the health check: %w", err)
	}
	if err := conversion.SetupWithManager(mgr, server, o); err != nil {
		return err
	}
	return mgr.Start(after(told, f.drain))
}

// after ends a while after the context does.
func after(ctx context.Context, wait time.Duration) context.Context {
	later, end := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(wait, end) })
	return later
}
