// SPDX-License-Identifier: Apache-2.0

package networking_test

import (
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
	"github.com/openfunction/openfunction/pkg/networking"
)

var hello = client.ObjectKey{Namespace: "team", Name: "hello"}

func gateway(host, path string) *networkingv1alpha1.Gateway {
	g := &networkingv1alpha1.Gateway{}
	g.Name, g.Namespace = "openfunction", "openfunction"
	g.Spec.Domain, g.Spec.HostTemplate, g.Spec.PathTemplate = "example.com", host, path
	return g
}

func TestTemplates(t *testing.T) {
	for name, c := range map[string]struct{ host, path, wantHost, wantPath string }{
		"Default":    {"", "", "hello.team.example.com", "/team/hello"},
		"Own":        {"{{.Name}}-{{.Namespace}}.apps.{{.Domain}}", "/fn/{{.Name}}", "hello-team.apps.example.com", "/fn/hello"},
		"Conditions": {`{{if eq .Namespace "team"}}t{{else}}{{.Namespace}}{{end}}-{{.Name | printf "%.3s"}}.{{.Domain}}`, "{{with .Name}}{{.}}{{end}}", "t-hel.example.com", "/hello"},
	} {
		t.Run(name, func(t *testing.T) {
			g := gateway(c.host, c.path)
			host, err := networking.Host(g, hello)
			if err != nil || host != c.wantHost {
				t.Errorf("host %q, %v; want %q", host, err, c.wantHost)
			}
			path, err := networking.Path(g, hello)
			if err != nil || path != c.wantPath {
				t.Errorf("path %q, %v; want %q", path, err, c.wantPath)
			}
			if err := networking.CheckTemplates(g); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBadTemplates(t *testing.T) {
	for name, c := range map[string]struct{ host, path, want string }{
		"Unclosed":     {"{{.Name", "", "hostTemplate cannot be read"},
		"UnknownField": {"{{.Nmae}}.{{.Domain}}", "", "hostTemplate cannot be used"},
		"NoHost":       {"{{.Name}}_x.{{.Domain}}", "", "no host name"},
		"Empty":        {"{{with .Missing}}{{end}}", "", "hostTemplate cannot be used"},
		"Loop":         {`{{range 1000000000}}{{end}}a`, "", "must not use"},
		"LoopWithin":   {`{{if true}}{{range 1000000000}}{{end}}{{end}}a`, "", "must not use"},
		"Recursion":    {`{{define "a"}}{{template "a"}}{{template "a"}}{{end}}{{template "a"}}`, "", "must not use"},
		"Redefinition": {`{{define "hostTemplate"}}{{template "hostTemplate"}}{{end}}`, "", "must not use"},
		"Long":         {`{{printf "%2000d" 1}}`, "", "longer than"},
		"Growing":      {`{{with printf "%900d" 1}}{{with printf "%s%s" . .}}{{with printf "%s%s" . .}}{{end}}{{end}}{{end}}a`, "", "longer than"},
		"Domain":       {"", "{{.Domain}}", "pathTemplate cannot be used"},
		"Query":        {"", "a?b", "no path"},
		"Parent":       {"", "../{{.Name}}", "no path"},
		"TwoSlashes":   {"", "a//b", "no path"},
	} {
		t.Run(name, func(t *testing.T) {
			err := networking.CheckTemplates(gateway(c.host, c.path))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func FuzzTemplates(f *testing.F) {
	f.Add("{{.Name}}.{{.Namespace}}.{{.Domain}}", "{{.Namespace}}/{{.Name}}")
	f.Add(`{{range 9}}x{{end}}`, `{{define "a"}}{{end}}`)
	f.Add(`{{printf "%99999d" 1}}`, `{{index .Name 1}}`)
	f.Fuzz(func(t *testing.T, host, path string) {
		g := gateway(host, path)
		got, err := networking.Host(g, hello)
		if err == nil && (got == "" || len(got) > 255) {
			t.Errorf("host %q", got)
		}
		if got, err := networking.Path(g, hello); err == nil && !strings.HasPrefix(got, "/") {
			t.Errorf("path %q", got)
		}
	})
}
