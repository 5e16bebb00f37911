// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const dialTimeout = 3 * time.Second

// errForbidden is why an address is not dialled, however often it is tried.
var errForbidden = errors.New("the router does not connect to addresses of its own machine")

// dialer makes connections to backends.
type dialer struct {
	net.Dialer

	suffix string // of names that are absolute
	free   string // the one address that may lead anywhere
}

func newDialer(c Config) *dialer {
	// A dead node is noticed on idle connections before many requests have met it.
	keepAlive := net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 5 * time.Second, Count: 3}
	return &dialer{Dialer: net.Dialer{Timeout: dialTimeout, KeepAliveConfig: keepAlive}, suffix: "." + c.ClusterDomain, free: c.Interceptor}
}

// dial connects to HOST:PORT. A name of the cluster gets the dot that saves looking it up below each of the pod's search domains first.
// What such a name leads to is the tenant's choice, so it may not be this machine or a cloud's metadata.
func (d *dialer) dial(ctx context.Context, _, address string) (net.Conn, error) {
	direct := d.Dialer
	if address != d.free {
		direct.Control = refuseOwn
	}
	if host, port, err := net.SplitHostPort(address); err == nil && strings.HasSuffix(host, d.suffix) {
		address = net.JoinHostPort(host+".", port)
	}
	c, err := direct.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

// refuseOwn keeps connections from loopback and link-local addresses.
func refuseOwn(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := at.Addr().Unmap(); ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
		return errForbidden
	}
	return nil
}

// conn counts what went over a connection to a backend, and knows whether the other end broke it.
type conn struct {
	net.Conn

	written, read atomic.Int64
	broken        atomic.Bool
}

// Write counts what the kernel took, and so may have been sent.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	c.note(err)
	return n, err
}

// Read counts what came.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	c.note(err)
	return n, err
}

// note tells an end that the other side made from one that was made here, such as that of patience.
func (c *conn) note(err error) {
	if err != nil && !errors.Is(err, net.ErrClosed) {
		c.broken.Store(true)
	}
}
