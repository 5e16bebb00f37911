// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
)

// CheckStory returns every way in which what happened in a world breaks a law that its end does not show:
//
//   - truth: a Function is never called ready before its Serving was for the same spec, nor a Serving before its Knative Service, nor a Gateway before
//     its Kubernetes Gateway was programmed with its listeners;
//   - transition: lastTransitionTime moves with the status of a condition and only with it, and neither it nor observedGeneration goes back;
//   - gap: what serves is not taken away before something else does;
//   - record: a build that is at work is cancelled, never deleted, while its Function still builds;
//   - started: a Serving on a workload is not called ready before a pod of what the workload runs was;
//   - steps: a new version has the share of its step, and comes to the next when the pause is over or its user says so;
//   - order: what Dapr needs is there before what runs the function;
//   - pair: image and settings of a Serving are of one version of its Function, and what is built is served by its own digest.
//
// A world whose story was not kept whole passes.
func (w *World) CheckStory() error {
	return w.checkStory(law{"truth", truth}, transitions, law{"gap", gap}, law{"record", record}, law{"pair", pair},
		law{"started", started}, law{"steps", steps}, law{"order", order})
}

// law is what has to be true of every chapter of a story; check says why it is not.
type law struct {
	name  string
	check func(past story, now chapter, future story) string
}

// transitions is a law also for who believes what is not so any more: the status that a writer goes on from has to be the last one.
var transitions = law{"transition", moment}

func (w *World) checkStory(laws ...law) error {
	s, told := w.mirror.stories.told(w.Namespace)
	if !told {
		return nil
	}
	var broken []error
	for i, c := range s {
		if !ours(c.object) && metav1.GetControllerOf(c.object) == nil {
			continue
		}
		for _, law := range laws {
			if why := law.check(s.until(i), c, s[i+1:]); why != "" {
				broken = append(broken, fmt.Errorf("law of %s: %s: %s", law.name, id(c.object), why))
			}
		}
	}
	return errors.Join(broken...)
}

// isReady tells that the object is Ready for the spec it has.
func isReady(o *unstructured.Unstructured) bool {
	observed, _, _ := unstructured.NestedInt64(o.Object, "status", "observedGeneration")
	return condition(o, "Ready") == "True" && observed == o.GetGeneration()
}

func truth(past story, now chapter, _ story) string {
	o := now.object
	if now.gone || !ours(o) || !isReady(o) {
		return ""
	}
	if was, found := past.last(hasUID(o.GetUID())); found && isReady(was) {
		return ""
	}
	var kind, name string
	switch o.GetKind() {
	case "Gateway":
		return entrance(past, o)
	case "Function":
		if Field(o, "spec", "serving") == nil {
			return ""
		}
		kind, name = "Serving", o.GetName()
	case "Serving":
		references, _, _ := unstructured.NestedStringMap(o.Object, "status", "resourceRef")
		if kind, name = services.Kind, references["serving.knative.dev/service"]; name == "" {
			return ""
		}
	default:
		return ""
	}
	for _, child := range past.owned(o.GetUID()) {
		if child.GetKind() != kind || child.GetName() != name || child.GroupVersionKind().Group == "" {
			continue
		}
		generation := child.GetGeneration()
		if !past.ever(child.GetUID(), func(o *unstructured.Unstructured) bool { return o.GetGeneration() == generation && isReady(o) }) {
			return fmt.Sprintf("Ready, and %s has not been for its generation %d", id(child), generation)
		}
	}
	return ""
}

// entrance says why a Gateway of ours is not reached although it says so.
func entrance(past story, o *unstructured.Unstructured) string {
	g, err := typed[networkingv1alpha1.Gateway](o)
	if err != nil || g.Target().Namespace != g.Namespace {
		return ""
	}
	isTarget := func(o *unstructured.Unstructured) bool {
		return o.GroupVersionKind().GroupKind() == gateways && o.GetName() == g.Target().Name
	}
	target, exists := past.last(isTarget)
	if !exists {
		return "Ready, and there is no Kubernetes Gateway " + g.Target().Name
	}
	if !past.ever(target.GetUID(), func(o *unstructured.Unstructured) bool {
		gateway, err := typed[gatewayv1.Gateway](o)
		programmed := err == nil && meta.FindStatusCondition(gateway.Status.Conditions, string(gatewayv1.GatewayConditionProgrammed)) != nil
		return programmed && hasListeners(gateway, g)
	}) {
		return "Ready, and its Kubernetes Gateway has never been programmed with its listeners"
	}
	return ""
}

