// SPDX-License-Identifier: Apache-2.0

package router

import (
	"net"
	"sync"
)

// limited is a listener that takes no more connections than it may have at once; others wait in the kernel.
type limited struct {
	net.Listener

	room   chan struct{}
	closed chan struct{}
	close  sync.Once
}

func newLimited(l net.Listener, limit int) *limited {
	return &limited{Listener: l, room: make(chan struct{}, limit), closed: make(chan struct{})}
}

// Accept waits for room, and for a connection.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.room <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.room
		return nil, err
	}
	return &held{Conn: c, release: sync.OnceFunc(func() { <-l.room })}, nil
}

// Close ends Accept.
func (l *limited) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// open is how many connections there are.
func (l *limited) open() int64 { return int64(len(l.room)) }

// held is a connection that takes up room.
type held struct {
	net.Conn

	release func()
}

// Close makes room.
func (c *held) Close() error {
	defer c.release()
	return c.Conn.Close()
}
