// SPDX-License-Identifier: Apache-2.0

package knative_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"knative.dev/pkg/apis"
	duckv1 "knative.dev/pkg/apis/duck/v1"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/route"
	"github.com/openfunction/openfunction/pkg/core/serving/knative"
)

// live is a Service of generation 2 whose newest revision is hello-2 and whose last ready one is given; observed is the
// generation Knative has looked at.
func live(ready corev1.ConditionStatus, reason, message, lastReady string, observed int64, pods ...corev1.Pod) core.Live {
	service := &kservingv1.Service{ObjectMeta: metav1.ObjectMeta{Name: "hello", Generation: 2}}
	service.Status.ObservedGeneration = observed
	service.Status.LatestCreatedRevisionName, service.Status.LatestReadyRevisionName = "hello-2", lastReady
	if ready != "" {
		service.Status.Conditions = duckv1.Conditions{{Type: apis.ConditionReady, Status: ready, Reason: reason, Message: message}}
	}
	return core.Live{Objects: []client.Object{service}, Pods: pods, ClusterDomain: "cluster.local"}
}

// unpullable is a pod of a revision whose image cannot be pulled.
func unpullable(revision string) corev1.Pod {
	return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"serving.knative.dev/revision": revision}},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "function", Image: "wrong",
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}}}}}
}

func TestHealth(t *testing.T) {
	const pull = "The image wrong cannot be pulled; check that it exists and that imageCredentials names a Secret that may read it"
	unseen := core.Health{Phase: core.Starting, Reason: "Starting", Message: "Knative has not looked at this version yet"}
	for _, test := range []struct {
		name, because string
		live          core.Live
		want          core.Health
	}{
		{"Missing", "a missing object is about to be made", core.Live{}, unseen},
		{"Unobserved", "what Knative says is about an older generation", live(corev1.ConditionTrue, "", "", "hello-1", 1), unseen},
		{"NoCondition", "it has begun to look", live("", "", "", "", 2),
			core.Health{Phase: core.Starting, Reason: "Starting", Message: "Knative is starting this version"}},
		{"Ready", "this version serves", live(corev1.ConditionTrue, "", "", "hello-2", 2),
			core.Health{Phase: core.Running, Reason: "Running", Message: "Knative serves this version"}},
		{"ReadyAtZero", "pods in trouble do not matter to a version that is ready", live(corev1.ConditionTrue, "", "", "hello-2", 2, unpullable("hello-2")),
			core.Health{Phase: core.Running, Reason: "Running", Message: "Knative serves this version"}},
		{"Starting", "Knative's own words are passed on", live(corev1.ConditionUnknown, "Deploying", "Waiting for pods", "", 2),
			core.Health{Phase: core.Starting, Reason: "Starting", Message: "Knative is starting this version: Waiting for pods"}},
		{"StartingBesideOld", "the older version answers meanwhile", live(corev1.ConditionUnknown, "", "", "hello-1", 2),
			core.Health{Phase: core.Starting, Reason: "Starting", Message: "Knative is starting this version", Serving: "hello-1"}},
		{"Broken", "nothing serves", live(corev1.ConditionFalse, "RevisionFailed", "exit code 1", "", 2),
			core.Health{Phase: core.Failed, Reason: "RevisionFailed", Message: "exit code 1"}},
		{"BrokenBesideOld", "users must know that they are not down", live(corev1.ConditionFalse, "RevisionFailed", "exit code 1", "hello-1", 2),
			core.Health{Phase: core.Failed, Reason: "RevisionFailed", Message: "exit code 1; the previous version keeps serving", Serving: "hello-1"}},
		{"BrokenWithoutWords", "a condition of ours needs a reason the API server takes, and a message", live(corev1.ConditionFalse, "no reason!", "", "", 2),
			core.Health{Phase: core.Failed, Reason: "Failed", Message: "Knative cannot serve this version and does not say why; look at its revision"}},
		{"PodInTrouble", "Knative says so only after its progress deadline", live(corev1.ConditionUnknown, "", "", "", 2, unpullable("hello-2")),
			core.Health{Phase: core.Failed, Reason: corev1beta2.ImagePullFailedReason, Message: pull}},
		{"OldPodInTrouble", "an older revision's pods say nothing of this one", live(corev1.ConditionUnknown, "", "", "", 2, unpullable("hello-1")),
			core.Health{Phase: core.Starting, Reason: "Starting", Message: "Knative is starting this version"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, knative.Run{}.Health(test.live)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.because, diff)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	l := live(corev1.ConditionTrue, "", "", "hello-2", 2)
	if got := (knative.Run{}).Addresses(l); got != nil {
		t.Errorf("addresses out of nothing: %v", got)
	}
	service := l.Objects[0].(*kservingv1.Service)
	service.Status.Address = &duckv1.Addressable{URL: apis.HTTP("hello--knative.team.svc.cluster.local")}
	service.Status.URL = apis.HTTP("hello--knative.team.example.com")
	outside := corev1beta2.FunctionAddress{Type: ptr.To(corev1beta2.ExternalAddressType), Value: "http://hello--knative.team.example.com"}
	if diff := cmp.Diff([]corev1beta2.FunctionAddress{outside}, knative.Run{}.Addresses(l)); diff != "" {
		t.Error(diff)
	}
	service.Status.URL = apis.HTTP("hello--knative.team.svc.cluster.local")
	if got := (knative.Run{}).Addresses(l); got != nil {
		t.Errorf("a function for the cluster alone has no address outside: %v", got)
	}
}

func TestBackendIsTheKnativeService(t *testing.T) {
	in := core.Input{Serving: &corev1beta2.Serving{ObjectMeta: metav1.ObjectMeta{Name: "hello", Namespace: "team"}}, ClusterDomain: "cluster.local"}
	want := route.Backend{Address: "hello--knative.team.svc.cluster.local:80", Host: "hello--knative.team.svc.cluster.local"}
	if diff := cmp.Diff(want, knative.Run{}.Backend(in)); diff != "" {
		t.Error(diff)
	}
}

func TestConcurrencyThatIsNoNumber(t *testing.T) {
	for _, text := range []string{"many", "-1", "1.5", ""} {
		s := &corev1beta2.Serving{}
		s.Spec.ScaleOptions = &corev1beta2.ScaleOptions{Knative: &map[string]string{"autoscaling.knative.dev/container-concurrency": text}}
		if _, err := (knative.Run{}).Desired(core.Input{Serving: s}); err == nil {
			t.Errorf("%q was taken for a limit", text)
		}
	}
}

func TestHealthWaitsForTheRevisionOfThisVersion(t *testing.T) {
	live := live(corev1.ConditionUnknown, "OutOfDate", "", "hello-1", 2, unpullable("hello-2"))
	service, _ := core.Find[*kservingv1.Service](live)
	service.Status.MarkConfigurationNotReconciled()
	if health := (knative.Run{}).Health(live); health.Phase != core.Starting {
		t.Errorf("while Knative has not made the revision of this version, the pods of the one before count: %+v", health)
	}
	service.Status.SetConditions(nil)
	if health := (knative.Run{}).Health(live); health.Phase != core.Failed {
		t.Errorf("once the revision is made, its pods count: %+v", health)
	}
}
