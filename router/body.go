// SPDX-License-Identifier: Apache-2.0

package router

import (
	"errors"
	"io"
	"sync/atomic"
	"time"
)

// How long a read that is under way may take when the answer has ended. A client that sends ends it sooner, and so does one that goes.
const (
	lastRead    = 500 * time.Millisecond
	lastOfChunk = 20 * time.Millisecond // while the client does not have all of the answer
)

var errBodyClosed = errors.New("the request has been answered")

// body is the client's. It stays open when a try ends: the server closes it.
type body struct {
	io.ReadCloser

	read   atomic.Bool
	ended  atomic.Bool
	broken atomic.Bool

	turn   chan struct{} // has a token while a read is under way; nil where reads need not take turns with the end
	closed bool
}

// Read notes that the body cannot be sent from its beginning any more.
func (b *body) Read(p []byte) (int, error) {
	if b.turn != nil {
		b.turn <- struct{}{}
		defer func() { <-b.turn }()
		if b.closed {
			return 0, errBodyClosed
		}
	}
	b.read.Store(true)
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		b.ended.Store(true)
	case err != nil:
		b.broken.Store(true)
	}
	return n, err
}

// Close leaves the body open for another try.
func (*body) Close() error { return nil }

// end makes sure that nobody reads any more. The server interrupts a read that it finds under way, takes that for a failure of the connection,
// and cuts off a client that has not read its answer yet.
func (b *body) end(patience time.Duration) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case b.turn <- struct{}{}:
		b.closed = true
		<-b.turn
	case <-timer.C: // the client says nothing, so nothing unread is lost with the connection
	}
}
