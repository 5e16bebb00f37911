// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openfunction/openfunction/test/kit"
)

// guarded are the ways on which a controller goes wrong without any fault of the API: many fields of a kind at once, optional ones left out,
// limits, other people's objects, and hands that delete.
var guarded = []scenario{
	{
		name:  "create with everything",
		steps: []step{apply(function(image("v1"), onEvents("Function"), everything))},
	},
	{
		name:  "build the default branch",
		steps: []step{apply(function(image("v1"), build+"    srcRepo: {url: \"https://git.example.test/hello.git\"}\n", serving("100m")))},
	},
	{
		name: "keep as many builds as are asked for",
		steps: []step{
			{do: applying(function(image("v1"), kept(git("first")))), until: secondLater}, {do: applying(function(image("v1"), kept(git("second")))), until: secondLater},
			{do: applying(function(image("v1"), kept(git("third")))), until: secondLater}, {do: applying(function(image("v1"), kept(git("fourth")))), until: secondLater},
		},
	},
	{
		name:    "remove builds by age",
		patient: true,
		steps: []step{
			apply(function(image("v1"), aged(git("first")))), apply(function(image("v1"), aged(git("second")))),
			{do: nothingMore, until: oneBuilder},
		},
	},
	{
		name: "break the source and change cpu of a built function",
		steps: []step{
			apply(function(image("v1"), git("main"), serving("100m"))),
			apply(function(image("v1"), git(kit.WordBroken), serving("200m"))),
		},
	},
	{
		name:  "find the name of the token taken",
		taken: true,
		steps: []step{{do: applying(foreignToken), until: exists("Secret", "hello--app-token")}, apply(function(image("v1"), onEvents("Function")))},
	},
	{
		name:  "find a Builder of somebody else with our label",
		steps: []step{apply(strayBuilder), apply(function(image("v1"), git("main"), serving("100m")))},
	},
	{
		name: "find the child of a namesake",
		steps: []step{
			{do: childOfNamesake, until: exists("Deployment", "look-alike")}, apply(function(image("v1"), onKEDA())),
			apply(function(image("v2"), onKEDA())),
		},
	},
	{
		name: "keep what others added, through a change",
		steps: []step{
			apply(function(image("v1"), onKEDA())), {do: annotating("Deployment", "hello--http"), until: settled},
			{do: applying(function(image("v2"), onKEDA())), until: stillAnnotated("Deployment", "hello--http")},
		},
	},
	{
		name:    "lose every child, one by one",
		patient: true, // the Secret is seen with the next look
		hands:   true,
		again:   true,
		steps:   []step{apply(function(image("v1"), onEvents("Shared"), everything)), {do: losing, until: settled}},
	},
	{
		name:  "lose every child on KEDA's add-on, one by one", // nothing is looked at now and then
		hands: true,
		again: true,
		steps: []step{apply(function(image("v1"), onKEDA())), {do: losing, until: settled}},
	},
}

// everything is more than one of all that a user may give a function.
const everything = `    params: {FIRST: "1", SECOND: "2", THIRD: "3", FOURTH: "4", FIFTH: "5"}
    labels: {team: a, tier: b}
    annotations: {example.test/note: hello, example.test/other: there}
    states:
      cart: {spec: {type: state.redis, version: v1, metadata: [{name: redisHost, value: "redis:6379"}]}}
      book: {spec: {type: state.redis, version: v1, metadata: [{name: redisHost, value: "redis:6379"}]}}
`

// kept and aged limit the history of a build.
func kept(build string) string {
	return strings.Replace(build, "successfulBuildsHistoryLimit: 0", "successfulBuildsHistoryLimit: 2", 1)
}

func aged(build string) string {
	return strings.Replace(build, "successfulBuildsHistoryLimit: 0", "successfulBuildsHistoryLimit: 9\n    builderMaxAge: 1h", 1)
}

const foreignToken = `
apiVersion: v1
kind: Secret
metadata: {name: hello--app-token}
stringData: {token: canary-of-somebody-else}
`

