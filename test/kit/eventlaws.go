// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"errors"
	"fmt"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// CheckEvents returns every Event that was told more often than what it tells of happened.
func (w *World) CheckEvents(ctx context.Context) error {
	s, whole := w.mirror.stories.told(w.Namespace)
	if !whole {
		return nil
	}
	var events eventsv1.EventList
	if err := w.Client.List(ctx, &events, client.InNamespace(w.Namespace)); err != nil {
		return fmt.Errorf("listing the Events: %w", err)
	}
	told := map[string]int32{}
	var broken []error
	for i := range events.Items {
		e := &events.Items[i]
		if !ofOurGroups(e.Regarding.GroupVersionKind().Group) {
			continue
		}
		times := int32(1)
		if e.Series != nil {
			times = e.Series.Count
		}
		key := string(e.Regarding.UID) + " " + e.Reason
		told[key] += times
		if happened := s.transitions(hasUID(e.Regarding.UID), e.Reason); happened > 0 && told[key] > happened {
			broken = append(broken, fmt.Errorf("law of events: %s of %s %s was told %d times, and happened %d times",
				e.Reason, e.Regarding.Kind, e.Regarding.Name, told[key], happened))
		}
	}
	return errors.Join(broken...)
}

// transitions is how often what an Event of this reason tells of happened to an object; 0 where its story does not show it.
func (s story) transitions(of func(*unstructured.Unstructured) bool, reason string) int32 {
	var n int32
	before := map[string]string{}
	for _, c := range s {
		if !of(c.object) {
			continue
		}
		after := map[string]string{}
		for kind, condition := range conditions(c.object) {
			if condition["reason"] == reason {
				after[kind] = fmt.Sprint(condition["status"])
			}
		}
		if tried := Field(c.object, "status", "rollout", "revision"); tried != nil && reason == "RolloutStarted" {
			after[fmt.Sprint("rollout ", tried)] = "True"
		}
		for key, is := range after {
			if before[key] != is {
				n++
			}
		}
		before = after
	}
	return n
}
