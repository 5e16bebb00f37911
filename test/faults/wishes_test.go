// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"errors"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/test/kit"
)

// wishes are what users ask for beside the spec, or in more than one place, or that cannot be had at once; and neighbours.
var wishes = []scenario{
	{
		name: "ask for another token, twice",
		steps: []step{
			apply(function(image("v1"), onEvents("Function"))),
			{do: wishing(corev1beta2.RotateTokenAnnotation, "once"), until: tokenFor("once")},
			{do: func(r *run) error { return r.annotate("Secret hello--app-token", note, "mine") }, until: settled},
			{do: wishing(corev1beta2.RotateTokenAnnotation, "twice"), until: tokenFor("twice")},
		},
	},
	{
		name: "let a new version take over",
		steps: []step{
			apply(recorded(image("v1"), serving("100m"), inSteps("10", "50"))),
			{do: applying(recorded(image("v2"), serving("100m"), inSteps("10", "50"))), until: waitsAt(10)},
			{do: promoting(""), until: rolledOut},
		},
	},
	{
		name:  "let one version take over, and try the next",
		again: true, // a canary was there before
		steps: []step{
			apply(recorded(image("v1"), serving("100m"), inSteps("10", "50"))),
			{do: applying(recorded(image("v2"), serving("100m"), inSteps("10", "50"))), until: waitsAt(10)},
			{do: promoting(""), until: rolledOut},
			{do: applying(recorded(image("v3"), serving("100m"), inSteps("10", "50"))), until: waitsAt(10)},
		},
	},
	{
		name: "try a version that is slow to start",
		steps: []step{
			apply(recorded(image("v1"), serving("100m"), inSteps("10", "50"))),
			{do: applying(recorded(image(kit.WordSlow), serving("100m"), inSteps("10", "50"))), until: startsBeside},
		},
	},
	{
		name: "let a new version have more requests",
		steps: []step{
			apply(recorded(image("v1"), serving("100m"), inSteps("10", "50"))),
			{do: applying(recorded(image("v2"), serving("100m"), inSteps("10", "50"))), until: waitsAt(10)},
			{do: promoting("/2"), until: waitsAt(50)},
		},
	},
	{
		name: "keep as many versions as are asked for",
		steps: []step{
			apply(recorded(image("v1"), serving("100m"), "  revisionHistoryLimit: 1\n")),
			apply(recorded(image("v2"), serving("100m"), "  revisionHistoryLimit: 1\n")),
			apply(recorded(image("v3"), serving("100m"), "  revisionHistoryLimit: 1\n")),
		},
	},
	{
		name: "ask for what Kubernetes refuses, and mend it",
		steps: []step{
			apply(function(image("v1"), onKEDA(), limited("2", "1"))),
			apply(function(image("v1"), onKEDA(), limited("1", "2"))),
		},
		scratch: []string{function(image("v1"), onKEDA(), limited("1", "2"))},
	},
	{
		name: "build with a Secret that comes later",
		steps: []step{
			{do: applying(function(image("v1"), pushing, git("main"), serving("100m"))), until: isBecause(corev1beta2.SecretNotFoundReason)},
			apply(pushSecret),
		},
		scratch: []string{pushSecret, function(image("v1"), pushing, git("main"), serving("100m"))},
	},
	{
		name:  "set bounds in two places",
		steps: []step{apply(function(image("v1"), boundTwice))},
	},
	{
		name: "keep what others wrote on a build that is overtaken",
		steps: []step{
			{do: applying(function(image("v1"), remembering(git(kit.WordSlow)), serving("100m"))), until: building},
			{do: annotatingBuild, until: building},
			{do: applying(function(image("v1"), remembering(git("main")), serving("100m"))), until: buildStillAnnotated},
		},
	},
	{
		name:  "serve two functions side by side",
		steps: []step{apply(named(longName+"-first", function(image("v1"), git("main"), onKEDA())) + "---\n" + named(longName+"-second", function(image("v1"), git("main"), onKEDA(), "    scaleOptions: {minReplicas: 1}\n")))},
	},
	{
		name:      "serve beside a namesake in another namespace",
		neighbour: function(image(kit.WordBroken), onKEDA()),
		steps:     []step{apply(function(image("v1"), git("main"), onKEDA()))},
	},
	{
		name:    "delete in the foreground",
		steps:   []step{apply(function(image("v1"), git("main"), onKEDA())), {do: deletingInForeground, until: empty}},
		scratch: []string{},
	},
	{
		name:    "delete in the foreground while something holds on to it",
		steps:   []step{apply(function(image("v1"), git("main"), serving("100m"))), {do: heldWhileDeleted, until: empty}},
		scratch: []string{},
	},
}

// wishing writes an annotation on the function.
func wishing(key, value string) func(*run) error {
	return func(r *run) error {
		return r.annotate("Function hello", key, value)
	}
}

func (r *run) annotate(object, key, value string) error {
	for _, o := range r.world.All() {
		if o.GetKind()+" "+o.GetName() == object {
			return r.patch(o, "", map[string]any{"metadata": map[string]any{"annotations": map[string]any{key: value}}})
		}
	}
	return fmt.Errorf("there is no %s", object)
}

// tokenFor waits until the token was made for a wish.
func tokenFor(wish string) func(*run, kit.Snapshot) error {
	return func(r *run, _ kit.Snapshot) error {
		return r.reach("another token", func() error {
			for _, o := range r.world.Objects("Secret") {
				if is := o.GetAnnotations()[corev1beta2.RotateTokenAnnotation]; is != wish {
					return fmt.Errorf("Secret %s is for the wish %q", o.GetName(), is)
				}
			}
			return r.world.Unsettled()
		})
	}
}

