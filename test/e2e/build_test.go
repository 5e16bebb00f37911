// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

var _ = Describe("a build", Label("tekton"), long, Ordered, ContinueOnFailure, func() {
	It("fetches a branch and a sub-path from git, with a dependency, and reports commit, digest and duration", func(ctx SpecContext) {
		loadGit(ctx, "greeter")
		apply(ctx, `
metadata: {name: from-git}
spec:
  image: $REGISTRY/e2e/from-git:v1
  build:
    builder: $BUILDER
    env: {FUNC_NAME: Greet}
    srcRepo:
      url: $GIT/public/greeter.git
      revision: main
      sourceSubPath: app
  serving: {}
`)
		f := ready(ctx, "from-git")
		Expect(get(ctx, f)).To(HavePrefix("greeting "))
		Expect(f.Status.Image).To(MatchRegexp(`/e2e/from-git@sha256:[0-9a-f]{64}$`))
		Expect(f.Status.Revision.ImageDigest).To(HavePrefix("sha256:"))
		Expect(f.Status.Sources).To(HaveLen(1))
		Expect(f.Status.Sources[0].Git.CommitSha).To(MatchRegexp("^[0-9a-f]{40}$"))
		Expect(f.Status.Build.BuildDuration.Duration).To(BeNumerically(">", 0))
		Expect(f.Status.Build.State).To(Equal(corev1beta2.Succeeded))
		Expect(f.Status.Serving.State).To(Equal(corev1beta2.Running))
	})

	DescribeTable("reads a private repository with the credentials of a Secret",
		func(ctx SpecContext, name, from string, secret func() *corev1.Secret) {
			loadGit(ctx, "greeter", "--private")
			credentials := secret()
			credentials.ObjectMeta = metav1.ObjectMeta{Name: name, Namespace: namespace}
			Expect(c.Create(ctx, credentials)).To(Succeed())
			apply(ctx, strings.NewReplacer("NAME", name, "FROM", from).Replace(`
metadata: {name: NAME}
spec:
  image: $REGISTRY/e2e/NAME:v1
  build:
    builder: $BUILDER
    env: {FUNC_NAME: Greet}
    srcRepo: {url: FROM/private/greeter.git, sourceSubPath: app, credentials: {name: NAME}}
`))
			f := ready(ctx, name)
			Expect(f.Status.Sources[0].Git.CommitSha).To(MatchRegexp("^[0-9a-f]{40}$"))
			Expect(kubectl(ctx, "get", "fn,fb,taskruns", name, "-o", "yaml")).NotTo(ContainSubstring(cluster.GitPassword))
		},
		Entry("over http with a password", "git-basic", "$GIT", func() *corev1.Secret {
			return &corev1.Secret{Type: corev1.SecretTypeBasicAuth, StringData: map[string]string{"username": cluster.GitUser, "password": cluster.GitPassword}}
		}),
		Entry("over ssh with a key", "git-ssh", "$SSH", func() *corev1.Secret {
			key, err := os.ReadFile(cluster.GitSSHKey)
			Expect(err).NotTo(HaveOccurred())
			known, err := os.ReadFile(cluster.GitKnownHosts)
			Expect(err).NotTo(HaveOccurred())
			return &corev1.Secret{Type: corev1.SecretTypeSSHAuth, StringData: map[string]string{"ssh-privatekey": string(key), "known_hosts": string(known)}}
		}),
	)

	It("builds a Dockerfile", func(ctx SpecContext) {
		loadGit(ctx, "page")
		apply(ctx, strings.ReplaceAll(`
metadata: {name: from-dockerfile}
spec:
  image: $REGISTRY/e2e/from-dockerfile:v1
  build:
    dockerfile: Dockerfile
    env: {BASE: SHELL, GREETING: made by a Dockerfile}
    srcRepo: {url: $GIT/public/page.git}
  serving: {}
`, "SHELL", cluster.ShellImage))
		Expect(get(ctx, ready(ctx, "from-dockerfile"))).To(Equal("made by a Dockerfile\n"))
	})

	It("that fails says which step failed and how its log ends, and is mended by a new source", func(ctx SpecContext) {
		apply(ctx, inlineOf("broken", strings.Replace(greeting("broken"), "w.Write(", "w.Wriet(", 1)))
		f := becomes(ctx, "broken", corev1beta2.BuiltCondition, metav1.ConditionFalse)
		Expect(f.Status.Build.State).To(Equal(corev1beta2.Failed))
		Expect(f.Status.Build.Failure.Step).To(Equal("build"))
		Expect(f.Status.Build.Failure.Log).To(ContainSubstring("w.Wriet undefined"))
		Expect(condition(f, corev1beta2.StalledCondition).Status).To(Equal(metav1.ConditionTrue))
		apply(ctx, inline("broken", "mended"))
		Expect(get(ctx, ready(ctx, "broken"))).To(Equal("mended"))
	})

	It("is cancelled by a newer source", func(ctx SpecContext) {
		apply(ctx, inline("hasty", "first"))
		first := ""
		Eventually(ctx, func() string {
			f := read(ctx, "hasty")
			if f.Status.Build != nil && f.Status.Build.State == corev1beta2.Building {
				first = f.Status.Build.ResourceRef
			}
			return first
		}).ShouldNot(BeEmpty())
		apply(ctx, inline("hasty", "second"))
		Expect(get(ctx, ready(ctx, "hasty"))).To(Equal("second"))
		run := &tektonv1.TaskRun{}
		Expect(c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: first}, run)).To(Succeed())
		Expect(run.Spec.Status).To(BeEquivalentTo(tektonv1.TaskRunSpecStatusCancelled))
		cancelled := &corev1beta2.Builder{}
		Expect(c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: first}, cancelled)).To(Succeed())
		Expect(cancelled.Status.State).To(Equal(corev1beta2.Canceled))
	})

	It("ends at its timeout", func(ctx SpecContext) {
		apply(ctx, strings.Replace(inline("late", "never"), "builder: $BUILDER", "builder: $BUILDER\n    timeout: 1s", 1))
		f := becomes(ctx, "late", corev1beta2.BuiltCondition, metav1.ConditionFalse)
		Expect(f.Status.Build.State).To(Equal(corev1beta2.Timeout))
	})

	It("runs again when the annotation openfunction.io/rebuild changes", func(ctx SpecContext) {
		f := ready(ctx, "from-git")
		before := f.DeepCopy()
		metav1.SetMetaDataAnnotation(&f.ObjectMeta, corev1beta2.RebuildAnnotation, time.Now().String())
		Expect(c.Patch(ctx, f, client.MergeFrom(before))).To(Succeed())
		Eventually(ctx, func() string { return read(ctx, "from-git").Status.Build.ResourceRef }).ShouldNot(Equal(before.Status.Build.ResourceRef))
		ready(ctx, "from-git")
	})
})
