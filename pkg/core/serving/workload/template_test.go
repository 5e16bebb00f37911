// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/serving/workload"
)

// input is a Serving named hello, changed by the options.
func input(options ...func(*corev1beta2.Serving)) core.Input {
	s := &corev1beta2.Serving{ObjectMeta: metav1.ObjectMeta{Name: "hello", Namespace: "team"}}
	s.Spec.Image = "registry.example.com/hello:v1"
	for _, option := range options {
		option(s)
	}
	return core.Input{Serving: s, ClusterDomain: "cluster.local"}
}

func template(t *testing.T, in core.Input, pods workload.Pods) corev1.PodTemplateSpec {
	t.Helper()
	template, err := workload.Template(in, pods)
	if err != nil {
		t.Fatal(err)
	}
	return template
}

func TestVersion(t *testing.T) {
	deployment := workload.Pods{Run: "run", Kind: workload.Deployment}
	version := workload.Version(template(t, input(), deployment))
	if version == "" {
		t.Fatal("no version")
	}
	for _, test := range []struct {
		name, because string
		in            core.Input
		pods          workload.Pods
		same          bool
	}{
		{"Same", "nothing has changed", input(), deployment, true},
		{"Scale", "the pods stay as they are", input(func(s *corev1beta2.Serving) {
			s.Spec.ScaleOptions = &corev1beta2.ScaleOptions{MaxReplicas: ptr.To[int32](9)}
		}), deployment, true},
		{"Timeout", "the pods stay as they are", input(func(s *corev1beta2.Serving) { s.Spec.Timeout = &metav1.Duration{Duration: time.Hour} }), deployment, true},
		{"Image", "the pods are others", input(func(s *corev1beta2.Serving) { s.Spec.Image += "1" }), deployment, false},
		{"Label", "the pods are others", input(func(s *corev1beta2.Serving) { s.Spec.Labels = map[string]string{"a": "b"} }), deployment, false},
		{"Kind", "the pods of a Deployment are no copies of a StatefulSet", input(), workload.Pods{Run: "run", Kind: workload.StatefulSet}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := workload.Version(template(t, test.in, test.pods)); (got == version) != test.same {
				t.Errorf("%s: %s became %s", test.because, version, got)
			}
		})
	}
}

func TestTheUserCannotClaimAVersion(t *testing.T) {
	in := input(func(s *corev1beta2.Serving) { s.Spec.Labels = map[string]string{workload.VersionLabel: "mine"} })
	if version := workload.Version(template(t, in, workload.Pods{Run: "run", Kind: workload.Deployment})); version == "mine" {
		t.Error("a broken version would pass for one that has started")
	}
}

func TestRestartPolicyOfJobs(t *testing.T) {
	inTemplate := func(policy corev1.RestartPolicy) func(*corev1beta2.Serving) {
		return func(s *corev1beta2.Serving) { s.Spec.Template = &corev1.PodSpec{RestartPolicy: policy} }
	}
	option := func(s *corev1beta2.Serving) {
		s.Spec.ScaleOptions = &corev1beta2.ScaleOptions{Keda: &corev1beta2.KedaScaleOptions{ScaledJob: &corev1beta2.KedaScaledJob{RestartPolicy: ptr.To(corev1.RestartPolicyOnFailure)}}}
	}
	for _, test := range []struct {
		name, because string
		in            core.Input
		want          corev1.RestartPolicy
	}{
		{"None", "this is the default", input(), corev1.RestartPolicyOnFailure},
		{"Always", "a Job has to end", input(inTemplate(corev1.RestartPolicyAlways)), corev1.RestartPolicyOnFailure},
		{"Template", "the user says so", input(inTemplate(corev1.RestartPolicyNever)), corev1.RestartPolicyNever},
		{"Option", "the option is about nothing else", input(inTemplate(corev1.RestartPolicyNever), option), corev1.RestartPolicyOnFailure},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := template(t, test.in, workload.Pods{Run: "run", Kind: workload.Job}).Spec.RestartPolicy; got != test.want {
				t.Errorf("%s: got %s", test.because, got)
			}
		})
	}
}

func TestProgressDeadline(t *testing.T) {
	for _, test := range []struct {
		name, because string
		timeout       *metav1.Duration
		want          *int32
	}{
		{"None", "Kubernetes has one of its own", nil, nil},
		{"Zero", "no limit is wanted", &metav1.Duration{}, nil},
		{"Fraction", "at least the time that was asked for", &metav1.Duration{Duration: 90*time.Second + time.Millisecond}, ptr.To[int32](91)},
		{"Short", "Kubernetes wants more than a copy needs to count", &metav1.Duration{Duration: time.Second}, ptr.To[int32](4)},
		{"Long", "it must not become negative", &metav1.Duration{Duration: 1 << 62}, ptr.To[int32](2147483647)},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := input(func(s *corev1beta2.Serving) { s.Spec.Timeout = test.timeout })
			pods := template(t, in, workload.Pods{Run: "run", Kind: workload.Deployment})
			got := workload.Object{Name: "hello--http", Run: "run"}.Deployment(in, pods, nil).Spec.ProgressDeadlineSeconds
			if ptr.Deref(got, -1) != ptr.Deref(test.want, -1) {
				t.Errorf("%s: got %d", test.because, ptr.Deref(got, -1))
			}
		})
	}
}
