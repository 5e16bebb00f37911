// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// frame is a protobuf message as it came: most events pass through the agent without being decoded.
type frame struct{ data mem.BufferSlice }

func newFrame(message []byte) *frame { return &frame{mem.BufferSlice{mem.SliceBuffer(message)}} }

func (f *frame) free() {
	f.data.Free()
	f.data = nil
}

// codec is gRPC's codec for protobuf that lets frames through.
type codec struct{}

// Name implements encoding.CodecV2.
func (codec) Name() string { return "proto" }

// Marshal implements encoding.CodecV2.
func (codec) Marshal(v any) (mem.BufferSlice, error) {
	switch m := v.(type) {
	case *frame:
		m.data.Ref()
		return m.data, nil
	case proto.Message:
		message, err := proto.Marshal(m)
		return mem.BufferSlice{mem.SliceBuffer(message)}, err
	}
	return nil, fmt.Errorf("a %T is no message", v)
}

// Unmarshal implements encoding.CodecV2.
func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	switch m := v.(type) {
	case *frame:
		data.Ref()
		m.data = data
		return nil
	case proto.Message:
		return proto.Unmarshal(data.Materialize(), m)
	}
	return fmt.Errorf("a %T is no message", v)
}
