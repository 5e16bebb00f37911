// SPDX-License-Identifier: Apache-2.0

package daprd_test

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/openfunction/openfunction/pkg/daprd"
)

func TestWithAnnotationsRefusesWhatDaprdWould(t *testing.T) {
	for name, tt := range map[string]struct{ annotation, value, because string }{
		"PortOutOfRange":    {"dapr.io/grpc-port", "70000", `"70000" is not a port`},
		"PortZero":          {"dapr.io/metrics-port", "0", `"0" is not a port`},
		"LogLevel":          {"dapr.io/log-level", "loud", `"loud" is none of debug`},
		"BodySize":          {"dapr.io/max-body-size", "big", `"big" is not a quantity`},
		"BodySizeNegative":  {"dapr.io/max-body-size", "-1Mi", `"-1Mi" is not a quantity`},
		"OldBodySize":       {"dapr.io/http-max-request-size", "4Mi", `"4Mi" is not a whole number`},
		"Concurrency":       {"dapr.io/app-max-concurrency", "-1", `at least 1`},
		"ShutdownDuration":  {"dapr.io/block-shutdown-duration", "5", `"5" is not a duration`},
		"HealthThreshold":   {"dapr.io/app-health-threshold", "3.5", `"3.5" is not a whole number`},
		"CPU":               {"dapr.io/sidecar-cpu-limit", "lots", `"lots" is not a quantity`},
		"Env":               {"dapr.io/env", "JUSTANAME", `"JUSTANAME" is not NAME=value`},
		"EnvName":           {"dapr.io/env", "A B=1", `"A B=1" is not NAME=value`},
		"EnvFromSecret":     {"dapr.io/env-from-secret", "A=s:k:more", `neither a Secret nor Secret:key`},
		"EnvFromNoSecret":   {"dapr.io/env-from-secret", "A=", `neither a Secret nor Secret:key`},
		"GracefulShutdown":  {"dapr.io/graceful-shutdown-seconds", "soon", `"soon" is not a whole number`},
		"OverflowingNumber": {"dapr.io/app-health-probe-interval", "99999999999", `is not a whole number`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := daprd.Options{}.WithAnnotations(map[string]string{tt.annotation: tt.value})
			if err == nil || !strings.Contains(err.Error(), "annotation "+tt.annotation+": ") || !strings.Contains(err.Error(), tt.because) {
				t.Errorf("got %v, want one that names %s and says %q", err, tt.annotation, tt.because)
			}
		})
	}
}

func TestWithAnnotationsSplitsEnvironment(t *testing.T) {
	for list, want := range map[string][]string{
		"":                     nil,
		"A=1":                  {"A=1"},
		"A=1,B=2":              {"A=1", "B=2"},
		"A=1,2,3, B=2 , C=x=y": {"A=1,2,3", "B=2", "C=x=y"},
		"A=1,9X=2":             {"A=1,9X=2"},
		"A=":                   {"A="},
	} {
		o, err := daprd.Options{}.WithAnnotations(map[string]string{"dapr.io/env": list})
		if err != nil {
			t.Errorf("%q: %v", list, err)
		}
		var got []string
		for _, variable := range o.Env {
			got = append(got, variable.Name+"="+variable.Value)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q became %q, want %q", list, got, want)
		}
	}
}

// TestWithAnnotationsKeepsTheLists asks that lists of the receiver are not shared with the result.
func TestWithAnnotationsKeepsTheLists(t *testing.T) {
	o := daprd.Options{Env: append(make([]corev1.EnvVar, 0, 8), corev1.EnvVar{Name: "FIRST"}),
		AppHealth: &daprd.AppHealth{Threshold: 1}, Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{}}}
	if _, err := o.WithAnnotations(map[string]string{"dapr.io/env": "A=1", "dapr.io/sidecar-cpu-limit": "1",
		"dapr.io/enable-app-health-check": "yes", "dapr.io/app-health-threshold": "9"}); err != nil {
		t.Fatal(err)
	}
	if o.AppHealth.Threshold != 1 || len(o.Resources.Limits) != 0 || o.Env[:2][1].Name != "" {
		t.Errorf("the receiver was changed: %+v", o)
	}
}

// FuzzWithAnnotations asks that nothing a user writes makes a container the API server would have to refuse for its environment.
func FuzzWithAnnotations(f *testing.F) {
	for _, seed := range []string{"A=1,B=2", "A=,B", "=1", "A=s:k", "3500", "true", "4Mi", "5s", ",,", "A=1,\n9=2"} {
		f.Add("dapr.io/env", seed)
		f.Add("dapr.io/env-from-secret", seed)
		f.Add("dapr.io/grpc-port", seed)
		f.Add("dapr.io/max-body-size", seed)
	}
	f.Fuzz(func(t *testing.T, annotation, value string) {
		o, err := daprd.Options{AppID: "a"}.WithAnnotations(map[string]string{annotation: value})
		if err != nil {
			return
		}
		container, _ := daprd.Container(o)
		for _, variable := range container.Env {
			if variable.Name == "" || strings.ContainsAny(variable.Name, "=, ") {
				t.Errorf("%s: %q made a variable of the name %q", annotation, value, variable.Name)
			}
		}
		for _, p := range container.Ports {
			if p.ContainerPort < 1 || p.ContainerPort > 65535 {
				t.Errorf("%s: %q made port %d", annotation, value, p.ContainerPort)
			}
		}
	})
}
