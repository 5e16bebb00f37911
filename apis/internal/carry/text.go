// SPDX-License-Identifier: Apache-2.0

package carry

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"
	"sync"
)

// carriage is what a text holds.
type carriage struct {
	// Version is the version that the changes belong to.
	Version string `json:"version"`
	// Of is the digest of the object the text stands beside: when it still fits, nobody has edited that.
	Of string `json:"of,omitempty"`
	// Changes lead from the translation of that object to what was translated.
	Changes []change `json:"changes,omitempty"`
	// Text is the text that stood beside what was translated, where it was not one of this package.
	Text *string `json:"text,omitempty"`
	// LeftOut says that the changes were too large to be carried.
	LeftOut bool `json:"leftOut,omitempty"`
}

// compressed begins a text that is base64 of gzip of JSON. A long text is compressed, a short one can be read.
const (
	compressed   = "gzip:"
	readableText = 4 << 10
	// maxDecoded bounds what a compressed text may grow to; an object is at most 1.5 MiB.
	maxDecoded = 8 << 20
)

// zippers are used again: each has a megabyte of tables.
var zippers = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is one
	}
	return w
}}

// isEmpty tells whether there is nothing to carry.
func (c carriage) isEmpty() bool { return len(c.Changes) == 0 && c.Text == nil && !c.LeftOut }

// encode returns the text of a carriage, nil where there is nothing to carry. When it would be too long, the changes are left out.
func (c carriage) encode() (text *string, long bool, err error) {
	if c.isEmpty() {
		return nil, false, nil
	}
	plain, err := marshal(c)
	if err != nil {
		return nil, false, err
	}
	if len(plain) <= readableText {
		short := string(plain)
		return &short, false, nil
	}
	var zipped bytes.Buffer
	zipped.WriteString(compressed)
	encoder := base64.NewEncoder(base64.StdEncoding, &zipped)
	w := zippers.Get().(*gzip.Writer)
	defer zippers.Put(w)
	w.Reset(encoder)
	for _, step := range []func() error{func() error { _, err := w.Write(plain); return err }, w.Close, encoder.Close} {
		if err := step(); err != nil {
			return nil, false, err
		}
	}
	if zipped.Len() <= MaxText {
		packed := zipped.String()
		return &packed, false, nil
	}
	text, _, err = carriage{Version: c.Version, LeftOut: true}.encode()
	return text, true, err
}

// decode reads a text. It is ours when it says something that this package writes, for the version that the object beside it is to become.
func decode(text *string, version string) (c carriage, ours bool) {
	if text == nil {
		return carriage{}, false
	}
	plain := []byte(*text)
	if zipped, isZipped := strings.CutPrefix(*text, compressed); isZipped {
		r, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(zipped)))
		if err != nil {
			return carriage{}, false
		}
		if plain, err = io.ReadAll(io.LimitReader(r, maxDecoded)); err != nil {
			return carriage{}, false
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(plain))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil || c.Version != version || c.isEmpty() || decoder.More() {
		return carriage{}, false
	}
	return c, true
}
