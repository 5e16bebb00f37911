// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/serving/workload"
)

// deployment is a Deployment of the version "new", changed by the options.
func deployment(options ...func(*appsv1.Deployment)) *appsv1.Deployment {
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "hello--http", Labels: map[string]string{corev1beta2.RunLabel: "run"}},
		Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{workload.VersionLabel: "new"}}}},
	}
	for _, option := range options {
		option(d)
	}
	return d
}

func started(version string) func(*appsv1.Deployment) {
	return func(d *appsv1.Deployment) {
		metav1.SetMetaDataAnnotation(&d.ObjectMeta, corev1beta2.StartedAnnotation, version)
	}
}

// proven is a Deployment whose copies count after a while only, as available of them do.
func proven(available int32) func(*appsv1.Deployment) {
	return func(d *appsv1.Deployment) { d.Spec.MinReadySeconds, d.Status.AvailableReplicas = 3, available }
}

func condition(kind appsv1.DeploymentConditionType, status corev1.ConditionStatus, reason string) func(*appsv1.Deployment) {
	return func(d *appsv1.Deployment) {
		d.Status.Conditions = append(d.Status.Conditions, appsv1.DeploymentCondition{Type: kind, Status: status, Reason: reason, Message: "their words"})
	}
}

// unobserved is a Deployment whose conditions are about an earlier generation.
func unobserved(d *appsv1.Deployment) { d.Generation = d.Status.ObservedGeneration + 1 }

// pod is a pod of the version, changed by the options.
func pod(version string, options ...func(*corev1.Pod)) corev1.Pod {
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "hello--http-" + version + "-x",
		Labels:          map[string]string{corev1beta2.RunLabel: "run", workload.VersionLabel: version},
		OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "hello--http-" + version, Controller: ptr.To(true)}}}}
	for _, option := range options {
		option(&p)
	}
	return p
}

func ready(p *corev1.Pod) {
	p.Status.Phase = corev1.PodRunning
	p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue})
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "function", Ready: true}}
}

// crashed adds to a pod that its container has exited before.
func crashed(p *corev1.Pod) {
	if len(p.Status.ContainerStatuses) == 0 {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "function"}}
	}
	p.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1}
}

func unpullable(p *corev1.Pod) {
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "function", Image: "wrong",
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull"}}}}
}

func terminating(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} }

func evicted(p *corev1.Pod) {
	crashed(p)
	p.Status.Phase = corev1.PodFailed
}

func homeless(p *corev1.Pod) {
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "no room"}}
}

func ofAnotherRun(p *corev1.Pod) { p.Labels[corev1beta2.RunLabel] = "knative" }

