// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Time is the clock of a world's controllers together with the queues that wait by it. It goes as the real one does, and jumps when it is told
// to: what waits for a backoff or a RequeueAfter need not be waited for. It lives as long as its world, over all lives of its managers.
type Time struct {
	mu     sync.Mutex
	ahead  time.Duration
	queues map[*queue]bool
	looks  int
}

// NewTime returns one that shows the real time.
func NewTime() *Time { return &Time{queues: map[*queue]bool{}} }

// Now is the time it shows.
func (t *Time) Now() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Now().Add(t.ahead)
}

// Since is how long ago it showed another time.
func (t *Time) Since(then time.Time) time.Duration { return t.Now().Sub(then) }

// Ahead is how far it is before the real one.
func (t *Time) Ahead() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ahead
}

// Looks is how often an object was taken out of a queue to be looked at.
func (t *Time) Looks() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.looks
}

// Queue is for the options of controllers.
func (t *Time) Queue(_ string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	q := &queue{TypedInterface: workqueue.NewTyped[reconcile.Request](), limiter: limiter, time: t, due: map[reconcile.Request]time.Time{}}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queues[q] = true
	return q
}

// Idle tells that no object is being looked at, or is about to be: only time, or a change, can bring one.
func (t *Time) Idle() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for q := range t.queues {
		if q.working > 0 || q.Len() > 0 {
			return false
		}
	}
	return true
}

// Due is how long the next object waits yet to be looked at; none when nothing waits.
func (t *Time) Due() (in time.Duration, any bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for q := range t.queues {
		for _, due := range q.due {
			if left := time.Until(due) - t.ahead; !any || left < in {
				in, any = left, true
			}
		}
	}
	return in, any
}

// Jump lets so much time pass at once.
func (t *Time) Jump(d time.Duration) {
	t.mu.Lock()
	t.ahead += d
	var queues []*queue
	for q := range t.queues {
		queues = append(queues, q)
	}
	t.mu.Unlock()
	for _, q := range queues {
		q.release()
	}
}

// queue is a work queue whose delays are those of a Time. The Time's lock guards it.
type queue struct {
	workqueue.TypedInterface[reconcile.Request]
	limiter workqueue.TypedRateLimiter[reconcile.Request]
	time    *Time
	due     map[reconcile.Request]time.Time
	working int
}

// Get takes an object out, to be looked at.
func (q *queue) Get() (reconcile.Request, bool) {
	r, end := q.TypedInterface.Get()
	if !end {
		q.time.mu.Lock()
		defer q.time.mu.Unlock()
		q.working++
		q.time.looks++
	}
	return r, end
}

// Done says that an object was looked at.
func (q *queue) Done(r reconcile.Request) {
	q.TypedInterface.Done(r)
	q.time.mu.Lock()
	defer q.time.mu.Unlock()
	q.working--
}

// AddAfter adds an object when so much time has passed.
func (q *queue) AddAfter(r reconcile.Request, delay time.Duration) {
	if delay <= 0 {
		q.Add(r)
		return
	}
	q.time.mu.Lock()
	due := time.Now().Add(q.time.ahead + delay)
	if earlier, waits := q.due[r]; !waits || due.Before(earlier) {
		q.due[r] = due
	}
	q.time.mu.Unlock()
	time.AfterFunc(delay, q.release)
}

// release adds what is due.
func (q *queue) release() {
	q.time.mu.Lock()
	defer q.time.mu.Unlock()
	now := time.Now().Add(q.time.ahead)
	for r, due := range q.due {
		if !due.After(now) {
			delete(q.due, r)
			q.Add(r)
		}
	}
}

// AddRateLimited adds an object when its backoff is over.
func (q *queue) AddRateLimited(r reconcile.Request) { q.AddAfter(r, q.limiter.When(r)) }

// Forget ends the backoff of an object.
func (q *queue) Forget(r reconcile.Request) { q.limiter.Forget(r) }

// NumRequeues is how often an object was added by its backoff.
func (q *queue) NumRequeues(r reconcile.Request) int { return q.limiter.NumRequeues(r) }

// ShutDown ends the queue; what waits in it is dropped.
func (q *queue) ShutDown() {
	q.TypedInterface.ShutDown()
	q.drop()
}

// ShutDownWithDrain ends the queue once nothing is being looked at.
func (q *queue) ShutDownWithDrain() {
	q.TypedInterface.ShutDownWithDrain()
	q.drop()
}

func (q *queue) drop() {
	q.time.mu.Lock()
	defer q.time.mu.Unlock()
	clear(q.due)
	delete(q.time.queues, q)
}
