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

// CheckEvents returns every Event that was told again although what it tells of happened once.
func (w *World) CheckEvents(ctx context.Context) error {
	s, told := w.mirror.stories.told(w.Namespace)
	if !told {
		return nil
	}
	var events eventsv1.EventList
	if err := w.Client.List(ctx, &events, client.InNamespace(w.Namespace)); err != nil {
		return fmt.Errorf("listing the Events: %w", err)
	}
	var broken []error
	for i := range events.Items {
		e := &events.Items[i]
		if e.Series == nil || !ofOurGroups(e.Regarding.GroupVersionKind().Group) {
			continue
		}
		if happened := s.transitions(hasUID(e.Regarding.UID), e.Reason); happened == 1 {
			broken = append(broken, fmt.Errorf("law of events: %s of %s %s was told again, and it happened once", e.Reason, e.Regarding.Kind, e.Regarding.Name))
		}
	}
	return errors.Join(broken...)
}

// transitions is how often what an Event of this reason tells of happened to an object.
func (s story) transitions(of func(*unstructured.Unstructured) bool, reason string) int {
	n, before := 0, map[string]any{}
	for _, c := range s {
		if !of(c.object) {
			continue
		}
		after := map[string]any{}
		for kind, condition := range conditions(c.object) {
			after[kind] = condition["reason"]
		}
		if tried := Field(c.object, "status", "rollout", "revision"); tried != nil {
			after["rollout/"+fmt.Sprint(tried)] = "RolloutStarted"
		}
		for key, is := range after {
			if is == reason && before[key] != is {
				n++
			}
		}
		before = after
	}
	return n
}