func TestHealthOfADeployment(t *testing.T) {
	running := core.Health{Phase: core.Running, Reason: "Running", Message: "This version serves"}
	first := core.Health{Phase: core.Starting, Reason: "Starting", Message: "No copy of this version is ready yet"}
	replacing := core.Health{Phase: core.Starting, Reason: "Starting", Message: "Copies of the previous version are being replaced", Serving: "hello--http-old"}
	const pull = "The image wrong cannot be pulled; check that it exists and that imageCredentials names a Secret that may read it"
	const crash = `Container "function" exits with code 1 soon after its start; its log says why (kubectl logs -c function --previous)`
	const late = "This version was not ready in time; look at its pods, or raise spec.serving.timeout"
	const refused = "Kubernetes makes no copies of this version: their words; change the function or the quota or policy that refuses it"
	exceeded := condition(appsv1.DeploymentProgressing, corev1.ConditionFalse, "ProgressDeadlineExceeded")
	for _, test := range []struct {
		name, because string
		deployment    *appsv1.Deployment
		pods          []corev1.Pod
		want          core.Health
		hasStarted    bool
	}{
		{"New", "nothing is there yet", deployment(), nil, first, false},
		{"Creating", "it needs a moment", deployment(), []corev1.Pod{pod("new")}, first, false},
		{"Ready", "a copy serves", deployment(), []corev1.Pod{pod("new", ready)}, running, true},
		{"ReadyAndBroken", "one copy is enough to serve", deployment(), []corev1.Pod{pod("new", ready), pod("new", crashed)}, running, true},
		{"OfAnotherRun", "another run's copies say nothing of this one", deployment(), []corev1.Pod{pod("new", ready, ofAnotherRun)}, first, false},
		{"OfAnotherRunBroken", "another run's copies say nothing of this one", deployment(), []corev1.Pod{pod("new", crashed, ofAnotherRun)}, first, false},

		{"AtZero", "it has started before", deployment(started("new")), nil, running, false},
		{"AtZeroUntried", "nobody knows whether it can start", deployment(), nil, first, false},
		{"AtZeroOtherVersionStarted", "the image may be broken", deployment(started("old")), nil, first, false},
		{"Waking", "a function that comes from zero was never away", deployment(started("new")), []corev1.Pod{pod("new")}, running, false},
		{"WakingWithoutRoom", "the caller waits for the user", deployment(started("new")), []corev1.Pod{pod("new", homeless)},
			core.Health{Phase: core.Starting, Reason: "Starting", Message: "No node takes a copy of the function: no room"}, false},
		{"WakingBroken", "a version may stop to work", deployment(started("new")), []corev1.Pod{pod("new", crashed)},
			core.Health{Phase: core.Failed, Reason: corev1beta2.ContainerCrashedReason, Message: crash}, false},
		{"GoingToZero", "a copy that was told to end is none", deployment(started("new")), []corev1.Pod{pod("new", crashed, terminating)}, running, false},
		{"Evicted", "Kubernetes replaces it", deployment(started("new")), []corev1.Pod{pod("new", evicted)}, running, false},

		{"Unpullable", "this does not pass", deployment(), []corev1.Pod{pod("new", unpullable)},
			core.Health{Phase: core.Failed, Reason: corev1beta2.ImagePullFailedReason, Message: pull}, false},
		{"UnpullableBesideOld", "users must know that they are not down", deployment(started("old")), []corev1.Pod{pod("new", unpullable), pod("old", ready)},
			core.Health{Phase: core.Failed, Reason: corev1beta2.ImagePullFailedReason, Message: pull + "; the previous version keeps serving", Serving: "hello--http-old"}, false},
		{"OldUnpullable", "the version before is being replaced", deployment(started("old")), []corev1.Pod{pod("old", unpullable), pod("new")}, first, false},
		{"Rolling", "the version before answers meanwhile", deployment(started("old")), []corev1.Pod{pod("old", ready), pod("new")}, replacing, false},
		{"HalfRolled", "some requests still meet the version before", deployment(started("old")), []corev1.Pod{pod("old", ready), pod("new", ready)}, replacing, true},
		{"OldGoing", "the version before is told to end", deployment(), []corev1.Pod{pod("old", ready, terminating), pod("new", ready)}, running, true},
		{"WithoutRoom", "the user learns why nothing happens", deployment(), []corev1.Pod{pod("new", homeless)},
			core.Health{Phase: core.Starting, Reason: "Starting", Message: "No node takes a copy of the function: no room"}, false},

		{"Quota", "Kubernetes says so on the Deployment only", deployment(condition(appsv1.DeploymentReplicaFailure, corev1.ConditionTrue, "FailedCreate")), nil,
			core.Health{Phase: core.Failed, Reason: "FailedCreate", Message: refused}, false},
		{"QuotaOfTheVersionBefore", "the condition is about it", deployment(condition(appsv1.DeploymentReplicaFailure, corev1.ConditionTrue, "FailedCreate"), unobserved), nil,
			first, false},
		{"QuotaForMore", "one copy serves", deployment(condition(appsv1.DeploymentReplicaFailure, corev1.ConditionTrue, "FailedCreate")), []corev1.Pod{pod("new", ready)},
			running, true},
		{"Late", "it was given its time", deployment(exceeded), []corev1.Pod{pod("new")}, core.Health{Phase: core.Failed, Reason: corev1beta2.TimeoutReason, Message: late}, false},
		{"LateBesideOld", "it was given its time", deployment(exceeded), []corev1.Pod{pod("new"), pod("old", ready)},
			core.Health{Phase: core.Failed, Reason: corev1beta2.TimeoutReason, Message: late + "; the previous version keeps serving", Serving: "hello--http-old"}, false},
		{"LateHalfRolled", "the rollout does not end", deployment(exceeded), []corev1.Pod{pod("new", ready), pod("old", ready)},
			core.Health{Phase: core.Failed, Reason: corev1beta2.TimeoutReason, Message: late + "; the previous version keeps serving", Serving: "hello--http-old"}, true},
		{"LateVersionBefore", "the condition is about it", deployment(exceeded, unobserved), []corev1.Pod{pod("new")}, first, false},
		{"Progressing", "there is time left", deployment(condition(appsv1.DeploymentProgressing, corev1.ConditionTrue, "ReplicaSetUpdated")), []corev1.Pod{pod("new")}, first, false},

		{"Unproven", "a process that has just begun may end at once", deployment(proven(0)), []corev1.Pod{pod("new", ready)}, first, false},
		{"Proven", "it has run for a while", deployment(proven(1)), []corev1.Pod{pod("new", ready)}, running, true},
		{"BetweenTwoCrashes", "a process is there for a moment", deployment(proven(0)), []corev1.Pod{pod("new", ready, crashed)},
			core.Health{Phase: core.Failed, Reason: corev1beta2.ContainerCrashedReason, Message: crash}, false},
		{"OldIsProven", "the copies that have run for a while are older ones", deployment(proven(1)), []corev1.Pod{pod("new", ready), pod("old", ready)}, replacing, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			rollout := workload.RolloutOf(test.deployment, test.pods)
			if diff := cmp.Diff(test.want, rollout.Health()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.because, diff)
			}
			if rollout.HasStarted() != test.hasStarted {
				t.Errorf("%s: has started is %t", test.because, rollout.HasStarted())
			}
		})
	}
}

