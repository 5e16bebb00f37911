// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func TestTimeJumpsOverWhatWaits(t *testing.T) {
	clock := NewTime()
	q := clock.Queue("", workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](time.Hour, 24*time.Hour))
	defer q.ShutDown()
	request := func(name string) reconcile.Request {
		return reconcile.Request{NamespacedName: types.NamespacedName{Name: name}}
	}
	q.AddAfter(request("later"), 3*time.Hour)
	q.AddRateLimited(request("limited"))
	q.AddAfter(request("limited"), 2*time.Hour)
	if in, any := clock.Due(); !any || in > time.Hour || in < time.Hour-time.Minute || !clock.Idle() {
		t.Fatalf("due in %s, %t; idle: %t", in, any, clock.Idle())
	}
	before := clock.Now()
	clock.Jump(time.Hour)
	if passed := clock.Since(before); passed < time.Hour || q.Len() != 1 || clock.Idle() {
		t.Errorf("%s have passed, %d ready", passed, q.Len())
	}
	got, _ := q.Get()
	if got != request("limited") || clock.Idle() || clock.Looks() != 1 {
		t.Errorf("looking at %v, idle: %t", got, clock.Idle())
	}
	q.Done(got)
	if in, any := clock.Due(); !any || in > 2*time.Hour || !clock.Idle() {
		t.Errorf("due in %s, %t; idle: %t", in, any, clock.Idle())
	}
	q.AddAfter(request("soon"), 10*time.Millisecond)
	if got, _ := q.Get(); got != request("soon") {
		t.Errorf("looking at %v", got)
	}
}
