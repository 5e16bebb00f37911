// SPDX-License-Identifier: Apache-2.0

package daprd

import (
	"cmp"
	"strconv"
)

// arguments returns daprd's command line. Flags whose value is empty are left out, so that daprd's own default holds.
func (o Options) arguments() []string {
	args := []string{
		"--mode", "kubernetes",
		"--app-id", o.AppID,
		"--app-protocol", o.AppProtocol,
		"--control-plane-address", o.controlPlane("dapr-api", 443),
		"--sentry-address", o.controlPlane("dapr-sentry", 443),
		"--dapr-listen-addresses", o.ListenAddresses,
		"--dapr-http-port", number(o.HTTPPort),
		"--dapr-public-port", number(o.PublicPort),
		"--dapr-grpc-port", number(o.GRPCPort),
		"--dapr-internal-grpc-port", number(o.InternalGRPCPort),
		"--enable-metrics=" + strconv.FormatBool(!o.WithoutMetrics),
		"--metrics-port", number(o.MetricsPort),
		"--log-level", o.LogLevel,
	}
	args = append(args, o.appArguments()...)
	for _, flag := range []struct{ name, value string }{
		{"--placement-host-address", o.PlacementAddress},
		{"--scheduler-host-address", o.SchedulerAddress},
		{"--config", o.Config},
		{"--max-body-size", o.MaxBodySize},
		{"--read-buffer-size", o.ReadBufferSize},
		{"--dapr-block-shutdown-duration", o.BlockShutdownDuration},
	} {
		if flag.value != "" {
			args = append(args, flag.name, flag.value)
		}
	}
	if o.GracefulShutdownSeconds != nil {
		args = append(args, "--dapr-graceful-shutdown-seconds", number(*o.GracefulShutdownSeconds))
	}
	if o.APILogging != nil {
		args = append(args, "--enable-api-logging="+strconv.FormatBool(*o.APILogging))
	}
	for _, flag := range []struct {
		name string
		set  bool
	}{
		{"--enable-mtls", o.MTLS},
		{"--log-as-json", o.LogAsJSON},
		{"--disable-builtin-k8s-secret-store", o.WithoutKubernetesSecrets},
	} {
		if flag.set {
			args = append(args, flag.name)
		}
	}
	return args
}

// appArguments say where the app is and how it is asked for its health.
func (o Options) appArguments() []string {
	var args []string
	if o.AppPort != 0 {
		args = append(args, "--app-port", number(o.AppPort))
	}
	if o.AppAddress != "" {
		args = append(args, "--app-channel-address", o.AppAddress)
	}
	if o.AppMaxConcurrency > 0 {
		args = append(args, "--app-max-concurrency", number(o.AppMaxConcurrency))
	}
	if h := o.AppHealth; h != nil {
		args = append(args, "--enable-app-health-check",
			"--app-health-check-path", cmp.Or(h.Path, "/healthz"),
			"--app-health-probe-interval", number(cmp.Or(h.IntervalSeconds, 5)),
			"--app-health-probe-timeout", number(cmp.Or(h.TimeoutMilliseconds, 500)),
			"--app-health-threshold", number(cmp.Or(h.Threshold, 3)))
	}
	return args
}
