// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	httpv1alpha1 "github.com/kedacore/http-add-on/operator/apis/http/v1alpha1"
	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
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

func TestPlayedKnativeWaitsForItsName(t *testing.T) {
	w := world(t)
	must(t, w.Apply(t.Context(), "apiVersion: v1\nkind: Service\nmetadata: {name: hello}\nspec: {ports: [{port: 80}]}", `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello}
spec: {template: {spec: {containers: [{image: example.test/a}]}}}
`))
	service := &kservingv1.Service{}
	must(t, w.Eventually(t.Context(), "Knative to miss the name", func() (bool, error) {
		err := w.Get(t.Context(), "hello", service)
		routes := service.Status.GetCondition(kservingv1.ServiceConditionRoutesReady)
		return routes.IsFalse() && routes.Reason == "NotOwned" && service.Status.GetCondition(kservingv1.ServiceConditionConfigurationsReady).IsTrue(), err
	}))
	must(t, w.Delete(t.Context(), corev1.SchemeGroupVersion.WithKind("Service"), "hello"))
	must(t, w.Eventually(t.Context(), "Knative to have the name", func() (bool, error) {
		err := w.Get(t.Context(), "hello", service)
		return service.IsReady(), err
	}))
	placeholder := &corev1.Service{}
	must(t, w.Get(t.Context(), "hello", placeholder))
	if owners := placeholder.OwnerReferences; len(owners) != 1 || owners[0].Kind != "Route" || owners[0].Name != "hello" {
		t.Errorf("the Service belongs to %v", owners)
	}
	must(t, w.Delete(t.Context(), kservingv1.SchemeGroupVersion.WithKind("Service"), "hello"))
	must(t, w.Eventually(t.Context(), "all to be gone", func() (bool, error) { return len(w.Snapshot()) == 0, nil }))
}

// workload is a Deployment or a StatefulSet of one pod named hello, and word decides how the pod goes.
func workload(kind, word string) string {
	return `
apiVersion: apps/v1
kind: ` + kind + `
metadata: {name: hello}
spec:
  selector: {matchLabels: {app: hello}}
  template: {metadata: {labels: {app: hello}}, spec: {containers: [{name: function, image: "example.test/a:` + word + `"}]}}
`
}

// scaledTo tells whether a Deployment wants and has so many replicas, all of its newest version.
func scaledTo(t *testing.T, w *World, replicas int32) func() (bool, error) {
	return func() (bool, error) {
		d := &appsv1.Deployment{}
		err := w.Get(t.Context(), "hello", d)
		s := d.Status
		return *d.Spec.Replicas == replicas && s.ObservedGeneration == d.Generation && s.AvailableReplicas == replicas && s.Replicas == replicas, err
	}
}

func TestWorkloadsStart(t *testing.T) {
	w := world(t)
	must(t, w.Apply(t.Context(), workload("Deployment", "a"), workload("StatefulSet", "a"), `
apiVersion: batch/v1
kind: Job
metadata: {name: hello}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: function, image: example.test/a}]}}}
`))
	must(t, w.Eventually(t.Context(), "the Deployment", scaledTo(t, w, 1)))
	must(t, w.Eventually(t.Context(), "the StatefulSet", func() (bool, error) {
		s := &appsv1.StatefulSet{}
		err := w.Get(t.Context(), "hello", s)
		return s.Status.AvailableReplicas == 1, err
	}))
	must(t, w.Apply(t.Context(), `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: everywhere}
spec: {selector: {matchLabels: {app: everywhere}}, template: {metadata: {labels: {app: everywhere}}, spec: {containers: [{name: a, image: example.test/a}]}}}
`))
	must(t, w.Eventually(t.Context(), "the DaemonSet", func() (bool, error) {
		d := &appsv1.DaemonSet{}
		err := w.Get(t.Context(), "everywhere", d)
		if err == nil && d.Status.NumberAvailable != 1 {
			err = fmt.Errorf("%+v", d.Status)
		}
		return err == nil, err
	}))
	must(t, w.Eventually(t.Context(), "the Job to complete", func() (bool, error) {
		j := &batchv1.Job{}
		err := w.Get(t.Context(), "hello", j)
		return j.Status.Succeeded == 1 && j.Status.CompletionTime != nil, err
	}))
	for _, kind := range []string{"Pod", "ReplicaSet", "ControllerRevision"} {
		for name := range w.Snapshot() {
			if len(name) > len(kind) && name[:len(kind)] == kind {
				t.Errorf("%s is in the picture", name)
			}
		}
	}
	must(t, w.Apply(t.Context(), workload("Deployment", WordBroken)))
	must(t, w.Eventually(t.Context(), "a pod without an image, beside the old one", func() (bool, error) {
		waiting := ""
		for _, o := range w.Objects("Pod") {
			pod, err := typed[corev1.Pod](o)
			if err != nil {
				return false, err
			}
			for _, status := range pod.Status.ContainerStatuses {
				if status.State.Waiting != nil {
					waiting = status.State.Waiting.Reason
				}
			}
		}
		d := &appsv1.Deployment{}
		err := w.Get(t.Context(), "hello", d)
		return waiting == "ImagePullBackOff" && d.Status.AvailableReplicas == 1 && d.Status.UnavailableReplicas == 1, err
	}))
}

func TestPlayedKubeletTakesPodsAway(t *testing.T) {
	w := world(t)
	// A pod with a node is not deleted at once: the API server marks it, and waits for the kubelet.
	must(t, w.Apply(t.Context(), strings.Replace(workload("Deployment", "a"), "containers:", "nodeName: somewhere, containers:", 1)))
	must(t, w.Eventually(t.Context(), "the Deployment", scaledTo(t, w, 1)))
	first := w.Objects("Pod")[0]
	must(t, w.Client.Delete(t.Context(), first.DeepCopy()))
	must(t, w.Eventually(t.Context(), "another pod in its place", func() (bool, error) {
		have := w.Objects("Pod")
		return len(have) == 1 && have[0].GetUID() != first.GetUID(), nil
	}))
}

