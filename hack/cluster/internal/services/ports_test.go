package services

import (
	"maps"
	"net"
	"testing"

	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
)

func TestPickPorts(t *testing.T) {
	l := layout.Layout{State: t.TempDir()}
	first, err := PickPorts(l, false)
	if err != nil {
		t.Fatal(err)
	}
	again, err := PickPorts(l, false)
	if err != nil || !maps.Equal(first, again) {
		t.Errorf("ports changed for no reason: %v, then %v (%v)", first, again, err)
	}
	holder, err := net.Listen("tcp", loopback(first["registry"]))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Close() }()
	if kept, err := PickPorts(l, true); err != nil || !maps.Equal(first, kept) {
		t.Errorf("a port was given up that our own process holds: %v, then %v (%v)", first, kept, err)
	}
	moved, err := PickPorts(l, false)
	if err != nil || moved["registry"] == first["registry"] {
		t.Errorf("a port was chosen that another process holds: %v (%v)", moved, err)
	}
	seen := map[int]string{}
	for name, port := range moved {
		if other, twice := seen[port]; twice {
			t.Errorf("%s and %s share port %d", name, other, port)
		}
		seen[port] = name
	}
	loaded, err := LoadPorts(l)
	if err != nil || !maps.Equal(loaded, moved) {
		t.Errorf("read back %v (%v), want %v", loaded, err, moved)
	}
}
