// SPDX-License-Identifier: Apache-2.0

package tekton

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/tektoncd/pipeline/pkg/apis/pipeline/pod"
	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
)

// Folders inside the build pod.
const (
	sourceDir      = "/workspace/source"
	platformDir    = "/platform"
	layersDir      = "/layers"
	homeDir        = "/home/build"
	credentialsDir = "/credentials"
	dockerDir      = "/docker"
	inlineDir      = "/inline"
)

// fetcherUser is the unprivileged user of our own steps.
const fetcherUser = 65532

// results are what a task of ours reports; a Task of the user's own may report the same names.
var results = []string{"image-digest", "image-size", "commit-sha", "commit-author", "branch-name", "bundle-digest", "failure-reason"}

func taskRun(in core.BuildInput) (*tektonv1.TaskRun, error) {
	b := in.Builder
	spec := tektonv1.TaskRunSpec{Timeout: timeout(b), PodTemplate: podTemplate(b)}
	if own := b.Spec.TaskRef; own != nil {
		spec.TaskRef = &tektonv1.TaskRef{Name: own.Name, Kind: tektonv1.NamespacedTaskKind}
		spec.Params = params(in, ownParams(b), asWritten)
	} else {
		strategy, err := strategyOf(in)
		if err != nil {
			return nil, err
		}
		spec.Params = params(in, strategy.params, literal)
		spec.TaskSpec = task(in, strategy, spec.Params)
	}
	return &tektonv1.TaskRun{ObjectMeta: childMeta(b), Spec: spec}, nil
}

// podTemplate lets the kubelet pull a private builder image.
func podTemplate(b *corev1beta2.Builder) *pod.PodTemplate {
	template := &pod.PodTemplate{EnableServiceLinks: ptr.To(false), AutomountServiceAccountToken: ptr.To(false)}
	if credentials := b.Spec.BuilderCredentials; credentials != nil && credentials.Name != "" {
		template.ImagePullSecrets = []corev1.LocalObjectReference{*credentials}
	}
	return template
}

// Pod returns what the pod of an embedded task will hold, besides what Tekton adds; nil when the task is the user's own.
func Pod(run *tektonv1.TaskRun) *corev1.PodTemplateSpec {
	if run.Spec.TaskSpec == nil {
		return nil
	}
	pod := &corev1.PodTemplateSpec{ObjectMeta: run.ObjectMeta, Spec: corev1.PodSpec{Volumes: run.Spec.TaskSpec.Volumes}}
	for i := range run.Spec.TaskSpec.Steps {
		pod.Spec.Containers = append(pod.Spec.Containers, *run.Spec.TaskSpec.Steps[i].ToK8sContainer())
	}
	return pod
}

// timeout is how long Tekton lets the build run. Without one there is no limit; Tekton's own default would be an hour.
func timeout(b *corev1beta2.Builder) *metav1.Duration {
	if b.Spec.Timeout == nil {
		return &metav1.Duration{}
	}
	return b.Spec.Timeout
}

// params carry everything that users write into the task, those of the strategy or the user's own Task included. Tekton tells
// names of parameters apart without regard to case, so no name here is made of what a user wrote.
func params(in core.BuildInput, more map[string]string, escape func(string) string) tektonv1.Params {
	spec := in.Builder.Spec
	values := map[string]string{"image": spec.Image, "env": environment(in)}
	if source := spec.SrcRepo; source != nil {
		values["url"] = source.URL
		values["revision"] = ptr.Deref(source.Revision, "")
		values["sub-path"] = ptr.Deref(source.SourceSubPath, "")
		if bundle := source.BundleContainer; bundle != nil {
			values["bundle"] = bundle.Image
		}
	}
	if spec.Dockerfile != nil {
		values["dockerfile"] = *spec.Dockerfile
	}
	maps.Copy(values, more)
	var params tektonv1.Params
	for _, name := range slices.Sorted(maps.Keys(values)) {
		params = append(params, tektonv1.Param{Name: name, Value: *tektonv1.NewStructuredValues(escape(values[name]))})
	}
	return params
}

