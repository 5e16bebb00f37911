// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/test/sec/canary"
)

// restrictedSubscriber is a function for the messages of a topic, whose component reads a Secret.
const restrictedSubscriber = `
dapr: {mode: MODE}
triggers: {dapr: [{name: topics, topic: TOPIC}]}
pubsub:
  topics:
    type: pubsub.redis
    version: v1
    metadata:
    - {name: redisHost, value: "redis.brokers.svc.cluster.local:6379"}
    - {name: clientName, secretKeyRef: {name: broker, key: password}}
`

var _ = Describe("a namespace that enforces Pod Security restricted", Label("dapr", "keda", "knative", "tekton"), Ordered, ContinueOnFailure, func() {
	flock := canary.Flock{}
	modes := map[string]string{"r-agent": "Function", "r-sidecar": "Sidecar", "r-shared": "Shared"}

	BeforeAll(func(ctx SpecContext) {
		usual := namespace
		namespace = usual + "-restricted"
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
		Expect(c.Create(ctx, ns)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			namespace = usual
			Expect(c.Delete(ctx, ns)).To(Succeed())
		})
		Expect(c.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "broker", Namespace: namespace},
			StringData: map[string]string{"password": flock.Add("password of a component")}})).To(Succeed())
		Expect(c.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "git", Namespace: namespace}, Type: corev1.SecretTypeBasicAuth,
			StringData: map[string]string{"username": cluster.GitUser, "password": cluster.GitPassword}})).To(Succeed())
		flock["password of the git server"] = cluster.GitPassword
	})

	It("takes a build from a private repository and the function it makes", func(ctx SpecContext) {
		loadGit(ctx, "greeter", "--private")
		apply(ctx, `
metadata: {name: r-built}
spec:
  image: $REGISTRY/e2e/r-built:v1
  build:
    builder: $BUILDER
    env: {FUNC_NAME: Greet}
    srcRepo: {url: $GIT/private/greeter.git, sourceSubPath: app, credentials: {name: git}}
  serving: {}
`)
		Expect(get(ctx, ready(ctx, "r-built"))).To(HavePrefix("greeting "))
	})

	It("takes a function on KEDA's add-on", func(ctx SpecContext) {
		apply(ctx, fn{name: "r-http", serving: "triggers: {http: {engine: keda}}"}.manifest())
		ready(ctx, "r-http")
	})

	It("takes functions with Dapr in every mode, and they get their messages", func(ctx SpecContext) {
		for name, mode := range modes {
			apply(ctx, fn{name: name, serving: strings.NewReplacer("MODE", mode, "TOPIC", namespace+"-"+name).Replace(restrictedSubscriber)}.manifest())
		}
		for name := range modes {
			ready(ctx, name)
			sent := batch(name, 10)
			sendRedis(ctx, namespace+"-"+name, sent...)
			ledgerOf(name).has(ctx, sent)
		}
	})

	It("says what to do about a Dockerfile, which is built as root", func(ctx SpecContext) {
		apply(ctx, `
metadata: {name: r-dockerfile}
spec:
  image: $REGISTRY/e2e/r-dockerfile:v1
  build: {dockerfile: Dockerfile, source: {inline: {Dockerfile: FROM scratch}}}
`)
		f := becomes(ctx, "r-dockerfile", corev1beta2.StalledCondition, metav1.ConditionTrue)
		Expect(condition(f, corev1beta2.StalledCondition).Reason).To(Equal(corev1beta2.PodSecurityReason))
		Expect(condition(f, corev1beta2.StalledCondition).Message).To(ContainSubstring("use a buildpacks builder"))
	})

	It("says what to do about an image that runs as root", func(ctx SpecContext) {
		apply(ctx, "metadata: {name: r-root}\nspec:\n  image: "+cluster.ShellImage+"\n  serving:\n    triggers: {http: {engine: keda}}\n"+
			"    template: {containers: [{name: function, command: [/bin/busybox, httpd, -f, -p, '8080']}]}\n")
		f := becomes(ctx, "r-root", corev1beta2.StalledCondition, metav1.ConditionTrue)
		Expect(condition(f, corev1beta2.StalledCondition).Reason).To(Equal(corev1beta2.PodSecurityReason))
		Expect(condition(f, corev1beta2.StalledCondition).Message).To(ContainSubstring("set USER to a number"))
	})

	It("has no pod that was refused, and shows no secret value", func(ctx SpecContext) {
		Expect(kubectl(ctx, "get", "events")).NotTo(ContainSubstring("violates PodSecurity"))
		for name := range modes {
			secret := &corev1.Secret{}
			Expect(c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: core.TokenChild(name)}, secret)).To(Succeed())
			flock["app token of "+name] = string(secret.Data[core.TokenKey])
		}
		for what, text := range outputs(ctx) {
			Expect(flock.Find(text)).To(BeEmpty(), what)
		}
	})
})

// outputs is all that the platform puts out about the namespace: objects but Secrets, Events, its own logs and those of the pods it makes.
func outputs(ctx context.Context) map[string]string {
	GinkgoHelper()
	all := map[string]string{
		"objects": kubectl(ctx, "get", "fn,fb,sv,taskruns,configmaps,ksvc,revisions,deployments,statefulsets,replicasets,pods,services,"+
			"scaledobjects,httpscaledobjects,components,resiliencies,events", "-o", "yaml"),
	}
	for _, of := range []string{"core", "webhook", "router"} {
		all["log of "+of] = kubectl(ctx, "-n", "openfunction", "logs", "-l", "app.kubernetes.io/component="+of, "--tail=-1", "--prefix")
	}
	pods := &corev1.PodList{}
	Expect(c.List(ctx, pods, client.InNamespace(namespace))).To(Succeed())
	Expect(pods.Items).NotTo(BeEmpty())
	for _, pod := range pods.Items {
		all["log of "+pod.Name] = kubectl(ctx, "logs", pod.Name, "--all-containers", "--ignore-errors")
	}
	for what, text := range all {
		Expect(text).NotTo(BeEmpty(), what)
	}
	return all
}
