// SPDX-License-Identifier: Apache-2.0

package route

import (
	"fmt"
	"net"
	"strings"
)

// Check tells whether the Services of a namespace may have this route. Whoever may write Services there may write a route, and the router
// dials with the reach of the platform: so each backend has to be a Service of that namespace, or the interceptor ("host:port", of KEDA's
// HTTP add-on) asked for a host of that namespace.
func (r Route) Check(namespace, clusterDomain, interceptor string) error {
	own := "." + namespace + ".svc." + clusterDomain
	for i, b := range r.Backends {
		host, _, err := net.SplitHostPort(b.Address)
		if err != nil || b.Address != interceptor && !isNameIn(own, host) {
			return fmt.Errorf("backends[%d]: the address %q is neither a Service <name>%s nor the interceptor %s", i, b.Address, own, interceptor)
		}
		host = b.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if !isNameIn(own, host) {
			return fmt.Errorf("backends[%d]: the host %q is not <name>%s", i, b.Host, own)
		}
	}
	return nil
}

// isNameIn tells whether a host is one label and then the suffix.
func isNameIn(suffix, host string) bool {
	name, ok := strings.CutSuffix(host, suffix)
	return ok && name != "" && !strings.Contains(name, ".")
}
