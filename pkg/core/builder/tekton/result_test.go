// SPDX-License-Identifier: Apache-2.0

package tekton_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"knative.dev/pkg/apis"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/builder/tekton"
	"github.com/openfunction/openfunction/pkg/status"
)

const pushed = "sha256:2222222222222222222222222222222222222222222222222222222222222222"

var began = metav1.NewTime(time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC))

// taskRun is one whose Succeeded condition and results are given; it began at began and, when it is over, ended 90 s later.
func taskRun(succeeded corev1.ConditionStatus, reason tektonv1.TaskRunReason, message string, results ...string) *tektonv1.TaskRun {
	run := &tektonv1.TaskRun{}
	run.Status.PodName = "pod"
	run.Status.StartTime = &began
	run.Status.SetCondition(&apis.Condition{Type: apis.ConditionSucceeded, Status: succeeded, Reason: reason.String(), Message: message})
	if succeeded != corev1.ConditionUnknown {
		end := metav1.NewTime(began.Add(90 * time.Second))
		run.Status.CompletionTime = &end
	}
	for i := 0; i < len(results); i += 2 {
		run.Status.Results = append(run.Status.Results,
			tektonv1.TaskRunResult{Name: results[i], Value: *tektonv1.NewStructuredValues(results[i+1])})
	}
	return run
}

func withSteps(run *tektonv1.TaskRun, steps ...tektonv1.StepState) *tektonv1.TaskRun {
	run.Status.Steps = steps
	return run
}

func ended(name string, code int32, reason string) tektonv1.StepState {
	return tektonv1.StepState{Name: name, Container: "step-" + name,
		ContainerState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason}}}
}

