// SPDX-License-Identifier: Apache-2.0

package tekton

import (
	"maps"
	"slices"
	"strconv"

	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/names"
	"github.com/openfunction/openfunction/pkg/problem"
)

// strategy is the middle of a task: what turns source into a pushed image.
type strategy struct {
	steps []tektonv1.Step
	// report is the argument that tells the report step where the digest stands.
	report string
	// params carry what users wrote to the steps, beside those every task has.
	params map[string]string
}

// strategyOf picks the strategy by build.shipwright.strategy.name, and without one by which of builder and dockerfile is set.
func strategyOf(in core.BuildInput) (strategy, error) {
	spec := in.Builder.Spec
	name := ""
	if spec.Shipwright != nil && spec.Shipwright.Strategy != nil {
		name = spec.Shipwright.Strategy.Name
	}
	switch {
	case name == "openfunction", name == "buildpacks", name == "" && spec.Builder != nil:
		return buildpacks(in)
	case name == "buildah", name == "kaniko", name == "dockerfile", name == "wasmedge", name == "":
		return dockerfile(in)
	default:
		return strategy{}, problem.Stalled(corev1beta2.InvalidSpecReason,
			"build.shipwright.strategy.name is %q; use openfunction, buildpacks, buildah, kaniko or dockerfile, or name a Tekton Task in build.taskRef", name)
	}
}

// buildpacks runs the Cloud Native Buildpacks lifecycle of the builder image, as the user that image names
// (Platform API 0.13: https://github.com/buildpacks/spec/blob/platform/v0.13/platform.md).
func buildpacks(in core.BuildInput) (strategy, error) {
	spec := in.Builder.Spec
	if spec.Builder == nil || *spec.Builder == "" {
		return strategy{}, problem.Stalled(corev1beta2.InvalidSpecReason, "build.builder is empty; name the buildpacks builder image")
	}
	args := []string{"-app=" + sourcePath(in.Builder), "-layers=" + layersDir, "-platform=" + platformDir, "-report=" + layersDir + "/report.toml"}
	if cached(spec) {
		args = append(args, "-cache-image="+cacheImage(in.Builder))
	}
	for _, registry := range in.Settings.InsecureRegistries {
		args = append(args, "-insecure-registry="+registry)
	}
	return strategy{
		report: "--report=" + layersDir + "/report.toml",
		steps: []tektonv1.Step{{
			Name:    "build",
			Image:   *spec.Builder,
			Command: []string{"/cnb/lifecycle/creator"},
			Args:    append(args, "$(params.image)"),
			Env:     []corev1.EnvVar{{Name: "CNB_PLATFORM_API", Value: "0.13"}},
			VolumeMounts: append([]corev1.VolumeMount{{Name: "workspace", MountPath: "/workspace"}, {Name: "platform", MountPath: platformDir}},
				dockerMount(in.Builder)...),
			SecurityContext: &corev1.SecurityContext{
				RunAsNonRoot:             ptr.To(true),
				AllowPrivilegeEscalation: ptr.To(false),
				Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
		}},
	}, nil
}

// dockerfile runs kaniko, which unpacks the base image over its own root and so must be root inside its container; it gets
// the capabilities to change owners and modes there, and no other.
func dockerfile(in core.BuildInput) (strategy, error) {
	spec := in.Builder.Spec
	if in.Settings.DockerfileImage == "" {
		return strategy{}, problem.Stalled(corev1beta2.InvalidSpecReason,
			"The dockerfile strategy is not configured; start the controller with --dockerfile-image, or set build.builder")
	}
	file := "Dockerfile"
	if spec.Dockerfile != nil {
		file = "$(params.dockerfile)"
	}
	args := []string{
		"--context=dir://" + sourcePath(in.Builder), "--dockerfile=" + file, "--destination=$(params.image)",
		"--digest-file=" + layersDir + "/digest", "--force",
	}
	if cached(spec) {
		args = append(args, "--cache=true", "--cache-repo="+Repository(spec.Image)+"/cache")
	}
	for _, registry := range in.Settings.InsecureRegistries {
		args = append(args, "--insecure-registry="+registry)
	}
	values := map[string]string{}
	for i, name := range slices.Sorted(maps.Keys(spec.Env)) {
		param := "build-arg-" + strconv.Itoa(i)
		values[param] = name + "=" + spec.Env[name]
		args = append(args, "--build-arg=$(params."+param+")")
	}
	return strategy{
		report: "--digest-file=" + layersDir + "/digest",
		params: values,
		steps: []tektonv1.Step{{
			Name:         "build",
			Image:        in.Settings.DockerfileImage,
			Command:      []string{"/kaniko/executor"},
			Args:         args,
			VolumeMounts: append([]corev1.VolumeMount{{Name: "workspace", MountPath: "/workspace"}}, dockerMount(in.Builder)...),
			SecurityContext: &corev1.SecurityContext{
				RunAsUser:                ptr.To[int64](0),
				AllowPrivilegeEscalation: ptr.To(false),
				Capabilities: &corev1.Capabilities{
					Drop: []corev1.Capability{"ALL"},
					Add:  []corev1.Capability{"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETFCAP", "SETGID", "SETUID"},
				},
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
		}},
	}, nil
}

func cached(spec corev1beta2.BuilderSpec) bool {
	return spec.Cache != corev1beta2.NoBuildCache
}

// cacheImage is where the layers that speed up the next build of the same function are kept: a tag beside the image.
func cacheImage(b *corev1beta2.Builder) string {
	owner := b.Labels[corev1beta2.FunctionLabel]
	if owner == "" {
		owner = b.Name
	}
	return Repository(b.Spec.Image) + ":buildcache-" + names.Label(owner)
}
