// SPDX-License-Identifier: Apache-2.0

package route_test

import (
	"strings"
	"testing"

	"github.com/openfunction/openfunction/pkg/core/route"
)

func TestARouteStaysInItsNamespace(t *testing.T) {
	const interceptor, other = "interceptor.keda.svc.cluster.local:8080", "fn.bank.svc.cluster.local"
	const own = "fn.shop.svc.cluster.local"
	for name, c := range map[string]struct{ address, host, want string }{
		"OwnService":               {own + ":80", own, ""},
		"OwnServiceOtherPort":      {own + ":9000", own + ":9000", ""},
		"Interceptor":              {interceptor, own, ""},
		"OtherNamespace":           {other + ":80", own, "the address"},
		"HostOfOtherNamespace":     {own + ":80", other, "the host"},
		"InterceptorForAnother":    {interceptor, other, "the host"},
		"InterceptorOnAnotherPort": {"interceptor.keda.svc.cluster.local:9090", own, "the address"},
		"MetadataOfTheCloud":       {"169.254.169.254:80", own, "the address"},
		"APIServer":                {"kubernetes.default.svc.cluster.local:443", own, "the address"},
		"Loopback":                 {"localhost:8080", own, "the address"},
		"NamespaceAsName":          {"shop.svc.cluster.local:80", own, "the address"},
		"ShortName":                {"fn.shop.svc:80", own, "the address"},
		"PodOfAnother":             {"pod.fn.shop.svc.cluster.local:80", own, "the address"},
		"EndsAlike":                {"fn.toyshop.svc.cluster.local:80", own, "the address"},
		"OutsideHost":              {own + ":80", "example.com", "the host"},
		"NoPort":                   {own, own, "the address"},
	} {
		t.Run(name, func(t *testing.T) {
			r := route.Route{Backends: []route.Backend{{Address: own + ":80", Host: own}, {Address: c.address, Host: c.host, Weight: 1}}}
			err := r.Check("shop", "cluster.local", interceptor)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), "backends[1]: "+c.want)) {
				t.Errorf("%v, not %q", err, c.want)
			}
		})
	}
	if err := (route.Route{Backends: []route.Backend{{Address: ":80", Host: own}}}).Check("shop", "cluster.local", ""); err == nil {
		t.Error("without an interceptor an empty address is not refused")
	}
}
