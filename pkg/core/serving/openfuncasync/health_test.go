// SPDX-License-Identifier: Apache-2.0

package openfuncasync_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/serving/openfuncasync"
	"github.com/openfunction/openfunction/pkg/core/serving/workload"
	"github.com/openfunction/openfunction/pkg/problem"
)

// serving is a Serving named work that runs as the kind, and with triggers is scaled by KEDA.
func serving(kind corev1beta2.WorkloadType, triggers ...kedav1alpha1.ScaleTriggers) *corev1beta2.Serving {
	s := &corev1beta2.Serving{ObjectMeta: metav1.ObjectMeta{Name: "work", Namespace: "team"}}
	s.Spec.Image, s.Spec.WorkloadType = "registry.example.com/work:v1", kind
	if len(triggers) > 0 {
		s.Spec.ScaleOptions = &corev1beta2.ScaleOptions{Keda: &corev1beta2.KedaScaleOptions{Triggers: triggers}}
	}
	return s
}

var lag = kedav1alpha1.ScaleTriggers{Type: "kafka", Metadata: map[string]string{"topic": "new"}}

// scene is a Serving's world.
type scene struct {
	live     core.Live
	template corev1.PodTemplateSpec
}

// sceneOf is what the run makes of a Serving, with the agent's Deployment before it, as the API server would show it.
func sceneOf(t *testing.T, s *corev1beta2.Serving, changes ...func(*scene)) core.Live {
	t.Helper()
	agent := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "work--agent"}}
	scene := &scene{live: core.Live{Objects: append([]client.Object{agent}, desired(t, core.Input{Serving: s})...)}}
	switch workload := scene.live.Objects[1].(type) {
	case *appsv1.Deployment:
		scene.template, workload.Status.AvailableReplicas = workload.Spec.Template, 1
	case *appsv1.StatefulSet:
		scene.template, workload.Status.AvailableReplicas = workload.Spec.Template, 1
	case *batchv1.Job:
		scene.template = workload.Spec.Template
	case *kedav1alpha1.ScaledJob:
		scene.template = workload.Spec.JobTargetRef.Template
	}
	for _, change := range changes {
		change(scene)
	}
	return scene.live
}

// with adds a pod of the current version.
func with(change func(*corev1.Pod)) func(*scene) {
	return func(s *scene) {
		pod := corev1.Pod{ObjectMeta: *s.template.ObjectMeta.DeepCopy()}
		change(&pod)
		s.live.Pods = append(s.live.Pods, pod)
	}
}

// started has the Deployment remember that its version has started once.
func started(s *scene) {
	deployment := s.live.Objects[1].(*appsv1.Deployment)
	metav1.SetMetaDataAnnotation(&deployment.ObjectMeta, corev1beta2.StartedAnnotation, workload.Version(s.template))
}

func ready(p *corev1.Pod) {
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
}

func succeeded(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }

func pending(*corev1.Pod) {}

func crashed(p *corev1.Pod) {
	p.Status.Phase = corev1.PodFailed
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "function",
		State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 2}}}}
}

// ofTheVersionBefore makes another pod one of an older version.
func ofTheVersionBefore(change func(*corev1.Pod)) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		change(p)
		p.Labels[workload.VersionLabel] = "before"
	}
}

// keda gives every scaler KEDA's Ready condition.
func keda(status metav1.ConditionStatus, message string) func(*scene) {
	return func(s *scene) {
		conditions := *kedav1alpha1.GetInitializedConditions()
		conditions.SetReadyCondition(status, "Reason", message)
		for _, object := range s.live.Objects {
			switch scaler := object.(type) {
			case *kedav1alpha1.ScaledObject:
				scaler.Status.Conditions = conditions
			case *kedav1alpha1.ScaledJob:
				scaler.Status.Conditions = conditions
			}
		}
	}
}

func job(kind batchv1.JobConditionType, reason, message string) func(*scene) {
	return func(s *scene) {
		s.live.Objects[1].(*batchv1.Job).Status.Conditions = []batchv1.JobCondition{
			{Type: batchv1.JobSuspended, Status: corev1.ConditionFalse}, {Type: kind, Status: corev1.ConditionTrue, Reason: reason, Message: message}}
	}
}