// strayBuilder is a user's own. It has no strategy, so that it has an end.
const strayBuilder = `
apiVersion: core.openfunction.io/v1beta2
kind: Builder
metadata: {name: stray, labels: {openfunction.io/function: hello}}
spec:
  image: registry.example.test/stray:v1
  srcRepo: {url: "https://git.example.test/stray.git"}
  builder: registry.example.test/builder:v1
  shipwright: {strategy: {name: of-their-own}}
`

// childOfNamesake makes a Deployment with our labels, whose owner has the name of the function but is none of ours.
func childOfNamesake(r *run) error {
	if err := r.world.Apply(r, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hello}\n"); err != nil {
		return err
	}
	namesake := &metav1.PartialObjectMetadata{}
	namesake.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	if err := r.world.Get(r, "hello", namesake); err != nil {
		return err
	}
	return r.world.Apply(r, fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata:
  name: look-alike
  labels: {openfunction.io/managed: "true", openfunction.io/serving: hello, openfunction.io/run: openfuncsync}
  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: hello, uid: %s, controller: true}]
spec:
  replicas: 0
  selector: {matchLabels: {app: look-alike}}
  template:
    metadata: {labels: {app: look-alike}}
    spec: {containers: [{name: a, image: registry.example.test/look-alike}]}
`, namesake.UID))
}

// secondLater waits for a settled world and so long that the API server gives what comes next a later time: it counts in seconds.
func secondLater(r *run, was kit.Snapshot) error {
	defer time.Sleep(time.Second)
	return settled(r, was)
}

func nothingMore(*run) error { return nil }

func oneBuilder(r *run, _ kit.Snapshot) error {
	return r.reach("the older build to be removed", func() error {
		if n := len(r.world.Objects("Builder")); n != 1 {
			return fmt.Errorf("there are %d Builders", n)
		}
		return r.world.Unsettled()
	})
}

// note is what somebody else writes on one of our objects.
const note = "example.test/written-by-hand"

func annotating(kind, name string) func(*run) error {
	return func(r *run) error {
		for _, o := range r.world.Objects(kind) {
			if o.GetName() == name {
				return r.world.Client.Patch(r, o, client.RawPatch("application/merge-patch+json",
					[]byte(`{"metadata":{"annotations":{"`+note+`":"mine"},"labels":{"`+note+`":"mine"}}}`)))
			}
		}
		return fmt.Errorf("there is no %s %s", kind, name)
	}
}

func stillAnnotated(kind, name string) func(*run, kit.Snapshot) error {
	return func(r *run, was kit.Snapshot) error {
		if err := settled(r, was); err != nil {
			return err
		}
		for _, o := range r.world.Objects(kind) {
			if o.GetName() == name && o.GetAnnotations()[note] == "mine" && o.GetLabels()[note] == "mine" {
				return nil
			}
		}
		return diverges("foreign", "what somebody else wrote on %s %s is gone", kind, name)
	}
}

// losing deletes one after another all that our controllers made for the Serving, and waits each time until all is as before.
func losing(r *run) error {
	was := r.world.Snapshot()
	var errs []error
	for _, child := range r.world.All() {
		owner := metav1.GetControllerOf(child)
		if owner == nil || owner.Kind != "Serving" {
			continue
		}
		if err := r.world.Client.Delete(r, child.DeepCopy(), client.PropagationPolicy(metav1.DeletePropagationBackground)); err != nil {
			return fmt.Errorf("deleting %s %s: %w", child.GetKind(), child.GetName(), err)
		}
		err := r.reach(child.GetKind()+" "+child.GetName()+" to be there again", func() error { return isBack(r, child, was) })
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// isBack tells that the world is as it was, and the child another one than the one that was deleted.
func isBack(r *run, child *unstructured.Unstructured, was kit.Snapshot) error {
	if slices.ContainsFunc(r.world.All(), func(o *unstructured.Unstructured) bool { return o.GetUID() == child.GetUID() }) {
		return errors.New("it is not gone yet")
	}
	if is := r.world.Snapshot(); !maps.Equal(was, is) {
		return differs{was.Diff(is)}
	}
	return nil
}
