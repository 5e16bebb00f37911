// SPDX-License-Identifier: Apache-2.0

// Package paired measures what it costs to go through something: the same caller does the same directly and through it, by turns within one
// run, so that what else the machine does weighs on both.
package paired

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Way does the thing once. The number tells one time from another.
type Way func(ctx context.Context, number int) error

// Options say how long and how hard.
type Options struct {
	Prefix  string // of the figures' names
	Unit    string // of the throughput
	Seconds int    // of every way, for the latency and for the throughput
	Rate    int    // times a second, for the latency
}

// Figure is one line: name, value, unit.
type Figure struct {
	Name  string
	Value float64
	Unit  string
}

// String is the line.
func (f Figure) String() string { return fmt.Sprintf("%s %.3f %s", f.Name, f.Value, f.Unit) }

// Workers are at it at once when the top throughput is measured.
const Workers = 64

// Measure compares the two ways.
func Measure(ctx context.Context, o Options, direct, through Way) ([]Figure, error) {
	ways := [2]Way{direct, through}
	for i, way := range ways { // connections are made, code is warm
		if _, err := paced(ctx, way, o.Rate, time.Second); err != nil {
			return nil, fmt.Errorf("warming up way %d: %w", i, err)
		}
	}
	var p50, p99, rate [2][]float64
	for turn := range o.Seconds {
		for _, i := range order(turn) {
			took, err := paced(ctx, ways[i], o.Rate, time.Second)
			if err != nil {
				return nil, err
			}
			p50[i], p99[i] = append(p50[i], milliseconds(took, 0.50)), append(p99[i], milliseconds(took, 0.99))
		}
	}
	for turn := range o.Seconds {
		for _, i := range order(turn) {
			n, err := flatOut(ctx, ways[i], time.Second)
			if err != nil {
				return nil, err
			}
			rate[i] = append(rate[i], n)
		}
	}
	added := func(direct, through float64) float64 { return through - direct }
	return []Figure{
		{o.Prefix + "_direct_p50", median(p50[0]), "ms"}, {o.Prefix + "_through_p50", median(p50[1]), "ms"},
		{o.Prefix + "_added_p50", medianOf(p50, added), "ms"},
		{o.Prefix + "_direct_p99", median(p99[0]), "ms"}, {o.Prefix + "_through_p99", median(p99[1]), "ms"},
		{o.Prefix + "_added_p99", medianOf(p99, added), "ms"},
		{o.Prefix + "_direct_throughput", median(rate[0]), o.Unit}, {o.Prefix + "_through_throughput", median(rate[1]), o.Unit},
		{o.Prefix + "_throughput_ratio", medianOf(rate, func(direct, through float64) float64 { return through / direct }), "x"},
	}, nil
}

// order is who goes first: either way has as many turns before the other as after it.
func order(turn int) [2]int { return [2]int{turn % 2, (turn + 1) % 2} }

// medianOf compares the ways turn by turn, so that what else the machine does at a time weighs on both.
func medianOf(ways [2][]float64, compare func(direct, through float64) float64) float64 {
	var out []float64
	for i := range ways[0] {
		out = append(out, compare(ways[0][i], ways[1][i]))
	}
	return median(out)
}

// paced goes a way at a rate, whatever becomes of those before: an answer that is late does not make the next one late.
func paced(ctx context.Context, way Way, rate int, long time.Duration) ([]time.Duration, error) {
	n := int(float64(rate) * long.Seconds())
	took, errs := make([]time.Duration, n), make([]error, n)
	var all sync.WaitGroup
	start := time.Now()
	for i := range n {
		time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		all.Go(func() {
			sent := time.Now()
			errs[i] = way(ctx, i)
			took[i] = time.Since(sent)
		})
	}
	all.Wait()
	return took, errors.Join(errs...)
}

// flatOut goes a way as often as it can.
func flatOut(ctx context.Context, way Way, long time.Duration) (float64, error) {
	var sent atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	start := time.Now()
	for range Workers {
		all.Go(func() {
			for time.Since(start) < long {
				if err := way(ctx, int(sent.Add(1))); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(sent.Load()) / time.Since(start).Seconds(), nil
}

func milliseconds(of []time.Duration, p float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[min(int(p*float64(len(sorted))), len(sorted)-1)].Seconds() * 1000
}

func median(of []float64) float64 { return slices.Sorted(slices.Values(of))[len(of)/2] }
