// SPDX-License-Identifier: Apache-2.0

package router

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"
)

func TestWhereTheInterceptorIs(t *testing.T) {
	for name, c := range map[string]struct {
		environment map[string]string
		args        []string
		domain, at  string
	}{
		"Nothing":     {nil, nil, "cluster.local", "keda-add-ons-http-interceptor-proxy.keda.svc.cluster.local:8080"},
		"Environment": {map[string]string{"CLUSTER_DOMAIN": "corp", "INTERCEPTOR_NAMESPACE": "scale", "INTERCEPTOR_SERVICE": "proxy"}, nil, "corp", "proxy.scale.svc.corp:8080"},
		"Flags":       {map[string]string{"CLUSTER_DOMAIN": "corp"}, []string{"--cluster-domain=a", "--interceptor=b:80"}, "a", "b:80"},
		"OneFlag":     {nil, []string{"--cluster-domain=a"}, "a", "keda-add-ons-http-interceptor-proxy.keda.svc.a:8080"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, variable := range []string{"CLUSTER_DOMAIN", "INTERCEPTOR_NAMESPACE", "INTERCEPTOR_SERVICE"} {
				t.Setenv(variable, c.environment[variable])
			}
			config, err := ParseConfig(flag.NewFlagSet("router", flag.ContinueOnError), c.args)
			if err != nil || config.ClusterDomain != c.domain || config.Interceptor != c.at {
				t.Errorf("%s, %s, %v", config.ClusterDomain, config.Interceptor, err)
			}
		})
	}
}

// The controllers write what the router accepts, so both are told by one ConfigMap.
func TestTheControllersAndTheRouterAreToldTheSame(t *testing.T) {
	read := func(file string, into any) {
		t.Helper()
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(data), "\n---\n")
		if err := yaml.Unmarshal([]byte(first), into); err != nil {
			t.Fatal(file, err)
		}
	}
	var defaults struct {
		ConfigMapGenerator []struct {
			Name     string   `json:"name"`
			Literals []string `json:"literals"`
		} `json:"configMapGenerator"`
	}
	read("../config/default/kustomization.yaml", &defaults)
	if len(defaults.ConfigMapGenerator) != 1 {
		t.Fatal(defaults)
	}
	told := defaults.ConfigMapGenerator[0]
	for _, file := range []string{"../config/manager/manager.yaml", "../config/router/deployment.yaml"} {
		deployment := &appsv1.Deployment{}
		read(file, deployment)
		from := deployment.Spec.Template.Spec.Containers[0].EnvFrom
		if len(from) != 1 || from[0].ConfigMapRef == nil || from[0].ConfigMapRef.Name != told.Name {
			t.Errorf("%s reads %v, not %s", file, from, told.Name)
		}
	}
	main, err := os.ReadFile("../cmd/core/main.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, literal := range told.Literals {
		variable, value, _ := strings.Cut(literal, "=")
		if !strings.Contains(string(main), "os.Getenv(\""+variable+"\")") {
			t.Errorf("the controllers do not read %s", variable)
		}
		t.Setenv(variable, "another")
		config, err := ParseConfig(flag.NewFlagSet("router", flag.ContinueOnError), nil)
		if err != nil || !strings.Contains(config.Interceptor, "another") {
			t.Errorf("the router does not read %s: %s, %v", variable, config.Interceptor, err)
		}
		t.Setenv(variable, value)
	}
	if !slices.ContainsFunc(told.Literals, func(literal string) bool { return strings.HasPrefix(literal, "CLUSTER_DOMAIN=") }) {
		t.Error("the domain is not told")
	}
}