// hasListeners tells that the controller of a Kubernetes Gateway has seen the listeners of a Gateway of ours there.
func hasListeners(gateway *gatewayv1.Gateway, g *networkingv1alpha1.Gateway) bool {
	for _, wanted := range g.Listeners() {
		if !slices.ContainsFunc(gateway.Status.Listeners, func(s gatewayv1.ListenerStatus) bool { return s.Name == wanted.Name }) {
			return false
		}
	}
	return true
}

func moment(past story, now chapter, _ story) string {
	if now.gone || !ours(now.object) {
		return ""
	}
	was, _ := past.last(hasUID(now.object.GetUID()))
	if was == nil {
		return ""
	}
	before := conditions(was)
	for kind, is := range conditions(now.object) {
		old, had := before[kind]
		switch {
		case !had, generationOf(is) == 0 && generationOf(old) > 0: // somebody emptied the status: what is there was filled in by the API server
		case old["status"] == is["status"] && old["lastTransitionTime"] != is["lastTransitionTime"]:
			return kind + " has a new lastTransitionTime and the same status"
		case fmt.Sprint(old["lastTransitionTime"]) > fmt.Sprint(is["lastTransitionTime"]):
			return kind + " has a lastTransitionTime before that of its last one"
		case generationOf(old) > generationOf(is):
			return fmt.Sprintf("%s speaks of generation %d, and has spoken of %d", kind, generationOf(is), generationOf(old))
		}
	}
	return ""
}

// generationOf is the one that a condition speaks of.
func generationOf(condition map[string]any) int64 {
	generation, _ := condition["observedGeneration"].(int64)
	return generation
}

// conditions are those of an object by type.
func conditions(o *unstructured.Unstructured) map[string]map[string]any {
	list, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	found := map[string]map[string]any{}
	for _, c := range list {
		if c, ok := c.(map[string]any); ok {
			found[fmt.Sprint(c["type"])] = c
		}
	}
	return found
}

// runLabel is on what runs a function, and not on its daprd or its agent.
const runLabel = "openfunction.io/run"

// up tells that an object that runs a function has come so far that it serves.
func up(o *unstructured.Unstructured) bool {
	if o.GetLabels()[runLabel] == "" {
		return false
	}
	switch o.GetKind() {
	case services.Kind:
		return o.GroupVersionKind().Group == services.Group && isReady(o)
	case deployments.Kind, statefulSets.Kind:
		available, _, _ := unstructured.NestedInt64(o.Object, "status", "availableReplicas")
		return available > 0 || o.GetAnnotations()["openfunction.io/started"] != ""
	case scaledJobs.Kind, "Job":
		return true // they run when there is work
	}
	return false
}

func gap(past story, now chapter, future story) string {
	ref := metav1.GetControllerOf(now.object)
	if !now.gone || ref == nil || ref.Kind != "Serving" || !past.ever(now.object.GetUID(), up) || !lives(past, ref.UID) {
		return ""
	}
	for _, other := range past.owned(ref.UID) {
		if other.GetUID() != now.object.GetUID() && past.ever(other.GetUID(), up) {
			return ""
		}
	}
	if slices.ContainsFunc(future, func(c chapter) bool { return id(c.object) == id(now.object) }) {
		return "" // it was not we who deleted it: it came back
	}
	return "it served, and is gone before anything else does"
}

// lives tells whether an object of ours, and the one that owns it, was neither gone nor going, nor told not to serve.
func lives(past story, owner types.UID) bool {
	o, exists := past.last(hasUID(owner))
	if !exists || o.GetDeletionTimestamp() != nil {
		return false
	}
	if o.GetKind() == "Function" && Field(o, "spec", "serving") == nil {
		return false
	}
	ref := metav1.GetControllerOf(o)
	return ref == nil || lives(past, ref.UID)
}