func TestHealthOfAStatefulSet(t *testing.T) {
	set := &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "work--async", Labels: map[string]string{corev1beta2.RunLabel: "run"}},
		Spec: appsv1.StatefulSetSpec{MinReadySeconds: 3, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{workload.VersionLabel: "new"}}}},
	}
	revision := func(p *corev1.Pod) { p.Labels[appsv1.ControllerRevisionHashLabelKey] = "work--async-7d" }
	set.Status.AvailableReplicas = 1
	for _, test := range []struct {
		name, because string
		pods          []corev1.Pod
		want          core.Health
	}{
		{"Ready", "its only copy has run for a while", []corev1.Pod{pod("new", ready)}, core.Health{Phase: core.Running, Reason: "Running", Message: "This version serves"}},
		{"Rolling", "a revision is what kubectl shows", []corev1.Pod{pod("old", ready, revision)},
			core.Health{Phase: core.Starting, Reason: "Starting", Message: "Copies of the previous version are being replaced", Serving: "work--async-7d"}},
		{"Refused", "Kubernetes tells by Events only why it makes no copy", nil, core.Health{Phase: core.Starting, Reason: "Starting",
			Message: "No copy of this version is ready yet; if none is made, kubectl describe statefulset work--async tells why"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, workload.RolloutOfSet(set, test.pods).Health()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.because, diff)
			}
		})
	}
}

func TestFindPassesOverTheAgent(t *testing.T) {
	agent, own := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "hello--agent"}}, deployment()
	found, ok := workload.Find[*appsv1.Deployment](core.Live{Objects: []client.Object{agent, own}}, "run")
	if !ok || found != own {
		t.Errorf("found %v", found)
	}
	if _, ok := workload.Find[*appsv1.Deployment](core.Live{Objects: []client.Object{agent}}, "run"); ok {
		t.Error("the agent's Deployment was taken for the function's")
	}
}
