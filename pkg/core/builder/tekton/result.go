// SPDX-License-Identifier: Apache-2.0

package tekton

import (
	"fmt"
	"strconv"
	"strings"

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
		Phase: core.BuildSucceeded, Reason: corev1beta2.BuildSucceededReason, Digest: digest(values), Source: source(values),
	}
	if result.Digest == "" {
		result.Phase, result.Reason = core.BuildFailed, corev1beta2.BuildFailedReason
		result.Message = `The task reported no digest of the pushed image; let it write the result "image-digest" or "IMAGE_DIGEST"`
		return result
	}
	result.Message = "Pushed " + result.Digest
	result.Size, _ = strconv.ParseInt(values["image-size"], 10, 64)
	if start, end := run.Status.StartTime, run.Status.CompletionTime; start != nil && end != nil {
		result.Duration = end.Sub(start.Time)
	}
	return result
}

func failed(run *tektonv1.TaskRun, done *apis.Condition) core.BuildResult {
	result := core.BuildResult{Phase: core.BuildFailed, Reason: corev1beta2.BuildFailedReason, Message: done.Message, Source: source(resultsOf(run))}
	if start, end := run.Status.StartTime, run.Status.CompletionTime; start != nil && end != nil {
		result.Duration = end.Sub(start.Time)
	}
	switch tektonv1.TaskRunReason(done.Reason) {
	case tektonv1.TaskRunReasonCancelled:
		result.Phase, result.Reason, result.Message = core.BuildCanceled, corev1beta2.BuildCanceledReason, "The build was cancelled"
		return result
	case tektonv1.TaskRunReasonTimedOut:
		result.Phase, result.Reason = core.BuildTimedOut, corev1beta2.BuildTimeoutReason
		result.Message = "The build took longer than its timeout; raise build.timeout or make the build faster"
		return result
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

// skippedStep is Tekton's reason for steps that did not run because one before them failed.
const skippedStep = "Skipped"

func resultsOf(run *tektonv1.TaskRun) map[string]string {
	values := make(map[string]string, len(run.Status.Results))
	for _, result := range run.Status.Results {
		values[result.Name] = strings.TrimSpace(result.Value.StringVal)
	}
	return values
}

// digest prefers our own result's name; IMAGE_DIGEST is what Tekton Chains and most tasks of the catalogue write.
func digest(values map[string]string) string {
	if own := values["image-digest"]; own != "" {
		return own
	}
	return values["IMAGE_DIGEST"]
}

func source(values map[string]string) *corev1beta2.SourceResult {
	switch {
	case values["commit-sha"] != "":
		return &corev1beta2.SourceResult{Name: "default", Git: &corev1beta2.GitSourceResult{
			CommitSha: values["commit-sha"], CommitAuthor: values["commit-author"], BranchName: values["branch-name"]}}
	case values["bundle-digest"] != "":
		return &corev1beta2.SourceResult{Name: "default", Bundle: &corev1beta2.BundleSourceResult{Digest: values["bundle-digest"]}}
	default:
		return nil
	}
}

// Cancelled tells whether a TaskRun has been asked to stop.
func Cancelled(run *tektonv1.TaskRun) bool {
	return run.Spec.Status == tektonv1.TaskRunSpecStatusCancelled
}
