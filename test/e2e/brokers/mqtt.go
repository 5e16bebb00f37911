// SPDX-License-Identifier: Apache-2.0

package brokers

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// MQTT sends messages to an MQTT 3.1.1 broker.
type MQTT struct {
	conn net.Conn
	in   *bufio.Reader
	sent uint16
}

// The packets it knows, with their flags.
const (
	mqttConnect = 0x10
	mqttAccept  = 0x20
	mqttPublish = 0x32 // at least once
	mqttAck     = 0x40
)

// DialMQTT connects to HOST:PORT.
func DialMQTT(ctx context.Context, address, client string) (*MQTT, error) {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connecting to mqtt: %w", err)
	}
	m := &MQTT{conn: conn, in: bufio.NewReader(conn)}
	const version, cleanSession = 4, 2
	hello := append(mqttText("MQTT"), version, cleanSession, 0, 0) // without keep-alive
	answer, err := m.exchange(mqttConnect, append(hello, mqttText(client)...), mqttAccept)
	if err != nil {
		return nil, fmt.Errorf("connecting to mqtt: %w", err)
	}
	if len(answer) != 2 || answer[1] != 0 {
		return nil, fmt.Errorf("connecting to mqtt: refused with %x", answer)
	}
	return m, nil
}

// Close ends the connection.
func (m *MQTT) Close() { _ = m.conn.Close() }

// Publish sends one message, which the broker then has.
func (m *MQTT) Publish(topic string, data []byte) error {
	m.sent++
	if m.sent == 0 {
		m.sent = 1 // 0 is no number of a packet
	}
	body := binary.BigEndian.AppendUint16(mqttText(topic), m.sent)
	answer, err := m.exchange(mqttPublish, append(body, data...), mqttAck)
	if err != nil {
		return fmt.Errorf("publishing to %s: %w", topic, err)
	}
	if len(answer) != 2 || binary.BigEndian.Uint16(answer) != m.sent {
		return fmt.Errorf("publishing to %s: acknowledged was %x", topic, answer)
	}
	return nil
}

func (m *MQTT) exchange(kind byte, body []byte, want byte) ([]byte, error) {
	if err := m.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	packet := binary.AppendUvarint([]byte{kind}, uint64(len(body))) // MQTT's lengths are written as Go's varints
	if _, err := m.conn.Write(append(packet, body...)); err != nil {
		return nil, err
	}
	got, err := m.in.ReadByte()
	if err != nil {
		return nil, err
	}
	size, err := binary.ReadUvarint(m.in)
	if err != nil {
		return nil, err
	}
	const most = 1 << 16
	if got&0xf0 != want || size > most {
		return nil, fmt.Errorf("packet %#x of %d bytes in place of %#x", got, size, want)
	}
	answer := make([]byte, size)
	_, err = io.ReadFull(m.in, answer)
	return answer, err
}

func mqttText(text string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...)
}
