// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/test/kit"
)

// scenario is a way a user goes, step by step, each step waiting for its result. Crashes fall on the last step: what
// comes before is the last step of another scenario.
type scenario struct {
	name  string
	steps []step
	// scratch are the manifests that lead to the same end at once; none when the end is about the path itself.
	scratch []string
	// neighbour is a manifest for another namespace that the managers look at too. Its objects have come to rest when the first step is done.
	neighbour string
	// patient tells that it is about something that takes its time.
	patient bool
	// taken tells that somebody else has a name that we want. Where the API server says that there is no such object, it is believed.
	taken bool
	// hands tells that the user does something in many commands, which cannot be done once more when one of them fails.
	hands bool
	// again tells that the user asks for something a second time, so that it is rightly made a second time.
	again bool
}

// isPath tells that the end is about the path that led there, so that it cannot be reached again once something of it is lost.
func (s scenario) isPath() bool { return s.scratch == nil && len(s.steps) > 1 }

// step is what a user does and what the user then waits for, knowing what the world was before.
type step struct {
	// manifest is what is applied, where that is all that is done.
	manifest string

	do    func(*run) error
	until func(r *run, was kit.Snapshot) error
}

var scenarios = slices.Concat([]scenario{
	{
		name:  "create from an image",
		steps: []step{apply(function(image("v1"), serving("100m")))},
	},
	{
		name:  "create with a build from git",
		steps: []step{apply(function(image("v1"), git("main"), serving("100m")))},
	},
	{
		name:  "create with a build from inline source",
		steps: []step{apply(function(image("v1"), inline("package main"), serving("100m")))},
	},
	{
		name:  "create with a build only",
		steps: []step{apply(function(image("v1"), git("main")))},
	},
	{
		name:    "change the image",
		steps:   []step{apply(function(image("v1"), serving("100m"))), apply(function(image("v2"), serving("100m")))},
		scratch: []string{function(image("v2"), serving("100m"))},
	},
	{
		name:    "change the scale",
		steps:   []step{apply(function(image("v1"), serving("100m"))), apply(function(image("v1"), serving("100m"), atLeast(2)))},
		scratch: []string{function(image("v1"), serving("100m"), atLeast(2))},
	},
	{
		name:    "change cpu of a built function",
		steps:   []step{apply(function(image("v1"), git("main"), serving("100m"))), apply(function(image("v1"), git("main"), serving("200m")))},
		scratch: []string{function(image("v1"), git("main"), serving("200m"))},
	},
	{
		name: "take a setting out again",
		steps: []step{
			apply(function(image("v1"), serving("100m"), "    params: {GREETING: hello}\n    labels: {team: a}\n")),
			apply(function(image("v1"), serving("100m"))),
		},
		scratch: []string{function(image("v1"), serving("100m"))},
	},
	{
		name:    "change the source of a built function",
		steps:   []step{apply(function(image("v1"), git("main"), serving("100m"))), apply(function(image("v1"), git("next"), serving("100m")))},
		scratch: []string{function(image("v1"), git("next"), serving("100m"))},
	},
	{
		name: "change the source while it builds",
		steps: []step{
			{do: applying(function(image("v1"), git(kit.WordSlow), serving("100m"))), until: building},
			apply(function(image("v1"), git("main"), serving("100m"))),
		},
		scratch: []string{function(image("v1"), git("main"), serving("100m"))},
	},
	{
		name:    "mend a failed build",
		steps:   []step{apply(function(image("v1"), git(kit.WordBroken), serving("100m"))), apply(function(image("v1"), git("main"), serving("100m")))},
		scratch: []string{function(image("v1"), git("main"), serving("100m"))},
	},
	{
		name:    "mend a build that ran into its timeout",
		steps:   []step{apply(function(image("v1"), git(kit.WordLate), serving("100m"))), apply(function(image("v1"), git("main"), serving("100m")))},
		scratch: []string{function(image("v1"), git("main"), serving("100m"))},
	},
	{
		name:  "break the source of a built function",
		steps: []step{apply(function(image("v1"), git("main"), serving("100m"))), apply(function(image("v1"), git(kit.WordBroken), serving("100m")))},
	},
	{
		name: "cancel a build",
		steps: []step{
			{do: applying(function(image("v1"), git(kit.WordSlow), serving("100m"))), until: building},
			{do: cancelBuild, until: settled},
		},
	},
	{
		name:  "come back to a source whose build was overtaken",
		again: true,
		steps: []step{
			{do: applying(function(image("v1"), git(kit.WordSlow), serving("100m"))), until: building},
			apply(function(image("v1"), git("main"), serving("100m"))),
			{do: applying(function(image("v1"), git(kit.WordSlow), serving("100m"))), until: building},
			apply(function(image("v1"), git("main"), serving("100m"))),
		},
		scratch: []string{function(image("v1"), git("main"), serving("100m"))},
	},
	{
		name:    "remove the build",
		steps:   []step{apply(function(image("v1"), git("main"), serving("100m"))), apply(function(image("v1"), serving("100m")))},
		scratch: []string{function(image("v1"), serving("100m"))},
	},
	{
		name:    "remove the serving",
		steps:   []step{apply(function(image("v1"), git("main"), serving("100m"))), apply(function(image("v1"), git("main")))},
		scratch: []string{function(image("v1"), git("main"))},
	},
	{
		name:    "build the same source again",
		steps:   []step{apply(function(image("v1"), git("main"), serving("100m"))), {do: applying(rebuilt(function(image("v1"), git("main"), serving("100m")))), until: otherObjects}},
		scratch: []string{rebuilt(function(image("v1"), git("main"), serving("100m")))},
	},
	{
		name:    "mend a version that does not start",
		steps:   []step{apply(function(image(kit.WordBroken), serving("100m"))), apply(function(image("v2"), serving("100m")))},
		scratch: []string{function(image("v2"), serving("100m"))},
	},
	{
		name:  "break a version that serves",
		steps: []step{apply(function(image("v1"), serving("100m"))), apply(function(image(kit.WordBroken), serving("100m")))},
	},
	{
		name:  "find the name taken",
		taken: true,
		steps: []step{{do: applying(foreign), until: exists("Service", "hello")}, apply(function(image("v1"), serving("100m")))},
	},
	{
		name:  "find the name of the Knative Service taken",
		taken: true,
		steps: []step{{do: applying(foreignRun), until: exists("Service", "hello--knative")}, apply(function(image("v1"), serving("100m")))},
	},
	{
		name:    "delete",
		steps:   []step{apply(function(image("v1"), inline("package main"), serving("100m"))), {do: deleting("Function", "hello"), until: empty}},
		scratch: []string{},
	},
	{
		name:  "create on KEDA's add-on",
		steps: []step{apply(function(image("v1"), onKEDA()))},
	},
	{
		name:  "create for events, with an agent",
		steps: []step{apply(function(image("v1"), onEvents("Function")))},
	},
	{
		name:  "create for events, with daprd in the pods",
		steps: []step{apply(function(image("v1"), onEvents("Sidecar")))},
	},
	{
		name:  "create for events, with a daprd of its own",
		steps: []step{apply(function(image("v1"), onEvents("Shared")))},
	},
	{
		name:    "change from Jobs to a StatefulSet",
		steps:   []step{apply(function(image("v1"), onQueue("Job", 0))), apply(function(image("v1"), onQueue("StatefulSet", 0)))},
		scratch: []string{function(image("v1"), onQueue("StatefulSet", 0))},
	},
	{
		name:    "change the image on KEDA's add-on",
		steps:   []step{apply(function(image("v1"), onKEDA())), apply(function(image("v2"), onKEDA()))},
		scratch: []string{function(image("v2"), onKEDA())},
	},
	{
		name:    "change the scale on KEDA's add-on",
		steps:   []step{apply(function(image("v1"), onKEDA())), apply(function(image("v1"), onKEDA(), atLeast(2)))},
		scratch: []string{function(image("v1"), onKEDA(), atLeast(2))},
	},
	{
		name:    "mend a version on KEDA's add-on that does not start",
		steps:   []step{apply(function(image(kit.WordBroken), onKEDA())), apply(function(image("v2"), onKEDA()))},
		scratch: []string{function(image("v2"), onKEDA())},
	},
	{
		name:    "remove the serving on KEDA's add-on",
		steps:   []step{apply(function(image("v1"), git("main"), onKEDA())), apply(function(image("v1"), git("main")))},
		scratch: []string{function(image("v1"), git("main"))},
	},
	{
		name:    "delete a function on KEDA's add-on",
		steps:   []step{apply(function(image("v1"), onKEDA())), {do: deleting("Function", "hello"), until: empty}},
		scratch: []string{},
	},
	{
		name:    "change the image of a function for events",
		steps:   []step{apply(function(image("v1"), onEvents("Function"))), apply(function(image("v2"), onEvents("Function")))},
		scratch: []string{function(image("v2"), onEvents("Function"))},
	},
	{
		name:    "remove the serving for events",
		steps:   []step{apply(function(image("v1"), git("main"), onEvents("Function"))), apply(function(image("v1"), git("main")))},
		scratch: []string{function(image("v1"), git("main"))},
	},
	{
		name:    "serve again after the serving was removed",
		steps:   []step{apply(function(image("v1"), git("main"), serving("100m"))), apply(function(image("v1"), git("main"))), apply(function(image("v1"), git("main"), serving("100m")))},
		scratch: []string{function(image("v1"), git("main"), serving("100m"))},
		again:   true,
	},
	{
		name:    "mend a scaler that KEDA refuses",
		steps:   []step{apply(function(image("v1"), strings.Replace(onQueue("Deployment", 0), "listName: a", "listName: "+kit.WordRefused, 1))), apply(function(image("v1"), onQueue("Deployment", 0)))},
		scratch: []string{function(image("v1"), onQueue("Deployment", 0))},
	},
	{
		name:    "mend a version for events that does not start",
		steps:   []step{apply(function(image(kit.WordBroken), onQueue("Deployment", 0))), apply(function(image("v2"), onQueue("Deployment", 0)))},
		scratch: []string{function(image("v2"), onQueue("Deployment", 0))},
	},
	{
		name:    "change the scale of a function for events",
		steps:   []step{apply(function(image("v1"), onQueue("Deployment", 0))), apply(function(image("v1"), onQueue("Deployment", 2)))},
		scratch: []string{function(image("v1"), onQueue("Deployment", 2))},
	},
	{
		name:    "move from Knative to KEDA's add-on",
		steps:   []step{apply(function(image("v1"), serving("100m"))), apply(function(image("v1"), onKEDA()))},
		scratch: []string{function(image("v1"), onKEDA())},
	},
	{
		name:    "move from KEDA's add-on to Knative",
		steps:   []step{apply(function(image("v1"), onKEDA())), apply(function(image("v1"), serving("100m")))},
		scratch: []string{function(image("v1"), serving("100m"))},
	},
	{
		name:    "move from KEDA's add-on to events",
		steps:   []step{apply(function(image("v1"), onKEDA())), apply(function(image("v1"), onEvents("Function")))},
		scratch: []string{function(image("v1"), onEvents("Function"))},
	},
	{
		name:    "move from events to Knative",
		steps:   []step{apply(function(image("v1"), onEvents("Function"))), apply(function(image("v1"), serving("100m")))},
		scratch: []string{function(image("v1"), serving("100m"))},
	},
	{
		name:    "move daprd from the agent into the pods",
		steps:   []step{apply(function(image("v1"), onEvents("Function"))), apply(function(image("v1"), onEvents("Sidecar")))},
		scratch: []string{function(image("v1"), onEvents("Sidecar"))},
	},
	{
		name:    "delete a function for events",
		steps:   []step{apply(function(image("v1"), onEvents("Function"))), {do: deleting("Function", "hello"), until: empty}},
		scratch: []string{},
	},
	{
		name:  "change the image, with a history",
		steps: []step{apply(recorded(image("v1"), serving("100m"))), apply(recorded(image("v2"), serving("100m")))},
	},
	{
		name: "roll back",
		steps: []step{
			apply(recorded(image("v1"), serving("100m"))),
			apply(recorded(image("v2"), serving("200m"))),
			apply(recorded(image("v2"), serving("200m"), "  rollbackTo: 1\n")),
		},
	},
	{
		name: "roll back and forward again",
		steps: []step{
			apply(recorded(image("v1"), serving("100m"))),
			apply(recorded(image("v2"), serving("100m"))),
			apply(recorded(image("v2"), serving("100m"), "  rollbackTo: 1\n")),
			apply(recorded(image("v2"), serving("100m"))),
		},
	},
	{
		name:  "roll back to what there never was",
		steps: []step{apply(recorded(image("v1"), serving("100m"))), apply(recorded(image("v2"), serving("100m"), "  rollbackTo: 9\n"))},
	},
	{
		name: "roll out in steps",
		steps: []step{
			apply(function(image("v1"), serving("100m"), inSteps("10/1s", "50/1s"))),
			{do: applying(function(image("v2"), serving("100m"), inSteps("10/1s", "50/1s"))), until: rolledOut},
		},
		scratch: []string{function(image("v2"), serving("100m"), inSteps("10/1s", "50/1s"))},
	},
	{
		name: "roll out a version that does not start",
		steps: []step{
			apply(recorded(image("v1"), serving("100m"), inSteps("10"))),
			apply(recorded(image(kit.WordBroken), serving("100m"), inSteps("10"))),
		},
	},
	{
		name: "roll back while a new version is tried",
		steps: []step{
			apply(recorded(image("v1"), serving("100m"), inSteps("10"))),
			{do: applying(recorded(image("v2"), serving("100m"), inSteps("10"))), until: tried},
			{do: applying(recorded(image("v2"), serving("100m"), inSteps("10"), "  rollbackTo: 1\n")), until: rolledOut},
		},
	},
	{
		name: "delete while a new version is tried",
		steps: []step{
			apply(recorded(image("v1"), serving("100m"), inSteps("10"))),
			{do: applying(recorded(image("v2"), serving("100m"), inSteps("10"))), until: tried},
			{do: deleting("Function", "hello"), until: empty},
		},
		scratch: []string{},
	},
	{
		name: "a Builder alone",
		steps: []step{apply(`
apiVersion: core.openfunction.io/v1beta2
kind: Builder
metadata: {name: alone}
spec:
  image: registry.example.test/alone:v1
  builder: registry.example.test/builder:v1
  srcRepo: {url: "https://git.example.test/alone.git", revision: main}
`)},
	},
	{
		name:    "a Serving alone, changed",
		steps:   []step{apply(servingAlone("v1")), apply(servingAlone("v2"))},
		scratch: []string{servingAlone("v2")},
	},
	{
		name:    "a share of the requests for another Serving",
		steps:   []step{apply(servingAlone("v1") + "---\n" + other), apply(servingAlone("v1") + "  split: {serving: other, percent: 10}\n")},
		scratch: []string{other + "---\n" + servingAlone("v1") + "  split: {serving: other, percent: 10}\n"},
	},
}, guarded, wishes, entrances)

