// SPDX-License-Identifier: Apache-2.0

package brokers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Redis sends commands to one server. It connects when it is first used, and again after an error.
type Redis struct {
	// Address is HOST:PORT.
	Address string

	mu   sync.Mutex
	conn net.Conn
	in   *bufio.Reader
}

// RedisError is what the server answered to a command that it refused.
type RedisError string

func (e RedisError) Error() string { return "redis: " + string(e) }

// Do sends one command. The reply is a string, an int64, a []any, or nil.
func (r *Redis) Do(ctx context.Context, command ...string) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	reply, err := r.do(ctx, command)
	var refused RedisError
	if err != nil && !errors.As(err, &refused) {
		r.close()
		return nil, fmt.Errorf("sending %s to redis: %w", command[0], err)
	}
	return reply, err
}

// Int sends a command that is answered with a number.
func (r *Redis) Int(ctx context.Context, command ...string) (int64, error) {
	reply, err := r.Do(ctx, command...)
	if err != nil {
		return 0, err
	}
	switch reply := reply.(type) {
	case int64:
		return reply, nil
	case string:
		return strconv.ParseInt(reply, 10, 64)
	case nil:
		return 0, nil
	default:
		return 0, fmt.Errorf("redis: %s was answered with %T", command[0], reply)
	}
}

// Strings sends a command that is answered with a list of texts.
func (r *Redis) Strings(ctx context.Context, command ...string) ([]string, error) {
	reply, err := r.Do(ctx, command...)
	if err != nil {
		return nil, err
	}
	list, ok := reply.([]any)
	if !ok {
		return nil, fmt.Errorf("redis: %s was answered with %T", command[0], reply)
	}
	texts := make([]string, 0, len(list))
	for _, item := range list {
		text, _ := item.(string)
		texts = append(texts, text)
	}
	return texts, nil
}

// Close ends the connection.
func (r *Redis) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.close()
}

func (r *Redis) close() {
	if r.conn != nil {
		_ = r.conn.Close()
		r.conn, r.in = nil, nil
	}
}

func (r *Redis) do(ctx context.Context, command []string) (any, error) {
	if r.conn == nil {
		conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", r.Address)
		if err != nil {
			return nil, err
		}
		r.conn, r.in = conn, bufio.NewReader(conn)
	}
	if err := r.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "*%d\r\n", len(command))
	for _, word := range command {
		fmt.Fprintf(&text, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := io.WriteString(r.conn, text.String()); err != nil {
		return nil, err
	}
	return r.reply()
}

func (r *Redis) reply() (any, error) {
	line, err := r.in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return nil, errors.New("empty reply")
	}
	switch kind, rest := line[0], line[1:]; kind {
	case '+':
		return rest, nil
	case '-':
		return nil, RedisError(rest)
	case ':':
		return strconv.ParseInt(rest, 10, 64)
	case '$':
		size, err := strconv.Atoi(rest)
		if err != nil || size < 0 {
			return nil, err
		}
		text := make([]byte, size+2)
		if _, err := io.ReadFull(r.in, text); err != nil {
			return nil, err
		}
		return string(text[:size]), nil
	case '*':
		size, err := strconv.Atoi(rest)
		if err != nil || size < 0 {
			return nil, err
		}
		list := make([]any, size)
		for i := range list {
			if list[i], err = r.reply(); err != nil {
				return nil, err
			}
		}
		return list, nil
	default:
		return nil, fmt.Errorf("unknown reply %q", line)
	}
}
