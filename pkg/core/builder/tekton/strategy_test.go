// SPDX-License-Identifier: Apache-2.0

package tekton_test

import (
	"testing"

	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"k8s.io/utils/ptr"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/builder/tekton"
	"github.com/openfunction/openfunction/pkg/problem"
)

func TestStrategyIsChosen(t *testing.T) {
	const buildpacks, kaniko = "/cnb/lifecycle/creator", "/kaniko/executor"
	for _, test := range []struct {
		name, because       string
		strategy            string
		builder, dockerfile string
		image               string // of the dockerfile strategy
		want                string // the command of the step, or "" for a problem
	}{
		{"Builder", "a builder image builds with buildpacks", "", "b", "", "k", buildpacks},
		{"Dockerfile", "a Dockerfile without a builder", "", "", "Dockerfile", "k", kaniko},
		{"Both", "the builder image decides", "", "b", "Dockerfile", "k", buildpacks},
		{"Openfunction", "the established name of buildpacks", "openfunction", "b", "", "k", buildpacks},
		{"Buildpacks", "our own name", "buildpacks", "b", "", "k", buildpacks},
		{"Buildah", "an established name of a Dockerfile build", "buildah", "b", "", "k", kaniko},
		{"Kaniko", "another", "kaniko", "b", "Dockerfile", "k", kaniko},
		{"NoBuilder", "buildpacks need a builder image", "openfunction", "", "Dockerfile", "k", ""},
		{"NotConfigured", "the operator gave no image for it", "", "", "Dockerfile", "", ""},
		{"Unknown", "a name of somebody's own", "mine", "b", "", "k", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &corev1beta2.Builder{}
			b.Spec.SrcRepo = &corev1beta2.GitRepo{URL: "https://git.example.com/a"}
			if test.builder != "" {
				b.Spec.Builder = ptr.To(test.builder)
			}
			if test.dockerfile != "" {
				b.Spec.Dockerfile = ptr.To(test.dockerfile)
			}
			if test.strategy != "" {
				b.Spec.Shipwright = &corev1beta2.ShipwrightEngine{Strategy: &corev1beta2.Strategy{Name: test.strategy}}
			}
			objects, err := tekton.Run{}.Desired(core.BuildInput{Builder: b, Settings: core.BuildSettings{FetcherImage: "f", DockerfileImage: test.image}})
			if stalled, is := problem.AsStalled(err); is != (test.want == "") || is && stalled.Reason != corev1beta2.InvalidSpecReason {
				t.Fatalf("%s: %v", test.because, err)
			}
			if test.want == "" {
				return
			}
			if got := objects[0].(*tektonv1.TaskRun).Spec.TaskSpec.Steps[1].Command[0]; got != test.want {
				t.Errorf("%s: %s builds", test.because, got)
			}
		})
	}
}
