// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// tell makes a story of manifests, one version each; "gone: true" ends an object.
func tell(t *testing.T, manifests ...string) *World {
	t.Helper()
	w := &World{Namespace: "here", mirror: &mirror{}}
	w.mirror.stories.begin(w.Namespace)
	for i, manifest := range manifests {
		o := &unstructured.Unstructured{}
		data, err := yaml.YAMLToJSON([]byte(manifest))
		must(t, err)
		must(t, o.UnmarshalJSON(data))
		gone := o.Object["gone"] == true
		o.SetNamespace(w.Namespace)
		o.SetResourceVersion(strings.Repeat("1", i+1))
		w.mirror.stories.add(o, gone)
	}
	return w
}

const (
	owned   = "ownerReferences: [{controller: true, apiVersion: core.openfunction.io/v1beta2, kind: Function, name: hello, uid: f}]"
	ofOwned = "ownerReferences: [{controller: true, apiVersion: core.openfunction.io/v1beta2, kind: Serving, name: hello, uid: s}]"
	header  = "apiVersion: core.openfunction.io/v1beta2\n"
)

func function(spec, status string) string {
	return header + "kind: Function\nmetadata: {name: hello, uid: f, generation: 2}\nspec: " + spec + "\nstatus: " + status
}

func serving(spec, status string) string {
	return header + "kind: Serving\nmetadata: {name: hello, uid: s, generation: 2, " + owned + "}\nspec: " + spec + "\nstatus: " + status
}

func copies(uid, status, more string) string {
	return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: " + uid + ", uid: " + uid + ", labels: {openfunction.io/run: a}, " + ofOwned + "}\nstatus: " + status + more
}

func ready(status, at string) string {
	return "{observedGeneration: 2, conditions: [{type: Ready, status: '" + status + "', lastTransitionTime: '" + at + "'}]}"
}

// spoken is a status whose condition speaks of a generation.
func spoken(generation string) string {
	return "{conditions: [{type: Ready, status: 'False', lastTransitionTime: '1', observedGeneration: " + generation + "}]}"
}

func TestLawsOfAStory(t *testing.T) {
	const serves, builds = "{image: a, serving: {port: 1}}", "{image: a, build: {builder: b}, serving: {port: 1}}"
	const gone = "\ngone: true"
	for name, test := range map[string]struct {
		story []string
		want  string
	}{
		"ReadyBeforeItsServing": {[]string{function(serves, "{}"), serving("{image: a, port: 1}", "{}"), function(serves, ready("True", "1"))}, "truth"},
		"ReadyAfterItsServing": {[]string{function(serves, "{}"), serving("{image: a, port: 1}", "{}"), serving("{image: a, port: 1}", ready("True", "1")),
			function(serves, ready("True", "1"))}, ""},
		"NewTimeWithoutTransition": {[]string{function("{}", ready("False", "1")), function("{}", ready("False", "2"))}, "transition"},
		"NewTimeWithTransition":    {[]string{function("{}", ready("False", "1")), function("{}", ready("True", "2"))}, ""},
		"TimeGoesBack":             {[]string{function("{}", ready("False", "2")), function("{}", ready("True", "1"))}, "transition"},
		"GenerationGoesBack":       {[]string{function("{}", spoken("2")), function("{}", spoken("1"))}, "transition"},
		"EmptiedBySomebody":        {[]string{function("{}", spoken("1")), function("{}", ready("Unknown", "0"))}, ""},
		"GenerationGoesOn":         {[]string{function("{}", spoken("1")), function("{}", spoken("2"))}, ""},
		"TakenAwayTooEarly": {[]string{function(serves, "{}"), serving("{image: a, port: 1}", "{}"), copies("x", "{availableReplicas: 1}", ""), copies("y", "{}", ""),
			copies("x", "{availableReplicas: 1}", gone)}, "gap"},
		"TakenAwayInTime": {[]string{function(serves, "{}"), serving("{image: a, port: 1}", "{}"), copies("x", "{availableReplicas: 1}", ""),
			copies("y", "{availableReplicas: 1}", ""), copies("x", "{availableReplicas: 1}", gone)}, ""},
		"TakenAwayBySomebody": {[]string{function(serves, "{}"), serving("{image: a, port: 1}", "{}"), copies("x", "{availableReplicas: 1}", ""),
			copies("x", "{availableReplicas: 1}", gone), copies("x", "{}", "")}, ""},
		"BuildDeletedAtWork": {[]string{function(builds, "{}"), header + "kind: Builder\nmetadata: {name: b, uid: b, " + owned + "}",
			header + "kind: Builder\nmetadata: {name: b, uid: b, " + owned + "}" + gone}, "record"},
		"ImageOfAnotherVersion": {[]string{function(serves, "{}"), serving("{image: other, port: 1}", "{}")}, "pair"},
		"SettingsOfAnotherVersion": {[]string{function(builds, "{}"), header + "kind: Builder\nmetadata: {name: b, uid: b, " + owned + "}\nspec: {builder: b}",
			serving("{image: 'a@"+Digest("b")+"', port: 2}", "{}")}, "pair"},
		"ImageOfItsBuild": {[]string{function(builds, "{}"), header + "kind: Builder\nmetadata: {name: b, uid: b, " + owned + "}\nspec: {builder: b}",
			serving("{image: 'a@"+Digest("b")+"', port: 1}", "{}")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			breaks(t, test.want, test.story...)
		})
	}
}

func TestAStoryThatMayLackSomethingIsNotJudged(t *testing.T) {
	w := tell(t, function("{}", ready("False", "1")), function("{}", ready("False", "2")))
	w.mirror.stories.tear()
	must(t, w.CheckStory())
}

// breaks fails the test unless a story breaks the law that is named, or none where none is.
func breaks(t *testing.T, law string, story ...string) {
	t.Helper()
	err := tell(t, story...).CheckStory()
	if law == "" && err != nil {
		t.Errorf("a story that keeps every law: %v", err)
	}
	if law != "" && (err == nil || !strings.HasPrefix(err.Error(), "law of "+law)) {
		t.Errorf("want the law of %s broken, got: %v", law, err)
	}
}