// ownParams are the parameters of a Task of the user's own: the user's, and the names of what it may mount. Tekton ignores those a Task does
// not declare.
func ownParams(b *corev1beta2.Builder) map[string]string {
	values := map[string]string{"image-credentials": pushSecret(b), "source-credentials": credentialsOf(b)}
	if b.Spec.Source != nil {
		values["source-configmap"] = b.Name
	}
	if b.Spec.Shipwright == nil {
		return values
	}
	for _, p := range b.Spec.Shipwright.Params {
		if p.SingleValue != nil && p.Value != nil {
			values[p.Name] = *p.Value
		}
	}
	return values
}

// environment is build.env, with the operator's Go proxy where the user names none, as a JSON object.
func environment(in core.BuildInput) string {
	env := maps.Clone(in.Builder.Spec.Env)
	if env == nil {
		env = map[string]string{}
	}
	if _, own := env["FUNC_GOPROXY"]; !own && in.Settings.GoProxy != "" {
		env["FUNC_GOPROXY"] = in.Settings.GoProxy
	}
	text, err := json.Marshal(env)
	if err != nil {
		return "{}" // a map of strings always has a JSON form
	}
	return string(text)
}

// task is fetch, strategy, report.
func task(in core.BuildInput, strategy strategy, params tektonv1.Params) *tektonv1.TaskSpec {
	task := &tektonv1.TaskSpec{
		Volumes: volumes(in.Builder),
		StepTemplate: &tektonv1.StepTemplate{
			Env:          stepEnv(in.Builder),
			VolumeMounts: []corev1.VolumeMount{{Name: "home", MountPath: homeDir}, {Name: "layers", MountPath: layersDir}},
		},
		Steps: append([]tektonv1.Step{fetch(in)}, append(strategy.steps, report(in, strategy.report))...),
	}
	for _, p := range params {
		task.Params = append(task.Params, tektonv1.ParamSpec{Name: p.Name, Type: tektonv1.ParamTypeString})
	}
	for _, name := range results {
		task.Results = append(task.Results, tektonv1.TaskResult{Name: name, Type: tektonv1.ResultsTypeString})
	}
	return task
}

func fetch(in core.BuildInput) tektonv1.Step {
	args := []string{"--dest=" + sourceDir, "--platform-env=" + platformDir + "/env", "--env-json=$(params.env)"}
	mounts := []corev1.VolumeMount{{Name: "workspace", MountPath: "/workspace"}, {Name: "platform", MountPath: platformDir}}
	switch source := in.Builder.Spec.SrcRepo; {
	case source == nil:
		args = append(args, "--inline="+inlineDir+"/"+inlineKey)
		mounts = append(mounts, corev1.VolumeMount{Name: "inline", MountPath: inlineDir, ReadOnly: true})
	case source.BundleContainer != nil:
		args = append(args, "--bundle=$(params.bundle)", "--sub-path=$(params.sub-path)")
	default:
		args = append(args, "--url=$(params.url)", "--revision=$(params.revision)", "--sub-path=$(params.sub-path)")
	}
	if credentialsOf(in.Builder) != "" {
		args = append(args, "--credentials="+credentialsDir)
		mounts = append(mounts, corev1.VolumeMount{Name: "credentials", MountPath: credentialsDir, ReadOnly: true})
	}
	return ours(in, "fetch", append(args, insecure(in, "--insecure-registries=")...), mounts)
}

func report(in core.BuildInput, from string) tektonv1.Step {
	return ours(in, "report", append([]string{from, "--image=$(params.image)"}, insecure(in, "--insecure-registries=")...), nil)
}

