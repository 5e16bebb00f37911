// SPDX-License-Identifier: Apache-2.0

package core

import "strings"

// ForeignHost returns the first of the host names that stands for something in another namespace of the cluster, or for more than one namespace.
// Whoever could have requests for such a name would get those that are meant for others.
func ForeignHost[S ~string](hosts []S, namespace, clusterDomain string) (host string, found bool) {
	for _, host := range hosts {
		if isForeign(strings.ToLower(strings.TrimSuffix(string(host), ".")), namespace, strings.ToLower(clusterDomain)) {
			return string(host), true
		}
	}
	return "", false
}

func isForeign(host, namespace, clusterDomain string) bool {
	services := "svc." + clusterDomain
	if covered, wild := strings.CutPrefix(host, "*."); wild && (covered == "svc" || services == covered || strings.HasSuffix(services, "."+covered)) {
		return true
	}
	name, inside := strings.CutSuffix(strings.TrimSuffix(host, "."+clusterDomain), ".svc")
	if !inside {
		return false
	}
	return name != namespace && !strings.HasSuffix(name, "."+namespace)
}