func record(past story, now chapter, _ story) string {
	ref := metav1.GetControllerOf(now.object)
	if !now.gone || now.object.GetKind() != "Builder" || ref == nil {
		return ""
	}
	function, exists := past.last(hasUID(ref.UID))
	if !exists || function.GetDeletionTimestamp() != nil || Field(function, "spec", "build") == nil {
		return ""
	}
	was, _ := past.last(hasUID(now.object.GetUID()))
	if was == nil || condition(was, "Ready") == "True" || condition(was, "Stalled") == "True" {
		return ""
	}
	return "it was deleted before it had ended"
}

// canary is the label on a Serving in which a version is tried.
const canary = "openfunction.io/canary"

// functionManager is who writes the Serving of a Function.
const functionManager = "openfunction-core/function"

func pair(past story, now chapter, _ story) string {
	o := now.object
	ref := metav1.GetControllerOf(o)
	if now.gone || o.GetKind() != "Serving" || ref == nil || !onlyOurs(o) {
		return ""
	}
	if was, _ := past.last(hasUID(o.GetUID())); was != nil && apiequality.Semantic.DeepEqual(was.Object["spec"], o.Object["spec"]) {
		return ""
	}
	image, _, _ := unstructured.NestedString(o.Object, "spec", "image")
	spec, _, _ := unstructured.NestedMap(o.Object, "spec")
	for _, c := range past {
		if c.object.GetUID() != ref.UID {
			continue
		}
		serving, _, _ := unstructured.NestedMap(c.object.Object, "spec", "serving")
		delete(serving, "rollout")
		if o.GetLabels()[canary] != "" { // nothing but requests calls it, and it has a daprd of its own
			for _, part := range []string{"triggers", "bindings", "pubsub", "dapr"} {
				delete(serving, part)
			}
		}
		if serving == nil || !within(serving, spec) {
			continue
		}
		build, builds, _ := unstructured.NestedMap(c.object.Object, "spec", "build")
		if named, _, _ := unstructured.NestedString(c.object.Object, "spec", "image"); !builds && named == image {
			return ""
		}
		for _, key := range []string{"successfulBuildsHistoryLimit", "failedBuildsHistoryLimit", "builderMaxAge"} {
			delete(build, key)
		}
		for _, b := range past {
			of, _, _ := unstructured.NestedMap(b.object.Object, "spec")
			if b.object.GetKind() == "Builder" && builds && within(build, of) && strings.HasSuffix(image, "@"+Digest(b.object.GetName())) {
				return ""
			}
		}
	}
	return fmt.Sprintf("image %s and these settings are not of one version of the Function", image)
}

// onlyOurs tells that nobody but the controller of its Function has written the spec of a Serving.
func onlyOurs(o *unstructured.Unstructured) bool {
	return !slices.ContainsFunc(o.GetManagedFields(), func(entry metav1.ManagedFieldsEntry) bool {
		return entry.Manager != functionManager && entry.FieldsV1 != nil && strings.Contains(entry.FieldsV1.GetRawString(), `"f:spec"`)
	})
}

// within tells whether part is in whole: our controllers write more fields than users do, empty ones, and the same value otherwise.
func within(part, whole any) bool {
	switch part := part.(type) {
	case map[string]any:
		whole, _ := whole.(map[string]any)
		for key, value := range part {
			if !within(value, whole[key]) {
				return false
			}
		}
		return true
	case []any:
		whole, _ := whole.([]any)
		return slices.EqualFunc(part, whole, within)
	default:
		return apiequality.Semantic.DeepEqual(part, whole) || alike(fmt.Sprint(part), fmt.Sprint(whole))
	}
}

// alike tells that two texts are the same duration or the same quantity.
func alike(a, b string) bool {
	if x, err := time.ParseDuration(a); err == nil {
		y, err := time.ParseDuration(b)
		return err == nil && x == y
	}
	x, err := resource.ParseQuantity(a)
	if err != nil {
		return false
	}
	y, err := resource.ParseQuantity(b)
	return err == nil && x.Cmp(y) == 0
}
