// SPDX-License-Identifier: Apache-2.0

package dapr_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/dapr"
)

// agentWorkload returns the objects of an agent with two replicas, as they are when all is well, and a pod of it with daprd.
func agentWorkload(t *testing.T) ([]client.Object, *appsv1.Deployment, corev1.Pod) {
	t.Helper()
	objects := made(t, inputOf(servingOf(t, `{outputs: [{dapr: {name: queue}}], dapr: {replicas: 2}}`)))
	for _, object := range objects {
		if deployment, ok := object.(*appsv1.Deployment); ok {
			deployment.Generation = 3
			deployment.Status = appsv1.DeploymentStatus{ObservedGeneration: 3, Replicas: 2, UpdatedReplicas: 2, ReadyReplicas: 2, AvailableReplicas: 2}
			template := deployment.Spec.Template.DeepCopy()
			template.Spec.Containers = append(template.Spec.Containers, corev1.Container{Name: "daprd"})
			return objects, deployment, corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
		}
	}
	t.Fatal("there is no agent")
	return nil, nil, corev1.Pod{}
}

func TestHealthOfTheAgent(t *testing.T) {
	starting := func(message string) core.Health {
		return core.Health{Phase: core.Starting, Reason: "DaprStarting", Message: message}
	}
	failed := func(message string) core.Health {
		return core.Health{Phase: core.Failed, Reason: "DaprFailed", Message: message}
	}
	const isStarting, keepsWorking = "The function agent is starting", "The function agent is starting; the one before keeps working"
	crashed := corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "daprd",
		State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}}}}}
	for _, test := range []struct {
		name, because string
		change        func(*appsv1.Deployment, *corev1.Pod)
		want          core.Health
	}{
		{"Ready", "all of the current version are available", func(*appsv1.Deployment, *corev1.Pod) {},
			core.Health{Phase: core.Running, Reason: "Running", Message: "The function agent is ready"}},
		{"ReadyWithTrouble", "a pod that failed once does not matter to a workload that is whole", func(_ *appsv1.Deployment, p *corev1.Pod) { p.Status = crashed },
			core.Health{Phase: core.Running, Reason: "Running", Message: "The function agent is ready"}},
		{"New", "nothing is known of it", func(d *appsv1.Deployment, _ *corev1.Pod) { d.Status = appsv1.DeploymentStatus{} }, starting(isStarting)},
		{"Unobserved", "the status is about the version before", func(d *appsv1.Deployment, _ *corev1.Pod) { d.Generation = 4 }, starting(keepsWorking)},
		{"RollingOut", "the old pod still works", func(d *appsv1.Deployment, _ *corev1.Pod) { d.Status.UpdatedReplicas = 1 }, starting(keepsWorking)},
		{"OldPodsLeft", "both versions take events", func(d *appsv1.Deployment, _ *corev1.Pod) { d.Status.Replicas = 3 }, starting(keepsWorking)},
		{"NotAvailable", "daprd is not ready", func(d *appsv1.Deployment, _ *corev1.Pod) { d.Status.AvailableReplicas = 0 }, starting(isStarting)},
		{"Crashed", "a component that cannot be loaded ends daprd",
			func(d *appsv1.Deployment, p *corev1.Pod) { d.Status.AvailableReplicas, p.Status = 1, crashed },
			failed(`The function agent cannot run: Container "daprd" exits with code 1 soon after its start; its log says why (kubectl logs -l openfunction.io/proxy=orders -c daprd --previous)`)},
		{"OldCrashed", "what an older version did is no matter",
			func(d *appsv1.Deployment, p *corev1.Pod) {
				d.Status.AvailableReplicas, p.Status, p.Annotations = 0, crashed, map[string]string{"openfunction.io/dapr-components": "older"}
			}, starting(isStarting)},
		{"OldImageCrashed", "likewise", func(d *appsv1.Deployment, p *corev1.Pod) {
			d.Status.AvailableReplicas, p.Status, p.Spec.Containers[0].Image = 0, crashed, "older"
		}, starting(isStarting)},
		{"Leaving", "a pod that is going may exit as it likes", func(d *appsv1.Deployment, p *corev1.Pod) {
			d.Status.AvailableReplicas, p.Status, p.DeletionTimestamp = 0, crashed, &metav1.Time{Time: time.Unix(1, 0)}
		}, starting(isStarting)},
		{"NotInjected", "the injector was away when the pod was made, and never looks again", func(d *appsv1.Deployment, p *corev1.Pod) {
			d.Status.AvailableReplicas, p.Spec.Containers = 0, p.Spec.Containers[:1]
		}, failed("Dapr has not added daprd to the pod of the function agent; see that dapr-sidecar-injector runs, " +
			"then delete the pod (kubectl delete pod -l openfunction.io/proxy=orders)")},
		{"NativeSidecar", "daprd may be an init container", func(d *appsv1.Deployment, p *corev1.Pod) {
			d.Status.AvailableReplicas, p.Spec.InitContainers, p.Spec.Containers = 0, p.Spec.Containers[1:], p.Spec.Containers[:1]
		}, starting(isStarting)},
		{"Forbidden", "no pod is made, so none can tell", func(d *appsv1.Deployment, _ *corev1.Pod) {
			d.Status = appsv1.DeploymentStatus{ObservedGeneration: 3, Conditions: []appsv1.DeploymentCondition{
				{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: "exceeded quota"}}}
		}, failed("The function agent cannot run: exceeded quota")},
	} {
		t.Run(test.name, func(t *testing.T) {
			objects, deployment, pod := agentWorkload(t)
			test.change(deployment, &pod)
			got, found := dapr.Health(objects, []corev1.Pod{pod})
			if diff := cmp.Diff(test.want, got); diff != "" || !found {
				t.Errorf("%s (-want +got):\n%s", test.because, diff)
			}
		})
	}
}

