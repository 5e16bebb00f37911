// SPDX-License-Identifier: Apache-2.0

package router

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/openfunction/openfunction/pkg/core/route"
)

func weighted(weights ...int32) route.Route {
	r := route.Route{}
	for i, weight := range weights {
		r.Backends = append(r.Backends, route.Backend{Address: strconv.Itoa(i), Weight: weight})
	}
	return r
}

// TestSharesAreExactAndSmooth: a round of as many requests as the weights amount to is shared out exactly, and on the way no backend is
// ever further than one request, or with several backends as many as there are, from its share.
func TestSharesAreExactAndSmooth(t *testing.T) {
	for _, weights := range [][]int32{{1}, {90, 10}, {99, 1}, {50, 50}, {1, 0, 3}, {5, 3, 2}, {7, 11, 13, 17}, {1000000, 1}} {
		t.Run(fmt.Sprint(weights), func(t *testing.T) {
			f := newFunction(weighted(weights...), &usage{})
			got := make([]int64, len(weights))
			for n := int64(1); n <= 2*f.total; n++ {
				i, _ := strconv.Atoi(f.pick().Address)
				got[i]++
				for i, weight := range weights {
					share := float64(n) * float64(weight) / float64(f.total)
					if math.Abs(float64(got[i])-share) > float64(max(len(f.backends)-1, 1)) {
						t.Fatalf("after %d requests backend %d has %d, not about %.1f", n, i, got[i], share)
					}
				}
			}
			for i, weight := range weights {
				if got[i] != 2*int64(weight) {
					t.Errorf("backend %d has %d requests of two rounds, not %d", i, got[i], 2*weight)
				}
			}
		})
	}
}

func TestSharesAreExactWithManyAtOnce(t *testing.T) {
	f := newFunction(weighted(70, 20, 10), &usage{})
	var got [3]atomic.Int64
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			for range 1000 {
				i, _ := strconv.Atoi(f.pick().Address)
				got[i].Add(1)
			}
		})
	}
	group.Wait()
	for i, want := range []int64{7000, 2000, 1000} {
		if n := got[i].Load(); n != want {
			t.Errorf("backend %d has %d requests, not %d", i, n, want)
		}
	}
}

func FuzzShares(f *testing.F) {
	f.Add(uint64(1), 3)
	f.Fuzz(func(t *testing.T, seed uint64, n int) {
		random := rand.New(rand.NewPCG(seed, 0))
		weights := make([]int32, max(n%route.MaxBackends, 1))
		for i := range weights {
			weights[i] = random.Int32N(100)
		}
		fn := newFunction(weighted(weights...), &usage{})
		if !fn.takesRequests() {
			return
		}
		got := make([]int32, len(weights))
		for range fn.total {
			i, _ := strconv.Atoi(fn.pick().Address)
			got[i]++
		}
		for i := range weights {
			if got[i] != weights[i] {
				t.Errorf("%v were shared out as %v", weights, got)
				break
			}
		}
	})
}
