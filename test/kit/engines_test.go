// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"testing"

	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func taskRun(name, word string) string {
	return `
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {name: ` + name + `}
spec: {taskSpec: {steps: [{name: build, image: example.test/builder, args: ["` + word + `"]}]}}
`
}

func TestPlayedBuildsEndAsTheirContentSays(t *testing.T) {
	w := world(t)
	for _, c := range []struct {
		word string
		want tektonv1.TaskRunReason
	}{
		{"good", tektonv1.TaskRunReasonSuccessful},
		{WordBroken, tektonv1.TaskRunReasonFailed},
		{WordLate, tektonv1.TaskRunReasonTimedOut},
		{WordSlow, tektonv1.TaskRunReasonRunning},
	} {
		run := &tektonv1.TaskRun{}
		reason := func() string {
			if err := w.Get(t.Context(), c.word, run); err != nil {
				return err.Error()
			}
			return run.Status.GetCondition("Succeeded").GetReason()
		}
		must(t, w.Apply(t.Context(), taskRun(c.word, c.word)))
		must(t, w.Eventually(t.Context(), string(c.want), func() (bool, error) { return reason() == string(c.want), nil }))
		switch c.word {
		case "good":
			if got := run.Status.Results[0].Value.StringVal; got != Digest("good") {
				t.Errorf("the first result is %q, want the digest", got)
			}
		case WordSlow:
			patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"status":"TaskRunCancelled"}}`))
			must(t, w.Client.Patch(t.Context(), run, patch))
			must(t, w.Eventually(t.Context(), "the cancelled run to end", func() (bool, error) {
				return reason() == string(tektonv1.TaskRunReasonCancelled), nil
			}))
		}
	}
}

func TestPlayedServicesKeepTheLastReadyRevision(t *testing.T) {
	w := world(t)
	service := &kservingv1.Service{}
	play := func(image string) {
		t.Helper()
		must(t, w.Apply(t.Context(), `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello}
spec: {template: {spec: {containers: [{image: "`+image+`"}]}}}
`))
		must(t, w.Eventually(t.Context(), "Knative's answer", func() (bool, error) {
			err := w.Get(t.Context(), "hello", service)
			return service.Status.ObservedGeneration == service.Generation, err
		}))
	}
	play("example.test/a:1")
	if !service.IsReady() || service.Status.LatestReadyRevisionName != "hello-00001" || service.Status.URL == nil {
		t.Errorf("a good service has the status %+v", service.Status)
	}
	play("example.test/a:" + WordBroken)
	if !service.IsFailed() || service.Status.LatestReadyRevisionName != "hello-00001" || service.Status.LatestCreatedRevisionName != "hello-00002" {
		t.Errorf("a service that broke has the status %+v", service.Status)
	}
	play("example.test/a:" + WordSlow)
	if service.IsReady() || service.IsFailed() {
		t.Errorf("a service that starts has the status %+v", service.Status)
	}
}
