// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

var _ = Describe("manifests of other people in v1beta1", Label("dapr", "keda", "knative", "tekton"), Ordered, ContinueOnFailure, func() {
	// Brokers outlive a run, so that streams, lists and ledgers have the namespace in their names.
	here := []string{
		"openfunctiondev/v1beta1-http:v0.4.0", "$WORKER", "openfunctiondev/v1beta1-async:v0.4.0", "$WORKER", "openfunctiondev/v1beta1-jobs:v0.4.0", "$WORKER",
		"openfunctiondev/v1beta1-plugins:v0.4.0", "$WORKER", "registry.local:5000", "$REGISTRY", "http://git.local", "$GIT",
		"sample.openfunction.example", "sample.$NAMESPACE.example", "theirs-old/", "$NAMESPACE/", "theirs-old-orders", "$NAMESPACE-theirs-old-orders",
		"theirs-old-archive", "$NAMESPACE-theirs-old-archive", "listName: theirs-old-jobs", "listName: $NAMESPACE-theirs-old-jobs",
		"LIST: theirs-old-jobs", "LIST: $NAMESPACE-theirs-old-jobs",
	}
	var http, async, jobs, plugins, build foreign

	BeforeAll(func(ctx SpecContext) {
		kubectlWith(ctx, `
apiVersion: v1
kind: Secret
metadata: {name: push-secret}
type: kubernetes.io/dockerconfigjson
stringData: {.dockerconfigjson: '{"auths":{}}'}
`, "apply", "-f", "-")
		for file, f := range map[string]*foreign{"http-route": &http, "async-redis": &async, "scaled-job": &jobs, "plugins": &plugins, "build-params": &build} {
			*f = foreignOf("v1beta1/testdata/theirs-"+file+".yaml", here...)
			f.apply(ctx)
		}
	})

	It("answer HTTP, and go on when they are changed in either version", func(ctx SpecContext) {
		Expect(get(ctx, ready(ctx, http.name()))).To(Equal("one!"))
		http.reads(ctx)
		patchOld(ctx, http.name(), `{"spec": {"serving": {"params": {"SUFFIX": "?"}, "scaleOptions": {"maxReplicas": 2}}}}`)
		Eventually(ctx, func() (string, error) { return get(ctx, ready(ctx, http.name())) }).Should(Equal("one?"))
		kubectlWith(ctx, "", "patch", "fn", http.name(), "--type=merge", "-p", `{"spec": {"serving": {"triggers": {"http": {"requestTimeout": "20s"}}}}}`)
		old := readAs(ctx, "core.openfunction.io/v1beta1", http.name())
		Expect(at(old, "spec", "serving", "scaleOptions", "maxReplicas")).To(BeEquivalentTo(2))

		By("changing in v1beta1 what only v1beta2 can say the rest of")
		patchOld(ctx, http.name(), `{"spec": {"port": 8081}}`)
		newer := readAs(ctx, "core.openfunction.io/v1beta2", http.name())
		Expect(at(newer, "spec", "serving", "triggers", "http", "requestTimeout")).To(Equal("20s"))
		Expect(at(newer, "spec", "serving", "triggers", "http", "port")).To(BeEquivalentTo(8081))
		Eventually(ctx, func() (string, error) { return get(ctx, ready(ctx, http.name())) }).Should(Equal("one?"))
	})

	It("take events of a topic and send to an output, from zero", func(ctx SpecContext) {
		ready(ctx, async.name())
		async.reads(ctx)
		sent := batch("old", 20)
		sendRedis(ctx, namespace+"-theirs-old-orders", sent...)
		ledger{namespace + "/async"}.has(ctx, sent)
		Expect(redis.Do(ctx, "GET", namespace+"-theirs-old-archive")).To(ContainSubstring(`"id":"old-`))
	})

	It("run as Jobs, and keep what v1beta2 cannot say", func(ctx SpecContext) {
		ready(ctx, jobs.name())
		patchOld(ctx, jobs.name(), `{"spec": {"serving": {"triggers": [{"type": "redis", "targetKind": "ScaledJob", "metadata":
			{"address": "redis.brokers.svc.cluster.local:6379", "listName": "$NAMESPACE-theirs-old-jobs", "listLength": "10"}}]}}}`)
		jobs.reads(ctx)
		kubectlWith(ctx, "", "patch", "fn", jobs.name(), "--type=merge", "-p", `{"spec": {"serving": {"scaleOptions": {"maxReplicas": 3}}}}`)
		old := readAs(ctx, "core.openfunction.io/v1beta1", jobs.name())
		Expect(at(old, "spec", "serving", "triggers")).To(ConsistOf(HaveKeyWithValue("targetKind", "ScaledJob")))
		Expect(at(old, "spec", "serving", "scaleOptions", "keda", "scaledJob", "maxReplicaCount")).To(BeEquivalentTo(3))
		ready(ctx, jobs.name())
		sent := batch("job", 10)
		push(ctx, namespace+"-theirs-old-jobs", sent...)
		ledger{namespace + "/jobs"}.has(ctx, sent)
	})

	It("have plugins and tracing as annotations, and find them in their environment", func(ctx SpecContext) {
		Expect(get(ctx, ready(ctx, plugins.name()))).To(Equal("one"))
		plugins.reads(ctx)
		env := functionEnv(ctx, plugins.name(), "FUNC_CONTEXT")
		Expect(env).To(And(ContainSubstring(`"prePlugins":["plugin-custom","plugin-example"`), ContainSubstring(`"endpoint":"http://collector.observability:4317"`)))
		kubectlWith(ctx, "", "patch", "fn", plugins.name(), "--type=merge", "-p", `{"spec": {"serving": {"hooks": {"pre": ["plugin-new"]}}}}`)
		old := readAs(ctx, "core.openfunction.io/v1beta1", plugins.name())
		Expect(old.GetAnnotations()["plugins"]).To(And(ContainSubstring("plugin-new"), Not(ContainSubstring("plugin-example"))))
	})

	It("build from a Dockerfile, and say which parameters of the strategy nobody acts on", func(ctx SpecContext) {
		loadGit(ctx, "page")
		patchOld(ctx, build.name(), `{"spec": {"build": {"env": {"BASE": "`+cluster.ShellImage+`"}}}}`)
		f := becomes(ctx, build.name(), corev1beta2.BuiltCondition, metav1.ConditionTrue)
		Expect(f.Status.Revision.ImageDigest).To(HavePrefix("sha256:"))
		Expect(condition(f, corev1beta2.UnsupportedCondition).Message).To(ContainSubstring("shipwright.params"))
	})

	It("are listed in both versions", func(ctx SpecContext) {
		for _, version := range []string{oldFunctions, "fn"} {
			list := kubectl(ctx, "get", version)
			for _, f := range []foreign{http, async, jobs, plugins, build} {
				Expect(list).To(ContainSubstring(f.name()), version)
			}
		}
	})
})

// functionEnv returns a variable of the function's container as its workload has it.
func functionEnv(ctx context.Context, name, variable string) string {
	GinkgoHelper()
	return kubectl(ctx, "get", "revisions.serving.knative.dev", "-l", corev1beta2.ServingLabel+"="+name,
		"-o", `jsonpath={.items[0].spec.containers[?(@.name=="function")].env[?(@.name=="`+variable+`")].value}`)
}
