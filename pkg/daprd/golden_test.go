// SPDX-License-Identifier: Apache-2.0

package daprd_test

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/openfunction/openfunction/pkg/daprd"
	"github.com/openfunction/openfunction/test/golden"
)

// TestGolden makes the pod and the Service of every testdata/*.in.yaml: Options, and optionally the annotations of a user.
func TestGolden(t *testing.T) {
	golden.Run(t, func(t *testing.T, documents [][]byte) []client.Object {
		var o daprd.Options
		golden.Decode(t, documents[0], &o)
		if len(documents) > 1 {
			var annotations map[string]string
			golden.Decode(t, documents[1], &annotations)
			before, err := yaml.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			with, err := o.WithAnnotations(annotations)
			if err != nil {
				t.Fatal(err)
			}
			if after, err := yaml.Marshal(o); err != nil || string(after) != string(before) {
				t.Errorf("the options were changed from %s to %s (%v)", before, after, err)
			}
			o = with
		}
		container, volumes := daprd.Container(o)
		if again, _ := daprd.Container(o); !reflect.DeepEqual(container, again) {
			t.Error("equal options gave different containers")
		}
		return []client.Object{
			&corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Annotations: daprd.PodAnnotations(o)},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{container}, Volumes: volumes},
			},
			&corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Name: daprd.ServiceName(o.AppID)},
				Spec:       corev1.ServiceSpec{Ports: daprd.ServicePorts(o)},
			},
		}
	})
}
