// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"fmt"
	"strings"
	"testing"
)

func TestLawsOfServing(t *testing.T) {
	const inSteps = "{image: a, serving: {port: 1, rollout: {steps: [{percent: 10, pause: 5s}, {percent: 50}]}}}"
	isAt := func(step, percent int) string {
		return fmt.Sprintf("{rollout: {step: %d, percent: %d}}", step, percent)
	}
	trial := func(step int, since string) string {
		return header + "kind: Serving\nmetadata: {name: trial, uid: t, generation: 2, labels: {openfunction.io/canary: 'true'}, annotations: {openfunction.io/rollout: '" +
			fmt.Sprintf(`{"revision":"hello-1","step":%d,"since":"2026-01-01T00:00:%sZ"}`, step, since) + "'}, " + owned + "}\nspec: {image: a, port: 1}"
	}
	readyTrial := trial(1, "01.000000") + "\nstatus: " + ready("True", "1")
	allowed := strings.Replace(function(inSteps, "{}"), "generation: 2", "generation: 2, annotations: {openfunction.io/promote: hello-1/2}", 1)
	const runs = "\nspec: {template: {metadata: {labels: {openfunction.io/template-hash: one}}}}"
	pod := func(version, ready string) string {
		return "apiVersion: v1\nkind: Pod\nmetadata: {name: p, uid: p, labels: {openfunction.io/template-hash: " + version + "}}\nstatus: {conditions: [{type: Ready, status: '" + ready + "'}]}"
	}
	isReady := strings.Replace(ready("True", "1"), "{", "{resourceRef: {Async/workload: x}, ", 1)
	const component = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: c, uid: c, " + ofOwned + "}"
	of := serving("{image: a, port: 1}", "{}")
	const serves = "{image: a, serving: {port: 1}}"
	for name, test := range map[string]struct {
		story []string
		want  string
	}{
		"ShareOfTheStep":    {[]string{function(inSteps, "{}"), readyTrial, function(inSteps, isAt(1, 10))}, ""},
		"ShareOfTheNext":    {[]string{function(inSteps, "{}"), readyTrial, function(inSteps, isAt(1, 50))}, "steps"},
		"ShareTooEarly":     {[]string{function(inSteps, "{}"), trial(1, "01.000000"), function(inSteps, isAt(1, 10))}, "steps"},
		"PauseOver":         {[]string{function(inSteps, "{}"), trial(1, "01.000000"), trial(2, "06.000000")}, ""},
		"PauseNotOver":      {[]string{function(inSteps, "{}"), trial(1, "01.000000"), trial(2, "05.900000")}, "steps"},
		"PauseCutByTheUser": {[]string{allowed, trial(1, "01.000000"), trial(2, "02.000000")}, ""},
		"ReadyAfterItsPod": {[]string{function(serves, "{}"), of, copies("x", "{}", runs), pod("one", "True"), serving("{image: a, port: 1}", isReady)},
			""},
		"ReadyBeforeItsPod": {[]string{function(serves, "{}"), of, copies("x", "{}", runs), pod("one", "False"), serving("{image: a, port: 1}", isReady)},
			"started"},
		"ReadyByAnOlderPod": {[]string{function(serves, "{}"), of, copies("x", "{}", runs), pod("older", "True"), serving("{image: a, port: 1}", isReady)},
			"started"},
		"ComponentFirst": {[]string{function(serves, "{}"), of, component, copies("x", "{}", "")}, ""},
		"ComponentBack": {[]string{function(serves, "{}"), of, component, copies("x", "{}", ""), component + "\ngone: true", strings.Replace(component, "uid: c,", "uid: d,", 1)},
			""},
		"ComponentLate": {[]string{function(serves, "{}"), of, copies("x", "{}", ""), component}, "order"},
	} {
		t.Run(name, func(t *testing.T) {
			breaks(t, test.want, test.story...)
		})
	}
}