// function is a Function named hello with the given parts of its spec. It keeps no history, so that nothing of the path is left.
func function(parts ...string) string {
	return recorded(append(parts, "  revisionHistoryLimit: 0\n")...)
}

// recorded is the same with the history that is kept when the spec does not say.
func recorded(parts ...string) string {
	return "apiVersion: core.openfunction.io/v1beta2\nkind: Function\nmetadata: {name: hello}\nspec:\n" + strings.Join(parts, "")
}

func image(tag string) string { return "  image: registry.example.test/team/hello:" + tag + "\n" }

// build keeps no history, so that nothing of the path is left.
const build = `  build:
    builder: registry.example.test/builder:v1
    successfulBuildsHistoryLimit: 0
    failedBuildsHistoryLimit: 0
`

func git(revision string) string {
	return build + "    srcRepo: {url: \"https://git.example.test/hello.git\", revision: " + revision + "}\n"
}

func inline(file string) string {
	return build + "    source: {inline: {main.go: \"" + file + "\"}}\n"
}

func serving(cpu string) string {
	return "  serving:\n    triggers: {http: {port: 8080}}\n    template: {containers: [{name: function, resources: {requests: {cpu: " + cpu + "}}}]}\n"
}

// atLeast keeps so many copies. It goes right after the serving.
func atLeast(copies int) string { return fmt.Sprintf("    scaleOptions: {minReplicas: %d}\n", copies) }

