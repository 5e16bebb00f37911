// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/workqueue"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Words that decide how the played engines treat an object that has them anywhere in its spec. Only the content
// decides, so the same spec ends the same way whatever came before it.
const (
	// WordBroken makes a build, or a version of a service, fail.
	WordBroken = "kit-broken"
	// WordSlow makes a build run until it is cancelled, and a service start for ever.
	WordSlow = "kit-slow"
	// WordLate makes a build run into its timeout.
	WordLate = "kit-late"
)

// PlayEngines plays Tekton and Knative for every task run and Knative Service of the control plane until ctx ends.
// Builds succeed and services get ready, but for the words above.
func (cp *ControlPlane) PlayEngines(ctx context.Context) error {
	m, err := cp.watch(ctx)
	if err != nil {
		return err
	}
	queue := workqueue.NewTypedRateLimitingQueue(
		workqueue.NewTypedItemExponentialFailureRateLimiter[played](5*time.Millisecond, time.Second))
	m.onChange(func(o *unstructured.Unstructured) {
		if kind := o.GroupVersionKind().GroupKind(); kind == taskRuns || kind == services {
			queue.Add(played{kind, client.ObjectKeyFromObject(o)})
		}
	})
	for range 4 {
		go func() {
			for {
				item, end := queue.Get()
				if end {
					return
				}
				if err := cp.play(ctx, m, item); err != nil && ctx.Err() == nil {
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

// What the played engines act on.
var (
	taskRuns = tektonv1.Kind("TaskRun")
	services = kservingv1.Kind("Service")
)

type played struct {
	kind schema.GroupKind
	key  client.ObjectKey
}

// play moves one object one step on, if it has a step to go.
func (cp *ControlPlane) play(ctx context.Context, m *mirror, p played) error {
	o := m.get(p.kind, p.key.Namespace, p.key.Name)
	if o == nil || o.GetDeletionTimestamp() != nil {
		return nil
	}
	var status client.Object
	if p.kind == taskRuns {
		run := &tektonv1.TaskRun{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, run); err != nil {
			return err
		}
		next, due := nextBuild(run)
		if !due {
			return nil
		}
		setBuild(run, next)
		status = run
	} else {
		service := &kservingv1.Service{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, service); err != nil {
			return err
		}
		if service.Status.ObservedGeneration == service.Generation {
			return nil
		}
		setService(service, nextService(service))
		status = service
	}
	err := cp.Client.Status().Update(ctx, status)
	if apierrors.IsConflict(err) {
		return nil // the change that made it stale comes by itself
	}
	return client.IgnoreNotFound(err)
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

func nextService(service *kservingv1.Service) Service {
	switch {
	case says(service.Spec, WordBroken):
		return ServiceFails
	case says(service.Spec, WordSlow):
		return ServiceStarts
	}
	return ServiceReady
}

func says(spec any, word string) bool {
	data, err := json.Marshal(spec)
	return err == nil && strings.Contains(string(data), word)
}