func TestHealth(t *testing.T) {
	const crash = `Container "function" exits with code 2 soon after its start; its log says why (kubectl logs -l openfunction.io/serving=work -c function --previous)`
	running := func(message string) core.Health {
		return core.Health{Phase: core.Running, Reason: "Running", Message: message}
	}
	starting := func(message string) core.Health {
		return core.Health{Phase: core.Starting, Reason: "Starting", Message: message}
	}
	crashes := core.Health{Phase: core.Failed, Reason: corev1beta2.ContainerCrashedReason, Message: crash}
	starts := running("KEDA starts Jobs of this version for the events that wait")
	begins := starting("The Job of this version is starting; if it makes no pod, kubectl describe job JOB tells why")
	for _, test := range []struct {
		name, because string
		live          core.Live
		want          core.Health
	}{
		{"Missing", "a missing object is about to be made", core.Live{}, starting("The workload of this version is being made")},
		{"Deployment", "its copy runs", sceneOf(t, serving("Deployment"), with(ready)), running("This version serves")},
		{"DeploymentAlone", "another workload's copies are not its own", sceneOf(t, serving("Deployment")), starting("No copy of this version is ready yet")},
		{"DeploymentGone", "nothing sends its copies home", sceneOf(t, serving("Deployment"), started), starting("No copy of this version is ready yet")},
		{"ScaledGone", "KEDA sends its copies home", sceneOf(t, serving("", lag), keda("True", ""), started), running("This version serves")},
		{"StatefulSet", "its copy runs", sceneOf(t, serving("StatefulSet"), with(ready)), running("This version serves")},
		{"Scaled", "KEDA works with its scaler", sceneOf(t, serving("", lag), keda("True", ""), with(ready)), running("This version serves")},
		{"ScaledUnseen", "nothing would scale it yet", sceneOf(t, serving("", lag), with(ready)), starting("KEDA has not looked at ScaledObject work--async yet")},
		{"ScaledBroken", "nothing will scale it", sceneOf(t, serving("", lag), keda("False", "no such broker"), with(ready)),
			core.Health{Phase: core.Failed, Reason: corev1beta2.ScalerFailedReason, Message: "KEDA cannot work with ScaledObject work--async: no such broker; " +
				"look at its events (kubectl describe scaledobject work--async) and change spec.serving.scaleOptions.keda"}},

		{"ScaledJob", "no event has come", sceneOf(t, serving("Job", lag), keda("True", "")), starts},
		{"ScaledJobUnseen", "nothing would start one yet", sceneOf(t, serving("Job", lag)), starting("KEDA has not looked at ScaledJob work--async yet")},
		{"ScaledJobBroken", "nothing will start one", sceneOf(t, serving("Job", lag), keda("False", "Failed to ensure ScaledJob is correctly created")),
			core.Health{Phase: core.Failed, Reason: corev1beta2.ScalerFailedReason, Message: "KEDA cannot work with ScaledJob work--async: " +
				"Failed to ensure ScaledJob is correctly created; look at its events (kubectl describe scaledjob work--async) and change spec.serving.scaleOptions.keda"}},
		{"ScaledJobCrashes", "every event would end so", sceneOf(t, serving("Job", lag), keda("True", ""), with(crashed)), crashes},
		{"ScaledJobCrashesSometimes", "another one has done its work", sceneOf(t, serving("Job", lag), keda("True", ""), with(crashed), with(succeeded)), starts},
		{"ScaledJobCrashedBefore", "that was the version before", sceneOf(t, serving("Job", lag), keda("True", ""), with(ofTheVersionBefore(crashed))), starts},

		{"Job", "its pod is being made", sceneOf(t, serving("Job"), with(pending)), begins},
		{"JobWithoutPods", "Kubernetes tells by Events only what refuses them", sceneOf(t, serving("Job")), begins},
		{"JobAtWork", "its pod runs", sceneOf(t, serving("Job"), with(ready)), running("The Job of this version is at work")},
		{"JobOfTheVersionBefore", "it has a Job of its own", sceneOf(t, serving("Job"), with(ofTheVersionBefore(ready))), begins},
		{"JobCrashes", "it will be tried again, and end so again", sceneOf(t, serving("Job"), with(crashed)), crashes},
		{"JobDone", "it ran once, as it should", sceneOf(t, serving("Job"), with(succeeded), job(batchv1.JobComplete, "", "")), running("The Job of this version has done its work")},
		{"JobFailed", "it is not tried again", sceneOf(t, serving("Job"), with(crashed), job(batchv1.JobFailed, "BackoffLimitExceeded", "Job has reached the specified backoff limit")),
			core.Health{Phase: core.Failed, Reason: "BackoffLimitExceeded", Message: "Job JOB failed: Job has reached the specified backoff limit; " +
				"the log of its pods says why (kubectl logs job/JOB)"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, object := range test.live.Objects {
				if job, ok := object.(*batchv1.Job); ok {
					job.Name = "JOB" // it has a hash in it
				}
			}
			if diff := cmp.Diff(test.want, openfuncasync.Run{}.Health(test.live)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.because, diff)
			}
		})
	}
}