// inSteps is a rollout, each step a percentage and perhaps a pause, as in 10/1s. It goes right after serving.
func inSteps(steps ...string) string {
	text := "    rollout: {steps: ["
	for _, step := range steps {
		percent, pause, _ := strings.Cut(step, "/")
		text += "{percent: " + percent
		if pause != "" {
			text += ", pause: " + pause
		}
		text += "}, "
	}
	return text + "]}\n"
}

// onKEDA serves through KEDA's HTTP add-on.
func onKEDA() string { return "  serving:\n    triggers: {http: {port: 8080, engine: keda}}\n" }

// probed says when a copy is ready, so that it need not run for a while to count.
const probed = "    template: {containers: [{name: function, readinessProbe: {exec: {command: [ready]}}}]}\n"

// onEvents serves events of a Dapr binding, with daprd where the mode says.
func onEvents(mode string) string {
	return "  serving:\n    triggers: {dapr: [{name: in}]}\n    scaleOptions: {maxReplicas: 3}\n    dapr: {mode: " + mode + "}\n" +
		"    bindings: {in: {type: bindings.cron, version: v1, metadata: [{name: schedule, value: '@every 1s'}]}}\n" + probed
}

// onQueue serves events that the function fetches itself, with at least so many copies.
func onQueue(workload string, least int) string {
	return fmt.Sprintf("  serving:\n    workloadType: %s\n    scaleOptions: {minReplicas: %d, keda: {triggers: [{type: redis, metadata: {listName: a}}]}}\n", workload, least) + probed
}

