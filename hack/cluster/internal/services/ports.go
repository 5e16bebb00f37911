package services

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
)

// Ports are the ports on the host's loopback, by the name of what is behind them.
type Ports map[string]int

// PickPorts returns the ports of the last run, or the first choices. A port that something else holds is replaced by the
// next free one, unless keep says that the holder is our own running process.
func PickPorts(l layout.Layout, keep bool) (Ports, error) {
	file := l.Path("conf", "ports.json")
	ports := Ports{}
	if content, err := os.ReadFile(file); err == nil {
		_ = json.Unmarshal(content, &ports) // A broken file is none.
	}
	taken := map[int]bool{}
	for name, first := range layout.HostPorts() {
		if ports[name] == 0 {
			ports[name] = first
		} else if keep {
			taken[ports[name]] = true
			continue
		}
		port, err := nextFree(ports[name], taken)
		if err != nil {
			return nil, fmt.Errorf("finding a port for %s: %w", name, err)
		}
		ports[name], taken[port] = port, true
	}
	content, err := json.MarshalIndent(ports, "", "  ")
	if err != nil {
		return nil, err
	}
	_, err = layout.WriteIfChanged(file, content, 0o644)
	return ports, err
}

func nextFree(from int, taken map[int]bool) (int, error) {
	for port := from; port < from+100; port++ {
		if taken[port] {
			continue
		}
		if l, err := net.Listen("tcp", loopback(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("127.0.0.1 has no free port from %d to %d", from, from+99)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// LoadPorts reads what PickPorts chose.
func LoadPorts(l layout.Layout) (Ports, error) {
	content, err := os.ReadFile(l.Path("conf", "ports.json"))
	if err != nil {
		return nil, fmt.Errorf("reading the ports: %w; run `up`", err)
	}
	var ports Ports
	if err := json.Unmarshal(content, &ports); err != nil {
		return nil, fmt.Errorf("reading the ports: %w; run `up` again", err)
	}
	return ports, nil
}
