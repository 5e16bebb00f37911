// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/openfunction/openfunction/test/e2e/brokers"
)

// event is what the suite sends. What is no such JSON has the id that its sender gave it.
type event struct {
	// ID is written down when the event is done.
	ID string `json:"id"`
	// Fail is how many times the event fails before it is done.
	Fail int64 `json:"fail,omitempty"`
	// Crash ends the process the first time the event comes.
	Crash bool `json:"crash,omitempty"`
	// Wait is how many milliseconds the event takes, in place of DELAY.
	Wait int64 `json:"wait,omitempty"`
}

// worker is one copy of the function.
type worker struct {
	described description
	delay     time.Duration
	// key begins the names of what the function writes to Redis, and pod is this copy.
	key, pod string
	// token is what Dapr, or who stands for it, has to present; empty lets everybody in.
	token string
	redis *brokers.Redis
	dapr  sidecar
	// one lets one event at a time be worked on, so that many events need many copies.
	one chan struct{}
}

// handle does what one event asks for. The event is done when it returns nil.
func (w *worker) handle(ctx context.Context, data []byte, otherwise string) error {
	e := event{}
	if err := json.Unmarshal(data, &e); err != nil || e.ID == "" {
		e = event{ID: otherwise}
	}
	if e.ID == "" {
		return fmt.Errorf("an event without an id: %q", data)
	}
	select {
	case w.one <- struct{}{}:
		defer func() { <-w.one }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := w.disturb(ctx, e); err != nil {
		return err
	}
	delay := w.delay
	if e.Wait > 0 {
		delay = time.Duration(e.Wait) * time.Millisecond
	}
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return ctx.Err()
	}
	for name, store := range w.described.States {
		if err := w.remember(ctx, name, store, e.ID); err != nil {
			return err
		}
	}
	for name, output := range w.described.Outputs {
		if err := w.dapr.send(ctx, output, data); err != nil {
			return fmt.Errorf("sending %s to output %s: %w", e.ID, name, err)
		}
	}
	return w.writeDown(ctx, e.ID)
}

// disturb fails or ends the process when the event says so.
func (w *worker) disturb(ctx context.Context, e event) error {
	if e.Fail == 0 && !e.Crash {
		return nil
	}
	times, err := w.redis.Int(ctx, "INCR", w.key+":try:"+e.ID)
	if err != nil {
		return err
	}
	if e.Crash && times == 1 {
		log.Printf("Event %s ends the process", e.ID)
		os.Exit(3)
	}
	if times <= e.Fail {
		return fmt.Errorf("event %s is to fail %d times, this is time %d", e.ID, e.Fail, times)
	}
	return nil
}

// remember puts the id into a state store and compares what comes back.
func (w *worker) remember(ctx context.Context, name string, store endpoint, id string) error {
	if err := w.dapr.save(ctx, store.ComponentName, id, "state of "+id); err != nil {
		return fmt.Errorf("saving a state in %s: %w", name, err)
	}
	back, err := w.dapr.load(ctx, store.ComponentName, id)
	if err != nil {
		return fmt.Errorf("reading a state from %s: %w", name, err)
	}
	if back != "state of "+id {
		return fmt.Errorf("state store %s has %q for %s", name, back, id)
	}
	_, err = w.redis.Do(ctx, "SADD", w.key+":states", id)
	return err
}

// writeDown records that the event is done.
func (w *worker) writeDown(ctx context.Context, id string) error {
	if w.key == "" {
		return nil
	}
	for _, command := range [][]string{
		{"SADD", w.key + ":pods", w.pod}, {"INCR", w.key + ":times"}, {"SADD", w.key + ":ids", id},
	} {
		if _, err := w.redis.Do(ctx, command...); err != nil {
			return err
		}
	}
	return nil
}

// refuse records that somebody came with a wrong token.
func (w *worker) refuse(ctx context.Context) {
	if _, err := w.redis.Int(ctx, "INCR", w.key+":refused"); err != nil {
		log.Printf("Recording a refusal: %v", err)
	}
}

// readList takes events from a Redis list; once tells to end when it is empty.
func (w *worker) readList(ctx context.Context, list string, once bool) error {
	taken := w.key + ":taken:" + w.pod
	for ctx.Err() == nil {
		reply, err := w.redis.Do(ctx, "LMOVE", list, taken, "LEFT", "RIGHT")
		if err != nil {
			return fmt.Errorf("reading list %s: %w", list, err)
		}
		text, there := reply.(string)
		switch {
		case !there && once:
			return nil
		case !there:
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		// What was taken is worked on to the end, also when the pod is told to go.
		if err := w.handle(context.WithoutCancel(ctx), []byte(text), text); err != nil {
			return err
		}
	}
	return nil
}

// errToken is the answer to who comes without the token.
var errToken = errors.New("the app token is missing or wrong")

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" }