func rebuilt(function string) string {
	return strings.Replace(function, "{name: hello}", "{name: hello, annotations: {openfunction.io/rebuild: again}}", 1)
}

func servingAlone(tag string) string {
	return `
apiVersion: core.openfunction.io/v1beta2
kind: Serving
metadata: {name: alone}
spec:
  image: registry.example.test/alone:` + tag + `
  triggers: {http: {port: 8080}}
`
}

// other is a Serving on the other engine, for a share of the requests.
const other = `
apiVersion: core.openfunction.io/v1beta2
kind: Serving
metadata: {name: other}
spec:
  image: registry.example.test/other:v1
  triggers: {http: {port: 8080, engine: keda}}
`

// foreign is an object of somebody else for which Knative takes the name that our controllers want.
const foreign = `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello}
spec: {template: {spec: {containers: [{image: registry.example.test/foreign}]}}}
`

// foreignRun is one that has the name of what serves.
const foreignRun = `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello--knative}
spec: {template: {spec: {containers: [{image: registry.example.test/foreign}]}}}
`

// apply is the step of most scenarios.
func apply(manifest string) step {
	return step{manifest: manifest, do: applying(manifest), until: settled}
}

func applying(manifest string) func(*run) error {
	return func(r *run) error {
		return r.world.Apply(r, strings.ReplaceAll(manifest, "$NAMESPACE", r.world.Namespace))
	}
}

