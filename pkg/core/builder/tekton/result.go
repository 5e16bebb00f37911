// SPDX-License-Identifier: Apache-2.0

package tekton

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"knative.dev/pkg/apis"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
)

// Result reads the outcome of a build from its TaskRun.
func Result(run *tektonv1.TaskRun) core.BuildResult {
	done := run.Status.GetCondition(apis.ConditionSucceeded)
	switch {
	case done.IsTrue():
		return succeeded(run)
	case done.IsFalse():
		return failed(run, done)
	case done != nil && done.Message != "" && run.Status.StartTime != nil:
		return core.BuildResult{Phase: core.BuildRunning, Reason: corev1beta2.BuildingReason, Message: progress(run)}
	default:
		return core.BuildResult{Phase: core.BuildRunning, Reason: corev1beta2.BuildPendingReason, Message: "The build waits for its pod"}
	}
}

// progress names the step at work.
func progress(run *tektonv1.TaskRun) string {
	for _, step := range run.Status.Steps {
		if step.Running != nil {
			return fmt.Sprintf("Step %q is at work", step.Name)
		}
		if waiting := step.Waiting; waiting != nil && strings.Contains(waiting.Reason, "Image") {
			return fmt.Sprintf("The image of step %q cannot be pulled: %s", step.Name, waiting.Reason)
		}
	}
	return "The build pod is starting"
}

func succeeded(run *tektonv1.TaskRun) core.BuildResult {
	values := resultsOf(run)
	result := core.BuildResult{
		Phase: core.BuildSucceeded, Reason: corev1beta2.BuildSucceededReason, Digest: digest(values), Source: source(values), Duration: duration(run),
	}
	if result.Digest == "" {
		result.Phase, result.Reason = core.BuildFailed, corev1beta2.BuildFailedReason
		result.Message = `The task reported no digest of the pushed image; let it write the result "image-digest" or "IMAGE_DIGEST"`
		return result
	}
	result.Message = "Pushed " + result.Digest
	if size, err := strconv.ParseInt(values["image-size"], 10, 64); err == nil {
		result.Size = max(size, 0)
	}
	return result
}

func duration(run *tektonv1.TaskRun) time.Duration {
	start, end := run.Status.StartTime, run.Status.CompletionTime
	if start == nil || end == nil {
		return 0
	}
	return end.Sub(start.Time)
}

func failed(run *tektonv1.TaskRun, done *apis.Condition) core.BuildResult {
	result := core.BuildResult{Phase: core.BuildFailed, Reason: corev1beta2.BuildFailedReason, Source: source(resultsOf(run)), Duration: duration(run),
		Message: cmp.Or(strings.TrimSpace(done.Message), "Tekton gave no reason; look at TaskRun "+run.Name)}
	switch tektonv1.TaskRunReason(done.Reason) {
	case tektonv1.TaskRunReasonCancelled:
		result.Phase, result.Reason, result.Message = core.BuildCanceled, corev1beta2.BuildCanceledReason, "The build was cancelled"
		return result
	case tektonv1.TaskRunReasonTimedOut:
		result.Phase, result.Reason = core.BuildTimedOut, corev1beta2.BuildTimeoutReason
		result.Message = "The build took longer than its timeout; raise build.timeout or make the build faster"
		return result
	case podAdmissionFailed:
		result.Reason = corev1beta2.PodSecurityReason
		result.Message = "The namespace refuses the build pod; if it is about containers that Tekton adds, set set-security-context in Tekton's " +
			"ConfigMap feature-flags to \"true\": " + result.Message
		return result
	case tektonv1.TaskRunReasonImagePullFailed: // the steps that Tekton ended for it are not to blame
		result.Message = pullFailed(result.Message)
		return result
	default: // a step failed, or Tekton never came to one
	}
	for _, step := range run.Status.Steps {
		if ended := step.Terminated; ended != nil && ended.ExitCode != 0 && ended.Reason != skippedStep {
			result.FailedStep, result.ExitCode = step.Name, ended.ExitCode
			result.Pod, result.Container = run.Status.PodName, step.Container
			result.Message = fmt.Sprintf("Step %q failed with exit code %d", step.Name, ended.ExitCode)
			if ended.Reason == "OOMKilled" {
				result.Message += ": it ran out of memory"
			}
			return result
		}
	}
	return result
}

// unpulled finds the image in the kubelet's words, which Tekton repeats.
var unpulled = regexp.MustCompile(`image \\?"([^"\\ ]+)\\?":`)

func pullFailed(message string) string {
	if found := unpulled.FindStringSubmatch(message); found != nil {
		return fmt.Sprintf("The image %s of a step cannot be pulled; check that it exists, and build.builder and build.builderCredentials", found[1])
	}
	return "The image of a step cannot be pulled; check build.builder and build.builderCredentials: " + message
}

// podAdmissionFailed is Tekton's reason when the API server refuses the pod of a build.
const podAdmissionFailed = tektonv1.TaskRunReason("PodAdmissionFailed")

// skippedStep is Tekton's reason for steps that did not run because one before them failed.
const skippedStep = "Skipped"

func resultsOf(run *tektonv1.TaskRun) map[string]string {
	values := make(map[string]string, len(run.Status.Results))
	for _, result := range run.Status.Results {
		values[result.Name] = strings.TrimSpace(result.Value.StringVal)
	}
	return values
}

// imageDigest is what may stand behind the @ of an image reference. A task of the user's own may report anything.
var imageDigest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// digest prefers our own result's name; IMAGE_DIGEST is what Tekton Chains and most tasks of the catalogue write.
func digest(values map[string]string) string {
	for _, name := range []string{"image-digest", "IMAGE_DIGEST"} {
		if imageDigest.MatchString(values[name]) {
			return values[name]
		}
	}
	return ""
}

// source cuts what a task reports to what the status of a Builder holds.
func source(values map[string]string) *corev1beta2.SourceResult {
	switch {
	case values["commit-sha"] != "":
		return &corev1beta2.SourceResult{Name: "default", Git: &corev1beta2.GitSourceResult{
			CommitSha: cut(values["commit-sha"], 64), CommitAuthor: cut(values["commit-author"], 1024), BranchName: cut(values["branch-name"], 256)}}
	case values["bundle-digest"] != "":
		return &corev1beta2.SourceResult{Name: "default", Bundle: &corev1beta2.BundleSourceResult{Digest: cut(values["bundle-digest"], 256)}}
	default:
		return nil
	}
}

// cut returns at most limit bytes from the beginning of text, whole characters only.
func cut(text string, limit int) string {
	return strings.ToValidUTF8(text[:min(len(text), limit)], "")
}

// Cancelled tells whether a TaskRun has been asked to stop.
func Cancelled(run *tektonv1.TaskRun) bool {
	return run.Spec.Status == tektonv1.TaskRunSpecStatusCancelled
}
