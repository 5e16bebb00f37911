// Package forward carries TCP connections from a listener to an address that only the given dialer can reach, such as
// one inside the cluster's network namespace.
package forward

import (
	"errors"
	"io"
	"log"
	"net"
	"sync"
	"time"
)

// Dial opens a connection to the other side.
type Dial func() (net.Conn, error)

// Serve carries connections until the listener is closed.
func Serve(l net.Listener, dial Dial, logger *log.Logger) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			logger.Printf("accepting on %s: %v", l.Addr(), err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		go carry(conn, dial, logger)
	}
}

// carry copies both ways. When one side has finished sending, the other is told and may go on.
func carry(near net.Conn, dial Dial, logger *log.Logger) {
	defer func() { _ = near.Close() }()
	far, err := dial()
	if err != nil {
		logger.Printf("forwarding %s: %v", near.LocalAddr(), err)
		return
	}
	defer func() { _ = far.Close() }()
	var both sync.WaitGroup
	for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			_, _ = io.Copy(pair[1], pair[0])
			if half, ok := pair[1].(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			}
		})
	}
	both.Wait()
}
