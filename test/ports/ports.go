// SPDX-License-Identifier: Apache-2.0

package ports

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
)

// first and last bound the ports: below those of connections (32768) and of NodePorts (30000), above those that have a meaning.
const first, last = 20000, 29999

var (
	mu   sync.Mutex
	next = first + os.Getpid()*37%(last-first)
	// kept hold the ports for as long as the process lives: a name of an abstract socket is free again when its process ends.
	kept []net.Listener
)

// Free returns a port where nobody listens, and that is given to nobody else while this process lives.
func Free() (int, error) {
	mu.Lock()
	defer mu.Unlock()
	for range last - first {
		port := next
		if next++; next > last {
			next = first
		}
		name, err := net.Listen("unix", fmt.Sprintf("@openfunction-test-port-%d", port))
		if err != nil {
			continue // another process has it
		}
		if !unused(port) {
			_ = name.Close() // it only was a name
			continue
		}
		kept = append(kept, name)
		return port, nil
	}
	return 0, fmt.Errorf("every port from %d to %d is in use", first, last)
}

// unused tells whether one could listen at a port, at every address.
func unused(port int) bool {
	l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// Address is Free on loopback, as HOST:PORT.
func Address() (string, error) {
	port, err := Free()
	if err != nil {
		return "", err
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), nil
}