// ours is a step that runs the fetcher, which needs no privilege at all.
func ours(in core.BuildInput, command string, args []string, mounts []corev1.VolumeMount) tektonv1.Step {
	return tektonv1.Step{
		Name:         command,
		Image:        in.Settings.FetcherImage,
		Command:      []string{"/fetcher", command},
		Args:         args,
		VolumeMounts: append(append(mounts, corev1.VolumeMount{Name: "tmp", MountPath: "/tmp"}), dockerMount(in.Builder)...),
		SecurityContext: &corev1.SecurityContext{
			RunAsUser:                ptr.To[int64](fetcherUser),
			RunAsGroup:               ptr.To[int64](fetcherUser),
			RunAsNonRoot:             ptr.To(true),
			ReadOnlyRootFilesystem:   ptr.To(true),
			AllowPrivilegeEscalation: ptr.To(false),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
	}
}

func insecure(in core.BuildInput, flag string) []string {
	if len(in.Settings.InsecureRegistries) == 0 {
		return nil
	}
	return []string{flag + strings.Join(in.Settings.InsecureRegistries, ",")}
}

func stepEnv(b *corev1beta2.Builder) []corev1.EnvVar {
	env := []corev1.EnvVar{{Name: "HOME", Value: homeDir}}
	if pushSecret(b) != "" {
		env = append(env, corev1.EnvVar{Name: "DOCKER_CONFIG", Value: dockerDir})
	}
	return env
}

func volumes(b *corev1beta2.Builder) []corev1.Volume {
	var volumes []corev1.Volume
	for _, name := range []string{"workspace", "platform", "layers", "home", "tmp"} {
		volumes = append(volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	}
	if b.Spec.SrcRepo == nil {
		volumes = append(volumes, corev1.Volume{Name: "inline", VolumeSource: corev1.VolumeSource{
			ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: b.Name}}}})
	}
	if secret := credentialsOf(b); secret != "" {
		volumes = append(volumes, corev1.Volume{Name: "credentials", VolumeSource: corev1.VolumeSource{
			Secret: &corev1.SecretVolumeSource{SecretName: secret, DefaultMode: ptr.To[int32](0o444)}}})
	}
	if secret := pushSecret(b); secret != "" {
		volumes = append(volumes, corev1.Volume{Name: "docker", VolumeSource: corev1.VolumeSource{
			Secret: &corev1.SecretVolumeSource{SecretName: secret, DefaultMode: ptr.To[int32](0o444),
				Items: []corev1.KeyToPath{{Key: corev1.DockerConfigJsonKey, Path: "config.json"}}}}})
	}
	return volumes
}

func dockerMount(b *corev1beta2.Builder) []corev1.VolumeMount {
	if pushSecret(b) == "" {
		return nil
	}
	return []corev1.VolumeMount{{Name: "docker", MountPath: dockerDir, ReadOnly: true}}
}

func pushSecret(b *corev1beta2.Builder) string {
	if b.Spec.ImageCredentials == nil {
		return ""
	}
	return b.Spec.ImageCredentials.Name
}

func credentialsOf(b *corev1beta2.Builder) string {
	if b.Spec.SrcRepo == nil || b.Spec.SrcRepo.Credentials == nil {
		return ""
	}
	return b.Spec.SrcRepo.Credentials.Name
}

// Secrets returns the names of the Secrets a build mounts, with the field that names each.
func Secrets(b *corev1beta2.Builder) map[string]string {
	secrets := map[string]string{}
	if name := pushSecret(b); name != "" {
		secrets[name] = "imageCredentials"
	}
	if name := credentialsOf(b); name != "" {
		secrets[name] = "build.srcRepo.credentials"
	}
	return secrets
}

// Repository returns an image reference without its tag and digest.
func Repository(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if colon := strings.LastIndex(image, ":"); colon > strings.LastIndex(image, "/") {
		image = image[:colon]
	}
	return image
}

// sourcePath is the folder that is built.
func sourcePath(b *corev1beta2.Builder) string {
	if b.Spec.SrcRepo == nil || ptr.Deref(b.Spec.SrcRepo.SourceSubPath, "") == "" {
		return sourceDir
	}
	return sourceDir + "/$(params.sub-path)"
}

// literal keeps the kubelet from expanding $(VARIABLE) in text of the user's
// (https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/).
func literal(text string) string {
	return strings.ReplaceAll(text, "$", "$$")
}

// asWritten is for a Task of the user's own, which may use parameters where nothing is expanded.
func asWritten(text string) string { return text }
