// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"context"
	"reflect"
	"regexp"
	"runtime/pprof"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	toolscache "k8s.io/client-go/tools/cache"
)

// cached are the objects that the caches of a world's managers hold, each with a copy of what it was when it got there: they are shared by all who
// read, and nobody may change them.
type cached struct {
	mu      sync.Mutex
	objects map[runtime.Object]runtime.Object
}

// keep is a transformation for a cache that remembers what another one makes of an object.
func (c *cached) keep(transform toolscache.TransformFunc) toolscache.TransformFunc {
	return func(in any) (any, error) {
		out, err := in, error(nil)
		if transform != nil {
			out, err = transform(in)
		}
		if object, is := out.(runtime.Object); is && err == nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.objects[object] = object.DeepCopyObject()
		}
		return out, err
	}
}

// changed tells of an object that is not what it was.
func (c *cached) changed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for object, was := range c.objects {
		if !reflect.DeepEqual(object, was) {
			return diverges("cache", "an object of the cache was changed, - was, + is:\n%s", cmp.Diff(was, object))
		}
	}
	return nil
}

// world is the label of the goroutines that the managers of a world have started.
const world = "world"

// labelled runs a manager so that its goroutines are known as those of a world.
func labelled(namespace string, run func() error) (err error) {
	pprof.Do(context.Background(), pprof.Labels(world, namespace), func(context.Context) { err = run() })
	return err
}

// inOurs is a line of a stack that is in the controllers or what they are made of.
var inOurs = regexp.MustCompile(`(?m)^#\s.*openfunction/openfunction/(controllers|pkg)/.*$`)

// atWork is in the stack of a call. One that asks an API server which another plan of the same control plane has stopped takes a while; one that never
// ends is for the oracle stuck.
const atWork = ".processNextWorkItem"

// checkGoroutines complains of one of ours in a world in which nothing is being looked at: a call has left it behind.
func (r *run) checkGoroutines() error {
	var left string
	for range 20 {
		if left = goroutinesOf(r.world.Namespace); left == "" {
			return nil
		}
		time.Sleep(50 * time.Millisecond) // it may be on its way out, or an event has come
	}
	return diverges("goroutine", "nothing is being looked at, and this still runs:\n%s", left)
}

// goroutinesOf is the first stack of a world's goroutines that is in our code and in no call.
func goroutinesOf(namespace string) string {
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 1); err != nil {
		return err.Error()
	}
	for stack := range strings.SplitSeq(all.String(), "\n\n") {
		if strings.Contains(stack, `"`+world+`":"`+namespace+`"`) && inOurs.MatchString(stack) && !strings.Contains(stack, atWork) {
			return stack
		}
	}
	return ""
}
