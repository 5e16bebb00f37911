// SPDX-License-Identifier: Apache-2.0

package daprd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"
)

// WithAnnotations returns the options with what a user's dapr.io annotations say about daprd, read as Dapr's injector reads them.
// An annotation that does not concern daprd's container, or that is the maker's own business (the app id, the app's address), is
// passed over. A value that daprd would refuse, or the injector would ignore with a log line nobody sees, is an error that names it.
func (o Options) WithAnnotations(annotations map[string]string) (Options, error) {
	if o.AppHealth != nil {
		o.AppHealth = ptr.To(*o.AppHealth)
	}
	o.Resources = *o.Resources.DeepCopy()
	o.Env = slices.Clone(o.Env)
	health := AppHealth{}
	for _, a := range o.readers(&health) {
		value, given := annotations["dapr.io/"+a.name]
		if !given {
			continue
		}
		if err := a.read(strings.TrimSpace(value)); err != nil {
			return Options{}, fmt.Errorf("annotation dapr.io/%s: %w", a.name, err)
		}
	}
	if isTrue(annotations["dapr.io/enable-app-health-check"]) {
		o.AppHealth = &health
	}
	return o, nil
}

// reader takes over the value of one annotation.
type reader struct {
	name string
	read func(value string) error
}

// readers are the annotations understood, in the order in which they count.
func (o *Options) readers(health *AppHealth) []reader {
	return []reader{
		{"sidecar-image", text(&o.Image)},
		{"config", text(&o.Config)},
		{"log-level", oneOf(&o.LogLevel, "debug", "info", "warn", "error", "fatal")},
		{"log-as-json", boolean(&o.LogAsJSON)},
		{"enable-api-logging", func(v string) error { o.APILogging = ptr.To(isTrue(v)); return nil }},
		{"api-token-secret", text(&o.APITokenSecret)},
		{"app-token-secret", text(&o.AppTokenSecret)},
		{"app-max-concurrency", whole(&o.AppMaxConcurrency, 1)},
		{"enable-metrics", func(v string) error { o.WithoutMetrics = !isTrue(v); return nil }},
		{"metrics-port", port(&o.MetricsPort)},
		{"grpc-port", port(&o.GRPCPort)},
		{"internal-grpc-port", port(&o.InternalGRPCPort)},
		{"sidecar-listen-addresses", text(&o.ListenAddresses)},
		{"http-max-request-size", megabytes(&o.MaxBodySize, "Mi")},
		{"max-body-size", quantity(&o.MaxBodySize)},
		{"http-read-buffer-size", megabytes(&o.ReadBufferSize, "Ki")},
		{"read-buffer-size", quantity(&o.ReadBufferSize)},
		{"graceful-shutdown-seconds", func(v string) error {
			o.GracefulShutdownSeconds = new(int)
			return whole(o.GracefulShutdownSeconds, -1)(v)
		}},
		{"block-shutdown-duration", duration(&o.BlockShutdownDuration)},
		{"placement-host-address", text(&o.PlacementAddress)},
		{"scheduler-host-address", text(&o.SchedulerAddress)},
		{"disable-builtin-k8s-secret-store", boolean(&o.WithoutKubernetesSecrets)},
		{"app-health-check-path", text(&health.Path)},
		{"app-health-probe-interval", whole(&health.IntervalSeconds, 1)},
		{"app-health-probe-timeout", whole(&health.TimeoutMilliseconds, 1)},
		{"app-health-threshold", whole(&health.Threshold, 1)},
		{"sidecar-cpu-request", o.amount(corev1.ResourceCPU, &o.Resources.Requests)},
		{"sidecar-memory-request", o.amount(corev1.ResourceMemory, &o.Resources.Requests)},
		{"sidecar-cpu-limit", o.amount(corev1.ResourceCPU, &o.Resources.Limits)},
		{"sidecar-memory-limit", o.amount(corev1.ResourceMemory, &o.Resources.Limits)},
		{"env", o.variables(false)},
		{"env-from-secret", o.variables(true)},
	}
}