func TestHasStarted(t *testing.T) {
	for _, test := range []struct {
		name, because string
		live          core.Live
		want          bool
	}{
		{"Missing", "there is nothing", core.Live{}, false},
		{"Deployment", "its copy runs", sceneOf(t, serving("", lag), with(ready)), true},
		{"StatefulSet", "its copy runs", sceneOf(t, serving("StatefulSet", lag), with(ready)), true},
		{"NoCopy", "nobody knows", sceneOf(t, serving("", lag)), false},
		{"Job", "it needs no proof, it ends", sceneOf(t, serving("Job"), with(ready)), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := (openfuncasync.Run{}).HasStarted(test.live); got != test.want {
				t.Errorf("%s: got %t", test.because, got)
			}
		})
	}
}

// TestANewVersionIsANewJob is so because the template of a Job cannot be changed.
func TestANewVersionIsANewJob(t *testing.T) {
	s := serving("Job")
	before := desired(t, core.Input{Serving: s})[0].GetName()
	if again := desired(t, core.Input{Serving: s.DeepCopy()})[0].GetName(); again != before {
		t.Errorf("the same version would run again: %s, %s", before, again)
	}
	s.Spec.Params = map[string]string{"LEVEL": "debug"}
	if after := desired(t, core.Input{Serving: s})[0].GetName(); after == before {
		t.Errorf("the new version has the name of the old one, %s", after)
	}
}

func TestCrossedBoundsAreRefused(t *testing.T) {
	s := serving("", lag)
	s.Spec.ScaleOptions.MinReplicas = ptr.To[int32](5)
	s.Spec.ScaleOptions.Keda.ScaledObject = &corev1beta2.KedaScaledObject{MaxReplicaCount: ptr.To[int32](3)}
	_, err := openfuncasync.Run{}.Desired(core.Input{Serving: s})
	if stalled, is := problem.AsStalled(err); !is || stalled.Reason != corev1beta2.InvalidSpecReason {
		t.Errorf("got %v", err)
	}
}

// TestExplain has the refusals as KEDA's webhook writes them.
func TestExplain(t *testing.T) {
	for _, test := range []struct {
		name, because, refusal string
		knows                  bool
	}{
		{"Requests", "KEDA does not say where", "the scaledobject has a cpu trigger but the container function doesn't have the cpu request defined", true},
		{"Taken", "KEDA does not say what to do", "the workload 'work--async' of type 'apps/v1.Deployment' is already managed by the hpa 'mine'", true},
		{"Other", "KEDA's own words are best", "triggerName \"a\" is defined multiple times in the ScaledObject/ScaledJob, but it must be unique", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if knows := (openfuncasync.Run{}).Explain(test.refusal) != ""; knows != test.knows {
				t.Errorf("%s: %t", test.because, knows)
			}
		})
	}
}
