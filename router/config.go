// SPDX-License-Identifier: Apache-2.0

package router

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"time"
)

// leastHeaderTimeout is how long engines may hold a request while a function comes up from zero.
const leastHeaderTimeout = 10 * time.Minute

// Config is what a router is told.
type Config struct {
	Listen                 string        // address of the requests
	Metrics                string        // address of /metrics
	Probes                 string        // address of /healthz and /readyz
	Kubeconfig             string        // path; that of the pod when empty
	ClusterDomain          string        // DNS suffix of Services
	Interceptor            string        // HOST:PORT of the interceptor of KEDA's HTTP add-on
	UnknownWait            time.Duration // how long a request waits for a function that is not known yet
	MaxWaiting             int           // requests that wait so at once
	ConnectPatience        time.Duration // how long connections to a backend are tried
	ResponseHeaderTimeout  time.Duration // how long a function may take to begin its answer; 0 is for ever
	IdleTimeout            time.Duration // how long a client's connection may be idle
	MaxConnections         int           // connections of clients
	MaxRequests            int           // requests under way
	MaxRequestsPerFunction int           // of these, for one function
	DrainDelay             time.Duration // how long new connections still come after SIGTERM
	Drain                  time.Duration // how long requests under way may take after that
}

// ParseConfig reads the command line.
func ParseConfig(flags *flag.FlagSet, args []string) (Config, error) {
	c := Config{}
	flags.StringVar(&c.Listen, "listen", ":8000", "address of the requests for functions")
	flags.StringVar(&c.Metrics, "metrics-bind-address", ":8080", "address of the Prometheus metrics")
	flags.StringVar(&c.Probes, "health-probe-bind-address", ":8081", "address of /healthz and /readyz")
	flags.StringVar(&c.Kubeconfig, "kubeconfig", "", "kubeconfig of the cluster; by default that of the pod this runs in")
	flags.StringVar(&c.ClusterDomain, "cluster-domain", cmp.Or(os.Getenv("CLUSTER_DOMAIN"), "cluster.local"), "DNS suffix of Services")
	flags.StringVar(&c.Interceptor, "interceptor", "",
		"HOST:PORT of the interceptor of KEDA's HTTP add-on, as the controllers write it: the one backend outside a function's own namespace; "+
			"by default port 8080 of the Service that INTERCEPTOR_NAMESPACE and INTERCEPTOR_SERVICE name, which the controllers read too")
	flags.DurationVar(&c.UnknownWait, "unknown-wait", 2*time.Second, "how long a request waits for a function that is not known yet")
	flags.IntVar(&c.MaxWaiting, "max-waiting", 1000, "requests that wait so at once; more are answered 404")
	flags.DurationVar(&c.ConnectPatience, "connect-patience", 10*time.Second, "how long connections to a backend are tried")
	flags.DurationVar(&c.ResponseHeaderTimeout, "response-header-timeout", 15*time.Minute,
		"how long a function may take to begin its answer, the time to start it included; at least 10m, 0 is for ever")
	flags.DurationVar(&c.IdleTimeout, "idle-timeout", 10*time.Minute, "how long a client's connection may be idle")
	flags.IntVar(&c.MaxConnections, "max-connections", 10000, "connections of clients; more wait in the kernel")
	flags.IntVar(&c.MaxRequests, "max-requests", 5000, "requests under way; more are answered 503")
	flags.IntVar(&c.MaxRequestsPerFunction, "max-requests-per-function", 2500, "requests under way for one function; more are answered 503")
	flags.DurationVar(&c.DrainDelay, "drain-delay", 10*time.Second, "how long new connections still come after SIGTERM")
	flags.DurationVar(&c.Drain, "drain", 5*time.Minute, "how long requests under way may take after that")
	if err := flags.Parse(args); err != nil {
		return Config{}, err
	}
	if flags.NArg() > 0 {
		return Config{}, errors.New("the router takes flags only")
	}
	if c.Interceptor == "" {
		c.Interceptor = fmt.Sprintf("%s.%s.svc.%s:8080", cmp.Or(os.Getenv("INTERCEPTOR_SERVICE"), "keda-add-ons-http-interceptor-proxy"),
			cmp.Or(os.Getenv("INTERCEPTOR_NAMESPACE"), "keda"), c.ClusterDomain)
	}
	return c, c.Validate()
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	require := func(ok bool, problem string) {
		if !ok {
			errs = append(errs, errors.New(problem))
		}
	}
	for flag, address := range map[string]string{"listen": c.Listen, "metrics-bind-address": c.Metrics,
		"health-probe-bind-address": c.Probes, "interceptor": c.Interceptor} {
		_, _, err := net.SplitHostPort(address)
		require(err == nil, "--"+flag+" is HOST:PORT")
	}
	require(c.ClusterDomain != "", "--cluster-domain is required")
	require(c.UnknownWait >= 0 && c.ConnectPatience >= 0 && c.DrainDelay >= 0 && c.Drain >= 0, "a time is not negative")
	require(c.ResponseHeaderTimeout == 0 || c.ResponseHeaderTimeout >= leastHeaderTimeout,
		"--response-header-timeout is at least 10m, because engines hold requests while a function starts, or 0")
	require(c.IdleTimeout > 0, "--idle-timeout is more than 0")
	require(c.MaxWaiting >= 0 && c.MaxConnections > 0 && c.MaxRequests > 0 && c.MaxRequestsPerFunction > 0, "a limit is more than 0")
	return errors.Join(errs...)
}
