// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	"testing"

	"github.com/openfunction/openfunction/pkg/core"
)

func TestForeignHost(t *testing.T) {
	for _, test := range []struct {
		host, because string
		foreign       bool
	}{
		{"shop.example.com", "it is outside of the cluster", false},
		{"*.example.com", "so is all of this", false},
		{"svc.example.com", "svc means something in the cluster only", false},
		{"example.svc.example.com", "this too", false},
		{"hello.team", "a name outside may have two parts", false},
		{"hello.team.svc", "it is our own namespace", false},
		{"hello.team.svc.cluster.local", "it is our own namespace", false},
		{"*.team.svc.cluster.local", "all of our own namespace", false},
		{"hello.other.svc", "it is another's", true},
		{"hello.other.svc.cluster.local", "it is another's", true},
		{"HELLO.Other.SVC.Cluster.Local.", "names have no case", true},
		{"*.other.svc.cluster.local", "all of another's", true},
		{"hello.myteam.svc.cluster.local", "another name that ends as ours", true},
		{"*.svc", "all namespaces", true},
		{"*.svc.cluster.local", "all namespaces", true},
		{"*.cluster.local", "all namespaces", true},
		{"*.local", "all namespaces", true},
	} {
		if host, found := core.ForeignHost([]string{"first.example.com", test.host}, "team", "cluster.local"); found != test.foreign || (found && host != test.host) {
			t.Errorf("%s: %v (%q), because %s", test.host, found, host, test.because)
		}
	}
}
