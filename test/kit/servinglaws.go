// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// templateHash is the label by which the pods of one version of a workload are known.
const templateHash = "openfunction.io/template-hash"

// started is the law that a Serving on a workload is not Ready before a pod of what the workload runs now was.
func started(past story, now chapter, _ story) string {
	o := now.object
	if now.gone || !ours(o) || o.GetKind() != "Serving" || !isReady(o) {
		return ""
	}
	if was, found := past.last(hasUID(o.GetUID())); found && isReady(was) && was.GetGeneration() == o.GetGeneration() {
		return ""
	}
	references, _, _ := unstructured.NestedStringMap(o.Object, "status", "resourceRef")
	for _, workload := range past.owned(o.GetUID()) {
		kind := workload.GroupVersionKind().GroupKind()
		if kind != deployments && kind != statefulSets || workload.GetLabels()[runLabel] == "" ||
			workload.GetName() != references["Async/workload"] && workload.GetName() != references["http.keda.sh/deployment"] {
			continue
		}
		version, _, _ := unstructured.NestedString(workload.Object, "spec", "template", "metadata", "labels", templateHash)
		if !slices.ContainsFunc(past, func(c chapter) bool {
			return c.object.GetKind() == pods.Kind && c.object.GetLabels()[templateHash] == version && condition(c.object, string(corev1.PodReady)) == "True"
		}) {
			return fmt.Sprintf("Ready, and no pod of what %s runs has been", id(workload))
		}
	}
	return ""
}

// stage is how far a rollout has come, as a canary keeps it.
type stage struct {
	Revision string           `json:"revision"`
	Step     int              `json:"step"`
	Since    metav1.MicroTime `json:"since"`
}

func stageOf(s *unstructured.Unstructured) (at stage, known bool) {
	return at, json.Unmarshal([]byte(s.GetAnnotations()[corev1beta2.RolloutAnnotation]), &at) == nil
}

// steps is the law that a new version has the share of the step that it has come to, and comes to the next when the pause of its step is over or
// its user says so.
func steps(past story, now chapter, _ story) string {
	o := now.object
	switch {
	case now.gone || !ours(o):
		return ""
	case o.GetKind() == "Function":
		return shared(past, o)
	case o.GetKind() == "Serving" && o.GetLabels()[canary] != "":
		return paused(past, o)
	}
	return ""
}

func shared(past story, function *unstructured.Unstructured) string {
	step, _ := Field(function, "status", "rollout", "step").(int64)
	percent, _ := Field(function, "status", "rollout", "percent").(int64)
	if step < 1 || percent == 0 || percent == 100 { // on its way to a step, or accepted
		return ""
	}
	if !slices.ContainsFunc(past, func(c chapter) bool {
		ref := metav1.GetControllerOf(c.object)
		return ref != nil && ref.UID == function.GetUID() && c.object.GetLabels()[canary] != "" && isReady(c.object)
	}) {
		return fmt.Sprintf("the new version has %d %% of the requests and has never been ready", percent)
	}
	says := func(o *unstructured.Unstructured) bool {
		share, known := stepOf(o, int(step))["percent"].(int64)
		return known && share == percent
	}
	if says(function) || past.ever(function.GetUID(), says) {
		return ""
	}
	return fmt.Sprintf("the new version has %d %% of the requests, which is not the share of step %d", percent, step)
}

// stepOf is what a Function says of a step, from 1.
func stepOf(function *unstructured.Unstructured, step int) map[string]any {
	all, _, _ := unstructured.NestedSlice(function.Object, "spec", "serving", "rollout", "steps")
	if step < 1 || step > len(all) {
		return nil
	}
	found, _ := all[step-1].(map[string]any)
	return found
}

func paused(past story, s *unstructured.Unstructured) string {
	was, _ := past.last(hasUID(s.GetUID()))
	ref := metav1.GetControllerOf(s)
	if was == nil || ref == nil {
		return ""
	}
	before, known := stageOf(was)
	after, knows := stageOf(s)
	if !known || !knows || before.Revision != after.Revision || before.Step < 1 || after.Step <= before.Step {
		return ""
	}
	if past.ever(ref.UID, func(function *unstructured.Unstructured) bool {
		if strings.HasPrefix(function.GetAnnotations()[corev1beta2.PromoteAnnotation], after.Revision) {
			return true
		}
		text, _ := stepOf(function, before.Step)["pause"].(string)
		pause, err := time.ParseDuration(text)
		return err == nil && after.Step == before.Step+1 && after.Since.Sub(before.Since.Time) >= pause
	}) {
		return ""
	}
	return fmt.Sprintf("it came to step %d %s after step %d, and nobody allowed that", after.Step, after.Since.Sub(before.Since.Time), before.Step)
}

// order is the law that what Dapr needs is there before what runs the function: it is read when a pod starts.
func order(past story, now chapter, _ story) string {
	o := now.object
	ref := metav1.GetControllerOf(o)
	if now.gone || o.GetKind() != "Component" || ref == nil || ref.Kind != "Serving" {
		return ""
	}
	if earlier, _ := past.last(func(other *unstructured.Unstructured) bool { return id(other) == id(o) }); earlier != nil {
		return "" // it is the same, or somebody deleted it and it came back
	}
	s, _ := past.last(hasUID(ref.UID))
	for _, child := range past.owned(ref.UID) {
		if s == nil || child.GetLabels()[runLabel] == "" {
			continue
		}
		made := slices.IndexFunc(past, func(c chapter) bool { return c.object.GetUID() == child.GetUID() })
		if last, _ := past[:made].last(hasUID(ref.UID)); last != nil && last.GetGeneration() == s.GetGeneration() {
			return fmt.Sprintf("it was made after %s, which needs it", id(child))
		}
	}
	return ""
}