// scaledObject is a ScaledObject of the Deployment hello.
func scaledObject(least, word string) string {
	return `
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: hello}
spec: {scaleTargetRef: {name: hello}, minReplicaCount: ` + least + `, triggers: [{type: cron, metadata: {word: ` + word + `}}]}
`
}

func TestPlayedKEDAScales(t *testing.T) {
	w := world(t)
	ready := func() (condition kedav1alpha1.Condition) {
		s := &kedav1alpha1.ScaledObject{}
		must(t, w.Get(t.Context(), "hello", s))
		return s.Status.Conditions.GetReadyCondition()
	}
	must(t, w.Apply(t.Context(), scaledObject("0", "good")))
	must(t, w.Eventually(t.Context(), "the target to be missed", func() (bool, error) { c := ready(); return c.IsFalse(), nil }))
	must(t, w.Apply(t.Context(), workload("Deployment", "a")))
	must(t, w.Eventually(t.Context(), "rest", scaledTo(t, w, 0)))
	must(t, w.Eventually(t.Context(), "an opinion", func() (bool, error) { c := ready(); return c.IsTrue(), nil }))
	must(t, w.Apply(t.Context(), scaledObject("2", "good")))
	must(t, w.Eventually(t.Context(), "two copies", scaledTo(t, w, 2)))
	must(t, w.Apply(t.Context(), scaledObject("0", WordRefused)))
	must(t, w.Eventually(t.Context(), "a refusal", func() (bool, error) { c := ready(); return c.Message == RefusedTrigger, nil }))
	must(t, w.Delete(t.Context(), kedav1alpha1.SchemeGroupVersion.WithKind("ScaledObject"), "hello"))
	must(t, w.Eventually(t.Context(), "it to go", func() (bool, error) { return len(w.Objects("ScaledObject")) == 0, nil }))
	must(t, w.Eventually(t.Context(), "the copies to stay", scaledTo(t, w, 2)))
}

func TestPlayedAddOnMakesAScaledObject(t *testing.T) {
	w := world(t)
	must(t, w.Apply(t.Context(), workload("Deployment", "a"), `
apiVersion: http.keda.sh/v1alpha1
kind: HTTPScaledObject
metadata: {name: hello}
spec: {hosts: [a.example.test], scaleTargetRef: {name: hello, kind: Deployment, apiVersion: apps/v1, service: hello, port: 80}, replicas: {min: 0, max: 3}}
`))
	scaler := &httpv1alpha1.HTTPScaledObject{}
	must(t, w.Eventually(t.Context(), "the add-on's answer", func() (bool, error) {
		err := w.Get(t.Context(), "hello", scaler)
		ready := meta.FindStatusCondition(scaler.Status.Conditions, httpv1alpha1.ConditionTypeReady)
		return ready != nil && ready.Status == "True" && ready.ObservedGeneration == scaler.Generation, err
	}))
	must(t, w.Eventually(t.Context(), "rest", scaledTo(t, w, 0)))
	must(t, w.Delete(t.Context(), kedav1alpha1.SchemeGroupVersion.WithKind("ScaledObject"), "hello"))
	must(t, w.Eventually(t.Context(), "another ScaledObject", func() (bool, error) {
		made := w.Objects("ScaledObject")
		return len(made) == 1 && made[0].GetDeletionTimestamp() == nil && made[0].GetOwnerReferences()[0].UID == scaler.UID, nil
	}))
	must(t, w.Delete(t.Context(), httpv1alpha1.SchemeGroupVersion.WithKind("HTTPScaledObject"), "hello"))
	must(t, w.Eventually(t.Context(), "both to go, and the copies to be as before", func() (bool, error) {
		rest, err := scaledTo(t, w, 1)()
		return rest && len(w.Objects("ScaledObject"))+len(w.Objects("HTTPScaledObject")) == 0, err
	}))
}

func TestPlayedDaprInjectsAndMakesAService(t *testing.T) {
	w := world(t)
	annotated := func(value string) string {
		return strings.Replace(workload("Deployment", "a"), "metadata: {labels: {app: hello}}",
			"metadata: {labels: {app: hello}, annotations: {dapr.io/app-id: it, dapr.io/enabled: '"+value+"'}}", 1)
	}
	containers := func() (names []string) {
		for _, o := range w.Objects("Pod") {
			pod, err := typed[corev1.Pod](o)
			must(t, err)
			for _, container := range pod.Spec.Containers {
				names = append(names, container.Name)
			}
		}
		return names
	}
	must(t, w.Apply(t.Context(), annotated("true")))
	must(t, w.Eventually(t.Context(), "daprd", func() (bool, error) { return slices.Equal(containers(), []string{"function", "daprd"}), nil }))
	must(t, w.Eventually(t.Context(), "its Service", func() (bool, error) {
		return len(w.Objects("Service")) == 1 && w.Objects("Service")[0].GetName() == "it-dapr", nil
	}))
	must(t, w.Delete(t.Context(), corev1.SchemeGroupVersion.WithKind("Service"), "it-dapr"))
	must(t, w.Eventually(t.Context(), "another Service", func() (bool, error) { return len(w.Objects("Service")) == 1, nil }))
	must(t, w.Apply(t.Context(), annotated("false")))
	must(t, w.Eventually(t.Context(), "no daprd", func() (bool, error) { return slices.Equal(containers(), []string{"function"}), nil }))
}
