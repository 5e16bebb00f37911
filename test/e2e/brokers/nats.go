// SPDX-License-Identifier: Apache-2.0

package brokers

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// NATS sends messages to a NATS server with JetStream.
type NATS struct {
	conn net.Conn
	in   *bufio.Reader
	sent int
}

// inbox is where answers to our requests go.
const inbox = "_INBOX.openfunction"

// DialNATS connects to HOST:PORT.
func DialNATS(ctx context.Context, address string) (*NATS, error) {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connecting to nats: %w", err)
	}
	n := &NATS{conn: conn, in: bufio.NewReader(conn)}
	options := `CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"lang":"go","name":"e2e"}` + "\r\n"
	if _, err := io.WriteString(conn, options+"SUB "+inbox+".* 1\r\n"); err != nil {
		return nil, fmt.Errorf("connecting to nats: %w", err)
	}
	return n, nil
}

// Close ends the connection.
func (n *NATS) Close() { _ = n.conn.Close() }

// CreateStream makes a JetStream stream in memory for one subject.
func (n *NATS) CreateStream(name, subject string) error {
	request, err := json.Marshal(map[string]any{"name": name, "subjects": []string{subject}, "storage": "memory", "retention": "limits", "num_replicas": 1})
	if err != nil {
		return err
	}
	return n.acknowledged("$JS.API.STREAM.CREATE."+name, request)
}

// DeleteStream removes what CreateStream made.
func (n *NATS) DeleteStream(name string) error {
	return n.acknowledged("$JS.API.STREAM.DELETE."+name, nil)
}

// Publish stores one message in the stream of its subject.
func (n *NATS) Publish(subject string, data []byte) error { return n.acknowledged(subject, data) }

// acknowledged sends a request and reads JetStream's answer.
func (n *NATS) acknowledged(subject string, data []byte) error {
	answer, err := n.request(subject, data)
	if err != nil {
		return fmt.Errorf("sending to %s: %w", subject, err)
	}
	var result struct {
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return fmt.Errorf("sending to %s: no stream took it: %w", subject, err)
	}
	if result.Error != nil {
		return fmt.Errorf("sending to %s: %s", subject, result.Error.Description)
	}
	return nil
}

func (n *NATS) request(subject string, data []byte) ([]byte, error) {
	n.sent++
	reply := inbox + "." + strconv.Itoa(n.sent)
	if err := n.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(n.conn, "PUB %s %s %d\r\n%s\r\n", subject, reply, len(data), data); err != nil {
		return nil, err
	}
	for {
		to, answer, err := n.next()
		if err != nil || to == reply {
			return answer, err
		}
	}
}

// next reads to the next message.
func (n *NATS) next() (subject string, data []byte, err error) {
	for {
		line, err := n.in.ReadString('\n')
		if err != nil {
			return "", nil, err
		}
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "PING":
			if _, err := io.WriteString(n.conn, "PONG\r\n"); err != nil {
				return "", nil, err
			}
		case "-ERR":
			return "", nil, errors.New(strings.TrimSpace(line))
		case "MSG", "HMSG":
			size, err := strconv.Atoi(words[len(words)-1])
			if err != nil {
				return "", nil, err
			}
			text := make([]byte, size+2)
			if _, err := io.ReadFull(n.in, text); err != nil {
				return "", nil, err
			}
			return words[1], text[:size], nil
		}
	}
}
