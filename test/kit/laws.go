// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openfunction/openfunction/pkg/status"
)

// CheckLaws returns every way in which a settled world breaks the laws, those that its end shows (CheckEnd) and those that only its story
// shows (CheckStory).
func (w *World) CheckLaws() error { return errors.Join(w.CheckStory(), w.CheckEnd()) }

// CheckBlind returns those that are broken although our controllers rightly believed for a while what was not so.
func (w *World) CheckBlind() error { return errors.Join(w.checkStory(transitions), w.CheckEnd()) }

// CheckEnd returns every way in which a settled world breaks the laws that can be seen in one picture: what
// conditions say (pkg/status), that nothing of ours is without a living owner, that no name was left to chance,
// that what a Serving says it is served by is there, and that what was built is served by digest.
func (w *World) CheckEnd() error {
	var broken []error
	objects := w.mirror.objects(w.Namespace)
	alive := byUID(objects)
	for _, o := range objects {
		complain := func(format string, args ...any) {
			broken = append(broken, fmt.Errorf("%s: %s", id(o), fmt.Sprintf(format, args...)))
		}
		if ours(o) {
			if err := w.checkConditions(o); err != nil {
				complain("%v", err)
			}
		}
		if why := collectable(o, alive); why != "" {
			complain("%s", why)
		}
		if metav1.GetControllerOf(o) == nil && o.GetLabels()[managed] != "" {
			complain("we made it and nobody owns it")
		}
		if o.GetGenerateName() != "" && !ofWorkload(o) {
			complain("its name was left to chance")
		}
		if what := missing(o, objects); what != "" {
			complain("it is Ready, and there is no %s", what)
		}
		if image := unpinned(o, alive); image != "" {
			complain("a built function is served by %q, not by digest", image)
		}
	}
	return errors.Join(broken...)
}

func byUID(objects []*unstructured.Unstructured) map[types.UID]*unstructured.Unstructured {
	alive := map[types.UID]*unstructured.Unstructured{}
	for _, o := range objects {
		alive[o.GetUID()] = o
	}
	return alive
}

// collectable says why the garbage collector is about to remove an object; empty means it is not. Pods take it a moment longer, and do not count.
func collectable(o *unstructured.Unstructured, alive map[types.UID]*unstructured.Unstructured) string {
	if owner := metav1.GetControllerOf(o); owner != nil && alive[owner.UID] == nil && !ofWorkload(o) {
		return fmt.Sprintf("its owner %s %s is gone", owner.Kind, owner.Name)
	}
	return ""
}

// managed is the label on everything our controllers make.
const managed = "openfunction.io/managed"

func (w *World) checkConditions(o *unstructured.Unstructured) error {
	typed, err := w.Scheme.New(o.GroupVersionKind())
	if err != nil {
		return err
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, typed); err != nil {
		return err
	}
	object, ok := typed.(status.Object)
	if !ok {
		return fmt.Errorf("%T has no conditions", typed)
	}
	return status.Check(object)
}

// mayServeOlder tells whether a Function serves another version than its current build, because it was rolled back or rolls out.
func mayServeOlder(function *unstructured.Unstructured) bool {
	return Field(function, "spec", "rollbackTo") != nil || Field(function, "status", "rollout") != nil
}

// servedBy are the kinds that the status of a Serving names its objects by.
var servedBy = map[string][]string{
	"serving.knative.dev/service": {"Service.serving.knative.dev"}, "http.keda.sh/httpscaledobject": {"HTTPScaledObject.http.keda.sh"},
	"http.keda.sh/deployment": {"Deployment.apps"}, "dapr-proxy": {"Deployment.apps", "StatefulSet.apps"},
	"Async/workload": {"Deployment.apps", "StatefulSet.apps", "DaemonSet.apps", "ScaledJob.keda.sh", "Job.batch"},
	"Async/scaler":   {"ScaledObject.keda.sh", "ScaledJob.keda.sh"}, "dapr.io/component": {"Component.dapr.io"},
}

// missing names an object by which a Serving that is Ready says it is served, and which is not there.
func missing(o *unstructured.Unstructured, objects []*unstructured.Unstructured) string {
	if !ours(o) || o.GetKind() != "Serving" || !isReady(o) {
		return ""
	}
	there := map[string]bool{}
	for _, other := range objects {
		there[id(other)] = true
	}
	references, _, _ := unstructured.NestedStringMap(o.Object, "status", "resourceRef")
	for _, key := range slices.Sorted(maps.Keys(references)) {
		for name := range strings.SplitSeq(references[key], ",") {
			if !slices.ContainsFunc(servedBy[key], func(kind string) bool { return there[kind+"/"+name] }) {
				return fmt.Sprintf("%s %q", key, name)
			}
		}
	}
	return ""
}

// unpinned is the image of a Serving whose Function has it built, unless it is the digest of the current build.
func unpinned(o *unstructured.Unstructured, alive map[types.UID]*unstructured.Unstructured) string {
	owner := metav1.GetControllerOf(o)
	if o.GetKind() != "Serving" || owner == nil || alive[owner.UID] == nil {
		return ""
	}
	function := alive[owner.UID]
	if _, built, _ := unstructured.NestedMap(function.Object, "spec", "build"); !built || condition(function, "Built") != "True" {
		return ""
	}
	image, _, _ := unstructured.NestedString(o.Object, "spec", "image")
	if mayServeOlder(function) && strings.Contains(image, "@sha256:") {
		return ""
	}
	builder, _, _ := unstructured.NestedString(function.Object, "status", "build", "resourceRef")
	if strings.HasSuffix(image, "@"+Digest(builder)) {
		return ""
	}
	return image
}