// deleting deletes as a user does who goes on until it is gone: what was asked for and not answered may have been done.
func deleting(kind, name string) func(*run) error {
	return func(r *run) error { return client.IgnoreNotFound(r.world.Delete(r, kindOf(kind), name)) }
}

func kindOf(kind string) schema.GroupVersionKind { return corev1beta2.GroupVersion.WithKind(kind) }

// cancelBuild is what a user does to stop the one build there is.
func cancelBuild(r *run) error {
	builders := r.world.Objects("Builder")
	if len(builders) != 1 {
		return fmt.Errorf("there are %d Builders, not one", len(builders))
	}
	return r.world.Client.Patch(r, builders[0], client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"state":"Cancelled"}}`)))
}

func settled(r *run, _ kit.Snapshot) error { return r.settled() }

// tried waits until a new version has requests beside the current one.
func tried(r *run, _ kit.Snapshot) error {
	return r.reach("a new version with requests", func() error {
		for _, f := range r.world.Objects("Function") {
			if reason := kit.Reason(f, "Ready"); reason != corev1beta2.WaitingForPromotionReason {
				return fmt.Errorf("the rollout is %q", reason)
			}
		}
		return nil
	})
}

// rolledOut waits until one Serving is left, and the world has settled.
func rolledOut(r *run, _ kit.Snapshot) error {
	return r.reach("one Serving", func() error {
		if n := len(r.world.Objects("Serving")); n != 1 {
			return fmt.Errorf("there are %d", n)
		}
		return r.world.Unsettled()
	})
}

// otherObjects waits for a settled world with other objects than before; a change of metadata alone shows in no generation.
func otherObjects(r *run, was kit.Snapshot) error {
	return r.reach("other objects", func() error {
		if slices.Equal(slices.Sorted(maps.Keys(r.world.Snapshot())), slices.Sorted(maps.Keys(was))) {
			return errors.New("they are the same")
		}
		return r.world.Unsettled()
	})
}

// building waits until one build runs and is shown to run, and everything else has ended.
func building(r *run, _ kit.Snapshot) error {
	return r.reach("a running build", func() error {
		functions := r.world.Objects("Function")
		for _, f := range functions {
			if state, _ := kit.Field(f, "status", "build", "reason").(string); state != corev1beta2.BuildingReason {
				return fmt.Errorf("the build is in the state %q", state)
			}
		}
		if len(functions) != 1 {
			return fmt.Errorf("there are %d Functions", len(functions))
		}
		return nil
	})
}

// exists waits until an object is there, and the world has settled with it.
func exists(kind, name string) func(*run, kit.Snapshot) error {
	return func(r *run, _ kit.Snapshot) error {
		return r.reach(kind+" "+name, func() error {
			for _, o := range r.world.Objects(kind) {
				if o.GetName() == name {
					return r.world.Unsettled()
				}
			}
			return errors.New("it is not there")
		})
	}
}

func empty(r *run, _ kit.Snapshot) error {
	return r.reach("an empty world", func() error {
		if left := r.world.Snapshot(); len(left) > 0 {
			return fmt.Errorf("there is still:\n%s", left)
		}
		return nil
	})
}
