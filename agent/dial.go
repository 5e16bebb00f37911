// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	dialTimeout = 2 * time.Second
	// deadAfter is how long bytes may stay unacknowledged by the other end's kernel.
	deadAfter = 4 * time.Second
)

// tcp makes connections whose kernel tells within 5 s that the other end is gone, with or without bytes under way.
type tcp struct{ net.Dialer }

var dialer = tcp{net.Dialer{
	Timeout:         dialTimeout,
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 3},
	Control: func(_, _ string, conn syscall.RawConn) error {
		var failed error
		err := conn.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deadAfter.Milliseconds()))
		})
		if err == nil {
			err = failed
		}
		return err
	},
}}

func (d *tcp) dial(ctx context.Context, address string) (net.Conn, error) {
	return d.DialContext(ctx, "tcp", address)
}