func TestHealthOfTheSharedDaprd(t *testing.T) {
	objects := made(t, inputOf(servingOf(t, `{outputs: [{dapr: {name: queue}}], dapr: {mode: Shared, strategy: DaemonSet}}`)))
	for _, test := range []struct {
		name, because string
		status        appsv1.DaemonSetStatus
		want          core.Phase
	}{
		{"Ready", "one on every node", appsv1.DaemonSetStatus{DesiredNumberScheduled: 2, UpdatedNumberScheduled: 2, NumberAvailable: 2}, core.Running},
		{"OneMissing", "a node has none", appsv1.DaemonSetStatus{DesiredNumberScheduled: 2, UpdatedNumberScheduled: 2, NumberAvailable: 1}, core.Starting},
		{"OneOld", "a node has an older one", appsv1.DaemonSetStatus{DesiredNumberScheduled: 2, UpdatedNumberScheduled: 1, NumberAvailable: 2}, core.Starting},
		{"NoNode", "no node takes it, so nobody can call it", appsv1.DaemonSetStatus{}, core.Starting},
	} {
		for _, object := range objects {
			if daemons, ok := object.(*appsv1.DaemonSet); ok {
				daemons.Status = test.status
			}
		}
		if got, found := dapr.Health(objects, nil); got.Phase != test.want || !found {
			t.Errorf("%s: %s: %+v", test.name, test.because, got)
		}
	}
	for _, object := range objects {
		if daemons, ok := object.(*appsv1.DaemonSet); ok {
			daemons.Generation = 2
			daemons.Status = appsv1.DaemonSetStatus{ObservedGeneration: 1, DesiredNumberScheduled: 1, UpdatedNumberScheduled: 1, NumberAvailable: 1}
		}
	}
	if got, _ := dapr.Health(objects, nil); got.Phase != core.Starting {
		t.Errorf("the status is about the version before: %+v", got)
	}
}

func TestHealthWithoutDapr(t *testing.T) {
	function := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "orders--async", Labels: map[string]string{"openfunction.io/serving": "orders"}},
		Spec: appsv1.DeploymentSpec{Replicas: ptr.To[int32](1)}}
	if health, found := dapr.Health([]client.Object{function}, nil); found {
		t.Errorf("the function's own workload was taken for Dapr's: %+v", health)
	}
}