// isTrue reads a boolean as Dapr does.
func isTrue(value string) bool {
	return slices.Contains([]string{"y", "yes", "true", "t", "on", "1"}, strings.ToLower(strings.TrimSpace(value)))
}

func text(to *string) func(string) error {
	return func(value string) error { *to = strings.Trim(value, `"'`); return nil }
}

func boolean(to *bool) func(string) error {
	return func(value string) error { *to = isTrue(value); return nil }
}

func oneOf(to *string, allowed ...string) func(string) error {
	return func(value string) error {
		if !slices.Contains(allowed, value) {
			return fmt.Errorf("%q is none of %s", value, strings.Join(allowed, ", "))
		}
		*to = value
		return nil
	}
}

func whole[T int | int32](to *T, least T) func(string) error {
	return func(value string) error {
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil || T(n) < least {
			return fmt.Errorf("%q is not a whole number of at least %d", value, least)
		}
		*to = T(n)
		return nil
	}
}

func port(to *int32) func(string) error {
	return func(value string) error {
		n, err := strconv.ParseUint(value, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%q is not a port", value)
		}
		*to = int32(n)
		return nil
	}
}

func quantity(to *string) func(string) error {
	return func(value string) error {
		q, err := resource.ParseQuantity(value)
		if err != nil || q.Sign() <= 0 {
			return fmt.Errorf("%q is not a quantity such as 4Mi", value)
		}
		*to = value
		return nil
	}
}

// megabytes reads a number that older versions of Dapr took in one fixed unit.
func megabytes(to *string, unit string) func(string) error {
	return func(value string) error {
		var n int
		if err := whole(&n, 1)(value); err != nil {
			return err
		}
		*to = value + unit
		return nil
	}
}

func duration(to *string) func(string) error {
	return func(value string) error {
		if d, err := time.ParseDuration(value); err != nil || d < 0 {
			return fmt.Errorf("%q is not a duration such as 5s", value)
		}
		*to = value
		return nil
	}
}

func (o *Options) amount(of corev1.ResourceName, in *corev1.ResourceList) func(string) error {
	return func(value string) error {
		q, err := resource.ParseQuantity(value)
		if err != nil || q.Sign() < 0 {
			return fmt.Errorf("%q is not a quantity such as 100m or 128Mi", value)
		}
		if *in == nil {
			*in = corev1.ResourceList{}
		}
		(*in)[of] = q
		return nil
	}
}

// variables reads NAME=value,NAME=value; the value is a Secret's name, or NAME:KEY in one, when fromSecret. A comma belongs to a
// value unless a name and an equals sign follow it.
func (o *Options) variables(fromSecret bool) func(string) error {
	return func(list string) error {
		for _, part := range assignments(list) {
			name, value, found := strings.Cut(part, "=")
			name = strings.TrimSpace(name)
			if !found || len(validation.IsEnvVarName(name)) > 0 {
				return fmt.Errorf("%q is not NAME=value", part)
			}
			variable := corev1.EnvVar{Name: name, Value: value}
			if fromSecret {
				secretName, key, hasKey := strings.Cut(strings.TrimSpace(value), ":")
				if !hasKey {
					key = secretName
				}
				if secretName == "" || key == "" || strings.Contains(key, ":") {
					return fmt.Errorf("%q is neither a Secret nor Secret:key", value)
				}
				variable = secret(name, strings.TrimSpace(secretName))
				variable.ValueFrom.SecretKeyRef.Key = strings.TrimSpace(key)
			}
			o.Env = append(o.Env, variable)
		}
		return nil
	}
}

// assignments splits a list at the commas that a name and an equals sign follow.
func assignments(list string) []string {
	var parts []string
	for piece := range strings.SplitSeq(list, ",") {
		name, _, found := strings.Cut(piece, "=")
		if isNew := found && isVariable(strings.TrimSpace(name)); len(parts) > 0 && !isNew {
			parts[len(parts)-1] += "," + piece
			continue
		}
		parts = append(parts, piece)
	}
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return slices.DeleteFunc(parts, func(part string) bool { return part == "" })
}

func isVariable(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
