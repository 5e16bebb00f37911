// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Words that decide how the played engines treat an object that has them anywhere in its spec. Only the content
// decides, so the same spec ends the same way whatever came before it.
const (
	// WordBroken makes a build, or a version of a service, fail; of a pod, the image of the container that has it cannot be pulled.
	WordBroken = "kit-broken"
	// WordSlow makes a build run until it is cancelled, and a service or a pod start for ever.
	WordSlow = "kit-slow"
	// WordLate makes a build run into its timeout.
	WordLate = "kit-late"
	// WordRefused makes KEDA, or its HTTP add-on, refuse a scaler.
	WordRefused = "kit-refused"
)

// players are the engines that are played, by the kind they act on.
func (cp *ControlPlane) players() map[schema.GroupKind]player {
	return map[schema.GroupKind]player{
		taskRuns:          cp.playTaskRun,
		services:          cp.playService,
		pods:              cp.playPod,
		scaledObjects:     cp.playScaledObject,
		scaledJobs:        cp.playScaledJob,
		httpScaledObjects: cp.playHTTPScaledObject,
		gateways:          cp.playGateway,
		httpRoutes:        cp.playHTTPRoute,
		deployments:       cp.playDaprOperator,
		statefulSets:      cp.playDaprOperator,
	}
}

// player moves an object one step on, if it has a step to go. It may be asked at any time and sees what the onlooker sees.
type player func(ctx context.Context, m *mirror, o *unstructured.Unstructured) error

// errNotYet is why a player is asked again by and by.
var errNotYet = errors.New("what is needed is not there yet")

// PlayEngines plays Tekton, Knative, KEDA, its HTTP add-on, Dapr, a gateway and the kubelet for every object of the control plane until ctx ends.
// Builds succeed, services and pods get ready and scalers find nothing to do, but for the words above.
func (cp *ControlPlane) PlayEngines(ctx context.Context) error {
	m, err := cp.watch(ctx)
	if err != nil {
		return err
	}
	if err := cp.playDaprInjector(ctx); err != nil {
		return err
	}
	players := cp.players()
	queue := workqueue.NewTypedRateLimitingQueue(
		workqueue.NewTypedItemExponentialFailureRateLimiter[played](5*time.Millisecond, time.Second))
	add := func(p played) {
		m.turns.begin(p)
		queue.Add(p)
	}
	m.onChange(func(o *unstructured.Unstructured) {
		kind := o.GroupVersionKind().GroupKind()
		if players[kind] != nil {
			add(played{kind, client.ObjectKeyFromObject(o)})
		}
		for _, other := range concerned(m, o) {
			add(other)
		}
	})
	for range 4 {
		go func() {
			for {
				item, end := queue.Get()
				if end {
					return
				}
				asked := m.turns.asked(item)
				err := play(ctx, m, players[item.kind], item)
				if err == nil || errors.Is(err, errNotYet) { // what failed is tried again soon
					m.turns.end(item, asked)
				}
				if err != nil && ctx.Err() == nil {
					queue.AddRateLimited(item)
				} else {
					queue.Forget(item)
				}
				queue.Done(item)
			}
		}()
	}
	go func() {
		<-ctx.Done()
		queue.ShutDown()
	}()
	return nil
}

type played struct {
	kind schema.GroupKind
	key  client.ObjectKey
}

// turns are the objects that players have yet to look at, by how often they were told of them, and when one was last looked at, by namespace. On a busy
// machine a player comes late, and until then a world is not at rest.
type turns struct {
	mu   sync.Mutex
	open map[string]map[played]int
	last map[string]time.Time
}

func (t *turns) begin(p played) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open, t.last = map[string]map[played]int{}, map[string]time.Time{}
	}
	if t.open[p.key.Namespace] == nil {
		t.open[p.key.Namespace] = map[played]int{}
	}
	t.open[p.key.Namespace][p]++
}

func (t *turns) asked(p played) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open[p.key.Namespace][p]
}

// end says that a player has looked at what it had been told of so far. One that waits for something else is told when that comes.
func (t *turns) end(p played, asked int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open[p.key.Namespace][p] == asked {
		delete(t.open[p.key.Namespace], p)
	}
	if asked > 0 {
		t.last[p.key.Namespace] = time.Now()
	}
}

// quiet is for how long no player has had anything to look at.
func (t *turns) quiet(namespace string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.open[namespace]) > 0 {
		return 0
	}
	return time.Since(t.last[namespace])
}

// concerned are the objects whose engine looks at the given one too.
func concerned(m *mirror, o *unstructured.Unstructured) []played {
	same := func(kind schema.GroupKind) []played { return []played{{kind, client.ObjectKeyFromObject(o)}} }
	switch kind := o.GroupVersionKind().GroupKind(); kind {
	case placeholders:
		return append(same(services), concernedWithDapr(m, o)...)
	case routes:
		return same(services)
	case scaledObjects:
		return same(httpScaledObjects)
	case gateways, httpRoutes, referenceGrants:
		return concernedWithGateway(m, o)
	case deployments, statefulSets:
		var scalers []played
		for _, scaler := range m.of(scaledObjects.Kind, o.GetNamespace()) {
			if target, _, _ := unstructured.NestedString(scaler.Object, "spec", "scaleTargetRef", "name"); target == o.GetName() {
				scalers = append(scalers, played{scaledObjects, client.ObjectKeyFromObject(scaler)})
			}
		}
		return scalers
	}
	return nil
}

// play asks the player of an object that exists.
func play(ctx context.Context, m *mirror, player player, p played) error {
	o := m.get(p.kind, p.key.Namespace, p.key.Name)
	if o == nil {
		return nil
	}
	err := player(ctx, m, o)
	if apierrors.IsConflict(err) {
		return nil // the change that made it stale comes by itself
	}
	return client.IgnoreNotFound(err)
}

// typed copies an object that the onlooker sees.
func typed[T any](o *unstructured.Unstructured) (*T, error) {
	object := new(T)
	return object, runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, object)
}

// taskRuns is what the played Tekton acts on.
var taskRuns = tektonv1.Kind("TaskRun")

func (cp *ControlPlane) playTaskRun(ctx context.Context, _ *mirror, o *unstructured.Unstructured) error {
	run, err := typed[tektonv1.TaskRun](o)
	if err != nil {
		return err
	}
	next, due := nextBuild(run)
	if !due || run.DeletionTimestamp != nil {
		return nil
	}
	setBuild(run, next)
	return cp.Client.Status().Update(ctx, run)
}

// nextBuild starts a task run and then ends it.
func nextBuild(run *tektonv1.TaskRun) (Build, bool) {
	switch {
	case run.IsDone():
		return "", false
	case run.Spec.Status == tektonv1.TaskRunSpecStatusCancelled:
		return BuildCancelled, true
	case !run.HasStarted():
		return BuildRuns, true
	case says(run.Spec, WordSlow):
		return "", false
	case says(run.Spec, WordLate):
		return BuildTimesOut, true
	case says(run.Spec, WordBroken):
		return BuildFails, true
	}
	return BuildSucceeds, true
}

func says(spec any, word string) bool {
	data, err := json.Marshal(spec)
	return err == nil && strings.Contains(string(data), word)
}