func TestResult(t *testing.T) {
	running := func(message string) core.BuildResult {
		return core.BuildResult{Phase: core.BuildRunning, Reason: corev1beta2.BuildingReason, Message: message}
	}
	noDigest := core.BuildResult{Phase: core.BuildFailed, Reason: corev1beta2.BuildFailedReason, Duration: 90 * time.Second,
		Message: `The task reported no digest of the pushed image; let it write the result "image-digest" or "IMAGE_DIGEST"`}
	for _, test := range []struct {
		name    string
		because string
		run     *tektonv1.TaskRun
		want    core.BuildResult
	}{{
		name: "Untouched", because: "Tekton has not looked at it yet",
		run:  &tektonv1.TaskRun{},
		want: core.BuildResult{Phase: core.BuildRunning, Reason: corev1beta2.BuildPendingReason, Message: "The build waits for its pod"},
	}, {
		name: "PodStarts", because: "no step has begun",
		run:  taskRun(corev1.ConditionUnknown, tektonv1.TaskRunReasonRunning, "Not all Steps in the Task have finished executing"),
		want: running("The build pod is starting"),
	}, {
		name: "StepAtWork", because: "a step runs, and the ones before it have ended",
		run: withSteps(taskRun(corev1.ConditionUnknown, tektonv1.TaskRunReasonRunning, "Not all Steps in the Task have finished executing"),
			ended("fetch", 0, "Completed"),
			tektonv1.StepState{Name: "build", ContainerState: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}),
		want: running(`Step "build" is at work`),
	}, {
		name: "ImageOfAStep", because: "the builder image cannot be pulled, which Tekton does not take for a failure",
		run: withSteps(taskRun(corev1.ConditionUnknown, tektonv1.TaskRunReasonRunning, "pulling"),
			tektonv1.StepState{Name: "build", ContainerState: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}}),
		want: running(`The image of step "build" cannot be pulled: ImagePullBackOff`),
	}, {
		name: "Succeeded", because: "all results of our own task",
		run: taskRun(corev1.ConditionTrue, tektonv1.TaskRunReasonSuccessful, "", "image-digest", pushed+"\n", "image-size", "123",
			"commit-sha", "abc", "commit-author", "A. Author", "branch-name", "main"),
		want: core.BuildResult{Phase: core.BuildSucceeded, Reason: corev1beta2.BuildSucceededReason, Message: "Pushed " + pushed,
			Digest: pushed, Size: 123, Duration: 90 * time.Second, Source: &corev1beta2.SourceResult{Name: "default",
				Git: &corev1beta2.GitSourceResult{CommitSha: "abc", CommitAuthor: "A. Author", BranchName: "main"}}},
	}, {
		name: "SucceededFromBundle", because: "a bundle has a digest in place of a commit",
		run: taskRun(corev1.ConditionTrue, tektonv1.TaskRunReasonSuccessful, "", "image-digest", pushed, "bundle-digest", "sha256:b"),
		want: core.BuildResult{Phase: core.BuildSucceeded, Reason: corev1beta2.BuildSucceededReason, Message: "Pushed " + pushed,
			Digest: pushed, Duration: 90 * time.Second,
			Source: &corev1beta2.SourceResult{Name: "default", Bundle: &corev1beta2.BundleSourceResult{Digest: "sha256:b"}}},
	}, {
		name: "SucceededByACatalogueTask", because: "IMAGE_DIGEST is what other people's tasks write; an odd size does not matter",
		run: taskRun(corev1.ConditionTrue, tektonv1.TaskRunReasonSuccessful, "", "IMAGE_DIGEST", pushed, "image-size", "-7"),
		want: core.BuildResult{Phase: core.BuildSucceeded, Reason: corev1beta2.BuildSucceededReason, Message: "Pushed " + pushed,
			Digest: pushed, Duration: 90 * time.Second},
	}, {
		name: "SucceededWithoutDigest", because: "what was pushed cannot be served by digest",
		run: taskRun(corev1.ConditionTrue, tektonv1.TaskRunReasonSuccessful, ""), want: noDigest,
	}, {
		name: "SucceededWithSomethingElse", because: "a tag is no digest, and the API server would refuse the Serving",
		run: taskRun(corev1.ConditionTrue, tektonv1.TaskRunReasonSuccessful, "", "image-digest", "latest"), want: noDigest,
	}, {
		name: "StepFailed", because: "the first step that failed is to blame, not those Tekton skipped after it",
		run: withSteps(taskRun(corev1.ConditionFalse, tektonv1.TaskRunReasonFailed, `"step-build" exited with code 51`, "commit-sha", "abc"),
			ended("fetch", 0, "Completed"), ended("build", 51, "Error"), ended("report", 1, "Skipped")),
		want: core.BuildResult{Phase: core.BuildFailed, Reason: corev1beta2.BuildFailedReason, Message: `Step "build" failed with exit code 51`,
			FailedStep: "build", ExitCode: 51, Pod: "pod", Container: "step-build", Duration: 90 * time.Second,
			Source: &corev1beta2.SourceResult{Name: "default", Git: &corev1beta2.GitSourceResult{CommitSha: "abc"}}},
	}, {
		name: "OutOfMemory", because: "the exit code alone tells nobody why",
		run: withSteps(taskRun(corev1.ConditionFalse, tektonv1.TaskRunReasonFailed, ""), ended("build", 137, "OOMKilled")),
		want: core.BuildResult{Phase: core.BuildFailed, Reason: corev1beta2.BuildFailedReason, FailedStep: "build", ExitCode: 137, Pod: "pod",
			Container: "step-build", Duration: 90 * time.Second, Message: `Step "build" failed with exit code 137: it ran out of memory`},
	}, {
		name: "FailedBeforeAnyStep", because: "Tekton's own words are all there is",
		run: taskRun(corev1.ConditionFalse, tektonv1.TaskRunReasonFailedResolution, `Task "mine" not found`),
		want: core.BuildResult{Phase: core.BuildFailed, Reason: corev1beta2.BuildFailedReason, Message: `Task "mine" not found`,
			Duration: 90 * time.Second},
	}, {
		name: "ImageOfAStepMissing", because: "the step that Tekton ended for it is not to blame, and names that no two builds share are left out",
		run: withSteps(taskRun(corev1.ConditionFalse, tektonv1.TaskRunReasonImagePullFailed, `the step "create" in TaskRun "x-1" failed to pull the image "". `+
			`The pod errored with the message: "Back-off pulling image \"registry.local:5000/no-builder:latest\": ErrImagePull: not found."`), ended("fetch", 1, "Error")),
		want: core.BuildResult{Phase: core.BuildFailed, Reason: corev1beta2.BuildFailedReason, Duration: 90 * time.Second, Message: "The image " +
			"registry.local:5000/no-builder:latest of a step cannot be pulled; check that it exists, and build.builder and build.builderCredentials"},
	}, {
		name: "TimedOut", because: "the steps that were ended by it are not to blame",
		run: withSteps(taskRun(corev1.ConditionFalse, tektonv1.TaskRunReasonTimedOut, "late"), ended("build", 1, "TaskRunTimeout")),
		want: core.BuildResult{Phase: core.BuildTimedOut, Reason: corev1beta2.BuildTimeoutReason, Duration: 90 * time.Second,
			Message: "The build took longer than its timeout; raise build.timeout or make the build faster"},
	}, {
		name: "Cancelled", because: "the user or a newer source ended it",
		run: withSteps(taskRun(corev1.ConditionFalse, tektonv1.TaskRunReasonCancelled, "stopped"), ended("build", 1, "TaskRunCancelled")),
		want: core.BuildResult{Phase: core.BuildCanceled, Reason: corev1beta2.BuildCanceledReason, Duration: 90 * time.Second,
			Message: "The build was cancelled"},
	}} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, tekton.Result(test.run)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.because, diff)
			}
		})
	}
}