// promoting allows the version that is tried what the user wishes for it: "" to take over, "/2" the second step.
func promoting(step string) func(*run) error {
	return func(r *run) error {
		for _, f := range r.world.Objects("Function") {
			if tried, is := kit.Field(f, "status", "rollout", "revision").(string); is {
				return r.annotate("Function "+f.GetName(), corev1beta2.PromoteAnnotation, tried+step)
			}
		}
		return errors.New("no version is tried")
	}
}

// waitsAt waits until a new version has so many percent of the requests, and both versions serve.
func waitsAt(percent int64) func(*run, kit.Snapshot) error {
	return func(r *run, _ kit.Snapshot) error {
		return r.reach("a new version with a share", func() error {
			for _, f := range r.world.Objects("Function") {
				if is := kit.Field(f, "status", "rollout", "percent"); is != percent || kit.Reason(f, "Ready") != corev1beta2.WaitingForPromotionReason {
					return fmt.Errorf("the rollout is %q with %v %%", kit.Reason(f, "Ready"), is)
				}
			}
			servings := r.world.Objects("Serving")
			for _, s := range servings {
				if observed := kit.Field(s, "status", "observedGeneration"); observed != s.GetGeneration() || kit.Reason(s, "Ready") != corev1beta2.RunningReason {
					return fmt.Errorf("%s is %q", s.GetName(), kit.Reason(s, "Ready"))
				}
			}
			if len(servings) != 2 {
				return fmt.Errorf("there are %d Servings", len(servings))
			}
			return nil
		})
	}
}

// startsBeside waits until a new version is seen to start beside the current one.
func startsBeside(r *run, _ kit.Snapshot) error {
	return r.reach("a version that starts", func() error {
		for _, s := range r.world.Objects("Serving") {
			if observed := kit.Field(s, "status", "observedGeneration"); observed != s.GetGeneration() {
				return fmt.Errorf("%s was not looked at", s.GetName())
			}
		}
		return isBecauseOf(r, corev1beta2.RollingOutReason)
	})
}

// isBecause waits until every function has a reason not to be ready.
func isBecause(reason string) func(*run, kit.Snapshot) error {
	return func(r *run, _ kit.Snapshot) error {
		return r.reach(reason, func() error { return isBecauseOf(r, reason) })
	}
}

func isBecauseOf(r *run, reason string) error {
	for _, f := range r.world.Objects("Function") {
		if is := kit.Reason(f, "Ready"); is != reason {
			return fmt.Errorf("it is %q", is)
		}
	}
	return nil
}

func limited(request, limit string) string {
	return "    template: {containers: [{name: function, resources: {requests: {cpu: " + request + "}, limits: {cpu: " + limit + "}}}]}\n"
}

const pushing = "  imageCredentials: {name: push}\n"

const pushSecret = `
apiVersion: v1
kind: Secret
metadata: {name: push}
type: kubernetes.io/dockerconfigjson
stringData: {.dockerconfigjson: '{"auths": {"registry.example.test": {"auth": "Y2FuYXJ5OmNhbmFyeQ=="}}}'}
`

const boundTwice = `  serving:
    scaleOptions:
      minReplicas: 1
      maxReplicas: 9
      keda: {scaledObject: {minReplicaCount: 2, maxReplicaCount: 5}, triggers: [{type: redis, metadata: {listName: a}}]}
` + probed

// remembering keeps a build that did not succeed.
func remembering(build string) string {
	return strings.Replace(build, "failedBuildsHistoryLimit: 0", "failedBuildsHistoryLimit: 1", 1)
}

func annotatingBuild(r *run) error {
	for _, b := range r.world.Objects("Builder") {
		return r.annotate("Builder "+b.GetName(), note, "mine")
	}
	return errors.New("there is no Builder")
}

func buildStillAnnotated(r *run, was kit.Snapshot) error {
	if err := settled(r, was); err != nil {
		return err
	}
	for _, b := range r.world.Objects("Builder") {
		if b.GetAnnotations()[note] == "mine" {
			return nil
		}
	}
	return diverges("foreign", "what somebody else wrote on a Builder is gone")
}

// longName is so long that the names of children are cut, and the same in names that only end differently.
const longName = "a-function-whose-name-is-so-long-that-it-is-cut"

func named(name, function string) string {
	return strings.Replace(function, "{name: hello}", "{name: "+name+"}", 1)
}

// deletingInForeground is kubectl delete --cascade=foreground: the function stays until all its dependents are gone.
func deletingInForeground(r *run) error {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(kindOf("Function"))
	o.SetNamespace(r.world.Namespace)
	o.SetName("hello")
	return client.IgnoreNotFound(r.world.Client.Delete(r, o, client.PropagationPolicy(metav1.DeletePropagationForeground)))
}

// heldWhileDeleted deletes a function that somebody's finalizer keeps for a while after its dependents have gone.
func heldWhileDeleted(r *run) error {
	hold := func(finalizers string) error {
		for _, f := range r.world.Objects("Function") {
			patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":`+finalizers+`}}`))
			return client.IgnoreNotFound(r.world.Client.Patch(r, f, patch, client.FieldOwner("somebody")))
		}
		return nil
	}
	if err := hold(`["example.test/holds"]`); err != nil {
		return err
	}
	if err := deletingInForeground(r); err != nil {
		return err
	}
	if err := r.reach("its dependents to go", func() error {
		if left := r.world.Objects("Serving"); len(left) > 0 {
			return fmt.Errorf("%d are left", len(left))
		}
		return nil
	}); err != nil {
		return err
	}
	if _, err := r.rest(pause); err != nil {
		return err
	}
	if left := r.world.Objects("Serving"); len(left) > 0 {
		return diverges("deleted", "a Serving was made for a Function that is being deleted")
	}
	return hold("null")
}
