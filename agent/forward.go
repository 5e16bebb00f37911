// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"time"
)

// outcome is what became of one attempt to hand a call to a replica.
type outcome int

const (
	answered     outcome = iota // the function answered, well or badly: nobody else is asked
	tokenRefused                // the function refused the token, and did nothing
	notSent                     // the replica never saw the call
	broken                      // the connection broke before the answer came
	tooSlow                     // the answer did not come in time
	sentNothing                 // the call was given up before it was sent
)

// maxBroken is how many connections one event may break. An event that kills the function is the broker's to judge.
const maxBroken = 3

var (
	errBroken = errors.New("the connection to the function broke before it answered")
	errSlow   = errors.New("the function did not answer in time")
	errTokens = errors.New("the function refused the app token")
)

// call is one request on its way to the function.
type call struct {
	// repeatable calls may be sent again when nobody knows whether the function saw them: events are, invocations are not.
	repeatable bool
	// send hands the call to the replica once, and keeps the answer.
	send func(ctx context.Context, r *replica, token string) outcome
}

// forwarder hands calls to the function.
type forwarder struct {
	replicas *replicas
	tokens   *tokens
	metrics  *metrics
	hold     time.Duration
	answer   time.Duration
}

// deliver returns nil when the function answered. Any error means that daprd has to be told to deliver again.
func (f *forwarder) deliver(ctx context.Context, c call) error {
	deadline := time.Now().Add(f.hold)
	for breaks := 0; ; {
		r, err := f.replicas.acquire(ctx, deadline)
		if err != nil {
			return err
		}
		o := f.try(ctx, c, r)
		f.replicas.release(r, o)
		switch o {
		case answered:
			r.heard.Store(time.Now().UnixNano())
			return nil
		case tokenRefused:
			return errTokens
		case broken:
			breaks++
			if ctx.Err() == nil && c.repeatable && breaks < maxBroken {
				f.metrics.resent.Inc()
				continue
			}
			return cause(ctx, errBroken)
		case tooSlow:
			return errSlow
		case notSent, sentNothing:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if time.Now().After(deadline) {
				return errHeld
			}
		}
	}
}

func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// try sends a call to one replica and waits for the answer, but not for ever. With the other token it tries once more, for a rotation
// that has not reached the replica yet, or not left it.
func (f *forwarder) try(ctx context.Context, c call, r *replica) outcome {
	if f.answer == 0 {
		return f.tryTokens(ctx, c, r)
	}
	end := time.Now().Add(f.answer)
	limited, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	o := f.tryTokens(limited, c, r)
	// By the clock, not by limited.Err(): the function, told the same deadline, can end the call before our own timer fires.
	if o != answered && !time.Now().Before(end) && ctx.Err() == nil {
		return tooSlow
	}
	return o
}

func (f *forwarder) tryTokens(ctx context.Context, c call, r *replica) outcome {
	set := f.tokens.now.Load()
	first, other := set.values[0], set.values[1]
	if other == "" {
		return c.send(ctx, r, first)
	}
	previous := r.previous.Load()
	if previous {
		first, other = other, first
	}
	o := c.send(ctx, r, first)
	if o == tokenRefused {
		if o = c.send(ctx, r, other); o == answered {
			r.previous.Store(!previous)
		}
	}
	return o
}