// FuzzResult says what holds for whatever a task reports: the result can be written into a status, whose schema is strict.
func FuzzResult(f *testing.F) {
	f.Add("True", "Succeeded", "done", pushed, "12", "abc", "A. Author")
	f.Add("False", "Failed", "", "", "", "", "")
	f.Add("True", "Succeeded", "", "sha256:short", "-1", strings.Repeat("f", 70), strings.Repeat("é", 2000))
	f.Fuzz(func(t *testing.T, succeeded, reason, message, digest, size, commit, author string) {
		run := taskRun(corev1.ConditionStatus(succeeded), tektonv1.TaskRunReason(reason), message,
			"image-digest", digest, "image-size", size, "commit-sha", commit, "commit-author", author, "branch-name", author, "bundle-digest", commit)
		result := tekton.Result(run)
		if result.Size < 0 {
			t.Errorf("the size is %d", result.Size)
		}
		if (result.Phase == core.BuildSucceeded) != (result.Digest != "") {
			t.Errorf("phase %s with the digest %q", result.Phase, result.Digest)
		}
		if !strings.HasPrefix(result.Digest, "sha256:") && result.Digest != "" || len(result.Digest) > len(pushed) {
			t.Errorf("the digest is %q", result.Digest)
		}
		if s := result.Source; s != nil && s.Git != nil && (len([]rune(s.Git.CommitSha)) > 64 || len([]rune(s.Git.CommitAuthor)) > 1024 || len([]rune(s.Git.BranchName)) > 256) {
			t.Errorf("the source does not fit a status: %+v", s.Git)
		}
		if s := result.Source; s != nil && s.Bundle != nil && len([]rune(s.Bundle.Digest)) > 256 {
			t.Errorf("the source does not fit a status: %+v", s.Bundle)
		}
		if status.Sentence(result.Message) == "" {
			t.Error("there is nothing to tell the user")
		}
	})
}

func TestRepository(t *testing.T) {
	for image, want := range map[string]string{
		"hello":                                  "hello",
		"hello:v1":                               "hello",
		"registry.example.com/team/hello":        "registry.example.com/team/hello",
		"registry.example.com:5000/hello":        "registry.example.com:5000/hello",
		"registry.example.com:5000/hello:v1":     "registry.example.com:5000/hello",
		"registry.example.com/hello@" + pushed:   "registry.example.com/hello",
		"registry.example.com/hello:1@" + pushed: "registry.example.com/hello",
	} {
		if got := tekton.Repository(image); got != want {
			t.Errorf("Repository(%q) = %q, want %q", image, got, want)
		}
	}
}
