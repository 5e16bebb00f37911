// SPDX-License-Identifier: Apache-2.0

package ports

import (
	"net"
	"strconv"
	"testing"
)

func TestPortsAreFreeAndGivenOnce(t *testing.T) {
	seen := map[int]bool{}
	for range 100 {
		port, err := Free()
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] || port < first || port > last {
			t.Fatalf("port %d", port)
		}
		seen[port] = true
	}
}

func TestPortsThatAreInUseAreLeftAlone(t *testing.T) {
	taken := next
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(taken))
	if err != nil {
		t.Skip("somebody else was first: ", err)
	}
	defer l.Close()
	for range 3 {
		port, err := Free()
		if err != nil {
			t.Fatal(err)
		}
		if port == taken {
			t.Fatal("a port where somebody listens was given out")
		}
	}
}
