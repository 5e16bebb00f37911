// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	daprv1alpha1 "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/test/kit"
)

// components are the names of the Components made for the function.
func components(ctx context.Context) []string {
	GinkgoHelper()
	listed := servingOf(ctx).Status.ResourceRef["dapr.io/component"]
	if listed == "" {
		return nil
	}
	return strings.Split(listed, ",")
}

// onComponent is a serving that an existing Component triggers.
func onComponent(name, more string) string {
	return lines("  serving:", "    triggers: {dapr: [{name: "+name+more+"}]}", probed)
}

// component is an existing Component of somebody else.
func component(name, kind, scopes string) string {
	return "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: " + name + "}\nspec: {type: " + kind +
		", version: v1, metadata: [{name: url, value: 'redis:6379'}]}\nscopes: [" + scopes + "]\n"
}

// pod is the template of the function's pods.
func pod(ctx context.Context) corev1.PodTemplateSpec {
	GinkgoHelper()
	return read[appsv1.Deployment](ctx, "hello--async").Spec.Template
}

var _ = Describe("A Function that uses Dapr", func() {
	It("has one daprd, with an agent, and Components for itself alone", func(ctx SpecContext) {
		apply(ctx, function(onEvents()))
		ready(ctx)
		s, names := servingOf(ctx), components(ctx)
		Expect(names).To(HaveLen(1))
		made := read[daprv1alpha1.Component](ctx, names[0])
		Expect(made.Scopes).To(Equal([]string{"hello-" + w.Namespace}))
		Expect(made.Spec.Type).To(Equal("bindings.cron"))
		Expect(metav1.IsControlledBy(made, s)).To(BeTrue())
		Expect(s.Status.ResourceRef).To(Equal(map[string]string{
			"dapr.io/component": names[0], "dapr-proxy": "hello--agent", "Async/workload": "hello--async", "Async/scaler": "hello--async"}))

		agent := read[appsv1.Deployment](ctx, "hello--agent")
		Expect(agent.Spec.Template.Annotations).To(HaveKeyWithValue("dapr.io/enabled", "true"))
		Expect(agent.Spec.Template.Annotations).To(HaveKeyWithValue("dapr.io/app-id", "hello-"+w.Namespace))
		Expect(agent.Spec.Template.Spec.Containers[0].Image).To(Equal("registry.example.test/agent:v1"))
		Expect(pod(ctx).Annotations).To(HaveKeyWithValue("dapr.io/enabled", "false"))
		host := "hello--agent-daprd." + w.Namespace + ".svc.cluster.local"
		Expect(variable(functionIn(pod(ctx).Spec), "DAPR_HOST").Value).To(Equal(host))
		Expect(functionContext(pod(ctx).Spec)).To(HaveKeyWithValue("inputs", HaveKeyWithValue("in",
			And(HaveKeyWithValue("componentName", names[0]), HaveKeyWithValue("componentType", "bindings.cron")))))
		Expect(read[kedav1alpha1.ScaledObject](ctx, "hello--async").Spec.Triggers).To(HaveExactElements(And(
			HaveField("Type", "external-push"), HaveField("Metadata", HaveKeyWithValue("scalerAddress", "hello--agent."+w.Namespace+":9090")))))
		resting(ctx, "hello--async")
		Expect(read[appsv1.Deployment](ctx, "hello--agent").Status.AvailableReplicas).To(BeEquivalentTo(1), "the agent never rests")
		eventually(ctx, "the Event", func() bool { return len(told(ctx, "hello")) > 0 })
		Expect(told(ctx, "hello")).To(ConsistOf("Ready"))
	})

	It("takes an existing Component by its name, and leaves it as it is", func(ctx SpecContext) {
		apply(ctx, component("orders", "bindings.redis", ""))
		before := read[daprv1alpha1.Component](ctx, "orders")
		apply(ctx, function(onComponent("orders", "")))
		ready(ctx)
		Expect(components(ctx)).To(BeEmpty())
		Expect(functionContext(pod(ctx).Spec)).To(HaveKeyWithValue("inputs", HaveKeyWithValue("orders",
			And(HaveKeyWithValue("componentName", "orders"), HaveKeyWithValue("componentType", "bindings.redis")))))
		Expect(w.Delete(ctx, corev1beta2.GroupVersion.WithKind("Function"), "hello")).To(Succeed())
		eventually(ctx, "the Function to be gone", func() bool { return len(w.Snapshot()) == 1 })
		Expect(read[daprv1alpha1.Component](ctx, "orders").ResourceVersion).To(Equal(before.ResourceVersion))
	})

	It("waits for a Component that does not exist, and goes on when it does", func(ctx SpecContext) {
		apply(ctx, function(onComponent("orders", "")))
		Expect(stalled(ctx, corev1beta2.ComponentNotFoundReason).Message).To(ContainSubstring(`Component "orders"`))
		Expect(created("deployments")).To(BeZero())
		apply(ctx, component("orders", "bindings.redis", ""))
		eventually(ctx, "it to be ready", func() bool { return condition(hello(ctx), "Ready").Status == metav1.ConditionTrue })
	})

	It("says when a Component is of another type, and goes on when one of them is changed", func(ctx SpecContext) {
		apply(ctx, component("orders", "bindings.kafka", ""), function(onComponent("orders", ", type: bindings.redis")))
		Expect(stalled(ctx, corev1beta2.InvalidSpecReason).Message).To(And(ContainSubstring("bindings.redis"), ContainSubstring("bindings.kafka")))
		apply(ctx, component("orders", "bindings.redis", ""))
		eventually(ctx, "it to be ready", func() bool { return condition(hello(ctx), "Ready").Status == metav1.ConditionTrue })
	})

	It("says when a Component is only for others, and goes on when it is not", func(ctx SpecContext) {
		apply(ctx, component("orders", "bindings.redis", "other"), function(onComponent("orders", "")))
		Expect(stalled(ctx, corev1beta2.ComponentNotFoundReason).Message).To(ContainSubstring(`add its app id "hello-` + w.Namespace + `" to the scopes`))
		apply(ctx, component("orders", "bindings.redis", "other, hello-"+w.Namespace))
		eventually(ctx, "it to be ready", func() bool { return condition(hello(ctx), "Ready").Status == metav1.ConditionTrue })
	})

	It("has the app id it asks for", func(ctx SpecContext) {
		apply(ctx, function(onEvents("    annotations: {dapr.io/app-id: mine}")))
		ready(ctx)
		Expect(read[daprv1alpha1.Component](ctx, components(ctx)[0]).Scopes).To(Equal([]string{"mine"}))
		Expect(read[appsv1.Deployment](ctx, "hello--agent").Spec.Template.Annotations).To(HaveKeyWithValue("dapr.io/app-id", "mine"))
		Expect(variable(functionIn(pod(ctx).Spec), "DAPR_HOST").Value).To(HavePrefix("hello--agent-daprd."))
	})

	It("keeps a Component through a new version, and drops it when it is no longer declared", func(ctx SpecContext) {
		apply(ctx, function(onEvents()))
		ready(ctx)
		before := read[daprv1alpha1.Component](ctx, components(ctx)[0])
		apply(ctx, function(onEvents("    params: {MODE: new}")))
		ready(ctx)
		Expect(read[daprv1alpha1.Component](ctx, components(ctx)[0]).ResourceVersion).To(Equal(before.ResourceVersion), "two versions never subscribe twice")
		apply(ctx, function(served))
		ready(ctx)
		eventually(ctx, "all of Dapr to go", func() bool {
			return len(w.Objects("Component"))+len(w.Objects("Deployment"))+len(w.Objects("ScaledObject")) == 0
		})
	})

	It("may only send", func(ctx SpecContext) {
		apply(ctx, function("  serving: {outputs: [{dapr: {name: out}}], bindings: {out: {type: bindings.redis, version: v1, metadata: []}}}"))
		ready(ctx)
		Expect(read[appsv1.Deployment](ctx, "hello--agent").Status.AvailableReplicas).To(BeEquivalentTo(1))
		service := read[kservingv1.Service](ctx, "hello--knative").Spec.Template
		Expect(variable(functionIn(service.Spec.PodSpec), "DAPR_HOST").Value).To(HavePrefix("hello--agent-daprd."))
		Expect(service.Annotations).To(HaveKeyWithValue("dapr.io/enabled", "false"))
		Expect(servingOf(ctx).Status.ResourceRef).To(And(HaveKeyWithValue("dapr-proxy", "hello--agent"), HaveKeyWithValue("serving.knative.dev/service", "hello--knative")))
	})
})

var _ = Describe("The Dapr mode", func() {
	It("Sidecar puts daprd into the function's pods", func(ctx SpecContext) {
		apply(ctx, function(onEvents(mode(corev1beta2.DaprModeSidecar))))
		ready(ctx)
		Expect(pod(ctx).Annotations).To(And(HaveKeyWithValue("dapr.io/enabled", "true"), HaveKeyWithValue("dapr.io/app-id", "hello-"+w.Namespace),
			HaveKeyWithValue("dapr.io/app-token-secret", "hello--app-token")))
		Expect(variable(functionIn(pod(ctx).Spec), "DAPR_HOST").Value).To(BeEmpty())
		Expect(w.Objects("Deployment")).To(HaveLen(1))
	})

	It("Shared runs daprd by itself, with Dapr's certificates", func(ctx SpecContext) {
		apply(ctx, function(onEvents(mode(corev1beta2.DaprModeShared))))
		ready(ctx)
		daprd := read[appsv1.Deployment](ctx, "hello--dapr")
		Expect(daprd.Spec.Template.Annotations).NotTo(HaveKeyWithValue("dapr.io/enabled", "true"))
		Expect(daprd.Spec.Template.Spec.Containers[0].Image).To(Equal("registry.example.test/daprd:v1"))
		Expect(variable(daprd.Spec.Template.Spec.Containers[0], "DAPR_TRUST_ANCHORS").Value).To(Equal("ANCHORS"))
		Expect(servingOf(ctx).Status.ResourceRef).To(HaveKeyWithValue("dapr-proxy", "hello--dapr"))
	})

	It("Shared runs on every node when it is told to", func(ctx SpecContext) {
		apply(ctx, function(onEvents("    dapr: {mode: Shared, strategy: DaemonSet}")))
		ready(ctx)
		Expect(read[appsv1.DaemonSet](ctx, "hello--dapr").Status.NumberAvailable).To(BeEquivalentTo(1))
		apply(ctx, function(onEvents("    dapr: {mode: Shared, strategy: Deployment}")))
		eventually(ctx, "the DaemonSet to go", func() bool { return absent[appsv1.DaemonSet](ctx, "hello--dapr") })
		ready(ctx)
		Expect(read[appsv1.Deployment](ctx, "hello--dapr").Status.AvailableReplicas).To(BeEquivalentTo(1))
	})

	DescribeTable("can also be said by annotation", func(ctx SpecContext, annotation string, has, hasNot []string) {
		apply(ctx, function(onEvents("    annotations: {"+annotation+"}")))
		ready(ctx)
		for _, name := range has {
			read[appsv1.Deployment](ctx, name)
		}
		for _, name := range hasNot {
			Expect(absent[appsv1.Deployment](ctx, name)).To(BeTrue(), name)
		}
	},
		Entry(nil, "dapr.io/inject-mode: function", []string{"hello--agent"}, []string{"hello--dapr"}),
		Entry(nil, "dapr.io/inject-mode: shared", []string{"hello--dapr"}, []string{"hello--agent"}),
		Entry(nil, "openfunction.io/dapr-service-mode: sidecar", []string{"hello--async"}, []string{"hello--agent", "hello--dapr"}),
		Entry(nil, "openfunction.io/enable-dapr: 'false'", []string{"hello--async"}, []string{"hello--agent", "hello--dapr"}),
	)

	// Each change waits for the new way to work before the old one goes.
	DescribeTable("changes without a gap", func(ctx SpecContext, from, to corev1beta2.DaprMode, before, after string) {
		apply(ctx, function(onEvents(mode(from))))
		ready(ctx)
		made := components(ctx)
		apply(ctx, function(onEvents(mode(to), slow)))
		eventually(ctx, "a copy of the new version to start", func() bool {
			d := read[appsv1.Deployment](ctx, "hello--async")
			return d.Status.ObservedGeneration == d.Generation && d.Status.UnavailableReplicas > 0
		})
		eventually(ctx, "the Serving to wait for it", func() bool {
			s := servingOf(ctx)
			return s.Status.ObservedGeneration == s.Generation && s.Status.State == corev1beta2.Starting
		})
		if before != "" {
			Expect(absent[appsv1.Deployment](ctx, before)).To(BeFalse(), "the old way goes only when the new one works")
		}
		apply(ctx, function(onEvents(mode(to))))
		ready(ctx)
		if after != "" {
			Expect(read[appsv1.Deployment](ctx, after).Status.AvailableReplicas).To(BeEquivalentTo(1))
		}
		if before != "" {
			eventually(ctx, "the old way to go", func() bool { return absent[appsv1.Deployment](ctx, before) })
			Expect(did("delete deployments "+before)).To(BeNumerically(">", did("patch deployments hello--async")), "in this order: %s", writes())
		}
		Expect(components(ctx)).To(Equal(made))
		Expect(created("components")).To(Equal(1))
	},
		Entry("from Function to Sidecar", corev1beta2.DaprModeFunction, corev1beta2.DaprModeSidecar, "hello--agent", ""),
		Entry("from Sidecar to Shared", corev1beta2.DaprModeSidecar, corev1beta2.DaprModeShared, "", "hello--dapr"),
		Entry("from Shared to Function", corev1beta2.DaprModeShared, corev1beta2.DaprModeFunction, "hello--dapr", "hello--agent"),
	)
})

// token reads the Secret with the app token.
func token(ctx context.Context) *corev1.Secret {
	GinkgoHelper()
	return read[corev1.Secret](ctx, "hello--app-token")
}

var _ = Describe("The app token", func() {
	It("has 256 bits, belongs to the Serving, and is nowhere else", func(ctx SpecContext) {
		apply(ctx, function(onEvents()))
		ready(ctx)
		secret := token(ctx)
		value := string(secret.Data["token"])
		Expect(secret.Data).To(HaveLen(1))
		Expect(metav1.IsControlledBy(secret, servingOf(ctx))).To(BeTrue())
		bits, err := base64.RawURLEncoding.DecodeString(value)
		Expect(err).NotTo(HaveOccurred())
		Expect(bits).To(HaveLen(32))
		Expect(variable(functionIn(pod(ctx).Spec), "APP_API_TOKEN").ValueFrom.SecretKeyRef.Name).To(Equal("hello--app-token"))
		Expect(read[appsv1.Deployment](ctx, "hello--agent").Spec.Template.Annotations).To(HaveKeyWithValue("dapr.io/app-token-secret", "hello--app-token"))
		annotate(ctx, hello(ctx), corev1beta2.RotateTokenAnnotation, "1")
		eventually(ctx, "another token", func() bool { return string(token(ctx).Data["token"]) != value })
		ready(ctx)

		found := 0
		for _, secret := range []string{value, string(token(ctx).Data["token"])} {
			forms := []string{secret, base64.StdEncoding.EncodeToString([]byte(secret))}
			is := func(text string) bool {
				return slices.ContainsFunc(forms, func(form string) bool { return strings.Contains(text, form) })
			}
			for _, o := range w.All() {
				if is(text(o)) {
					Expect(o.GetKind()+" "+o.GetName()).To(Equal("Secret hello--app-token"), "the only object with the token")
					found++
				}
			}
			list := &eventsv1.EventList{}
			Expect(cp.Client.List(ctx, list, client.InNamespace(w.Namespace))).To(Succeed())
			Expect(list.Items).NotTo(BeEmpty())
			all, err := json.Marshal(list)
			Expect(err).NotTo(HaveOccurred())
			Expect(is(string(all))).To(BeFalse(), "no Event has it")
			Expect(kit.Logged()).To(ContainSubstring(w.Namespace))
			Expect(is(kit.Logged())).To(BeFalse(), "no log has it")
		}
		Expect(found).To(Equal(2), "the search finds the token where it is, and the one before it")
	})

	It("is made again by annotation, once for each value, and the one before stays good for a while", func(ctx SpecContext) {
		apply(ctx, function(onEvents("    scaleOptions: {minReplicas: 1}")))
		ready(ctx)
		first, before := token(ctx), pod(ctx)
		annotate(ctx, hello(ctx), corev1beta2.RotateTokenAnnotation, "1")
		eventually(ctx, "another token", func() bool { return token(ctx).ResourceVersion != first.ResourceVersion })
		ready(ctx)
		second := token(ctx)
		Expect(second.UID).To(Equal(first.UID))
		Expect(second.Data["previous"]).To(Equal(first.Data["token"]))
		Expect(second.Data["token"]).NotTo(Equal(first.Data["token"]))
		eventually(ctx, "pods with the new token", func() bool { return pod(ctx).Labels[templateHash] != before.Labels[templateHash] })
		ready(ctx)

		apply(ctx, function(onEvents("    scaleOptions: {minReplicas: 1}", "    params: {MODE: new}")))
		ready(ctx)
		Expect(token(ctx).ResourceVersion).To(Equal(second.ResourceVersion), "the same wish is granted once")
		annotate(ctx, hello(ctx), corev1beta2.RotateTokenAnnotation, "2")
		eventually(ctx, "a third token", func() bool { return string(token(ctx).Data["previous"]) == string(second.Data["token"]) })
		ready(ctx)
	})

	It("is made again when somebody deletes it, and reaches the pods", func(ctx SpecContext) {
		apply(ctx, function(onEvents()))
		ready(ctx)
		first, before := token(ctx), pod(ctx)
		remove(ctx, first)
		annotate(ctx, servingOf(ctx), "example.test/look", "now")
		eventually(ctx, "another token", func() bool {
			again := &corev1.Secret{}
			return w.Get(ctx, first.Name, again) == nil && again.UID != first.UID && string(again.Data["token"]) != string(first.Data["token"])
		})
		eventually(ctx, "pods with the new token", func() bool { return pod(ctx).Labels[templateHash] != before.Labels[templateHash] })
		ready(ctx)
	})

	It("does not touch a Secret of somebody else with its name", func(ctx SpecContext) {
		apply(ctx, "apiVersion: v1\nkind: Secret\nmetadata: {name: hello--app-token}\nstringData: {token: theirs}")
		theirs := token(ctx)
		apply(ctx, function(onEvents()))
		Expect(stalled(ctx, corev1beta2.NameTakenReason).Message).To(ContainSubstring(`Secret "hello--app-token"`))
		Expect(token(ctx).ResourceVersion).To(Equal(theirs.ResourceVersion))
	})

	It("waits until the Secret of an earlier Serving of its name is gone", func(ctx SpecContext) {
		earlier := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
			Name: core.TokenChild("hello"), Namespace: w.Namespace, Finalizers: []string{"example.test/hold"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: corev1beta2.GroupVersion.String(), Kind: "Serving", Name: "hello", UID: "earlier", Controller: ptr.To(true)}},
		}}
		Expect(cp.Client.Create(ctx, earlier)).To(Succeed())
		apply(ctx, function(onEvents()))
		eventually(ctx, "it to wait", func() bool { return condition(hello(ctx), "Reconciling").Reason == corev1beta2.NameTakenReason })
		Expect(condition(hello(ctx), "Reconciling").Message).To(ContainSubstring("of an earlier Serving of this name is being removed"))
		Expect(cp.Client.Patch(ctx, earlier, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))).To(Succeed())
		eventually(ctx, "it to go on by itself", func() bool { return condition(hello(ctx), "Ready").Status == metav1.ConditionTrue })
		Expect(metav1.IsControlledBy(read[corev1.Secret](ctx, core.TokenChild("hello")), servingOf(ctx))).To(BeTrue())
	})

	It("goes with the function", func(ctx SpecContext) {
		apply(ctx, function(onEvents()))
		ready(ctx)
		apply(ctx, function(served))
		ready(ctx)
		eventually(ctx, "the Secret to go", func() bool { return absent[corev1.Secret](ctx, "hello--app-token") })
	})
})

// What these change is the whole control plane's.
var _ = Describe("What the operator sets for all functions", Serial, func() {
	It("reaches every function, and its changes do too", func(ctx SpecContext) {
		apply(ctx, function(served))
		ready(ctx)
		context := func() map[string]any {
			return functionContext(read[kservingv1.Service](ctx, "hello--knative").Spec.Template.Spec.PodSpec)
		}
		Expect(context()).NotTo(HaveKey("prePlugins"))
		config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "openfunction-config", Namespace: "openfunction"}, Data: map[string]string{
			"hooks": "pre: [auth]\npost: [audit]\n"}}
		Expect(cp.Client.Create(ctx, config)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(cp.Client.Delete(ctx, config))).To(Succeed()) })
		eventually(ctx, "the hooks", func() bool { return context()["prePlugins"] != nil })
		Expect(context()).To(And(HaveKeyWithValue("prePlugins", []any{"auth"}), HaveKeyWithValue("postPlugins", []any{"audit"})))
		ready(ctx)

		config.Data["tracing"] = "enabled: true\nprovider: {name: skywalking, oapServer: 'oap:11800'}\n"
		Expect(cp.Client.Update(ctx, config)).To(Succeed())
		eventually(ctx, "the tracing", func() bool { return context()["pluginsTracing"] != nil })
		ready(ctx)

		config.Data["hooks"] = "pre: {not: a list}\n"
		Expect(cp.Client.Update(ctx, config)).To(Succeed())
		eventually(ctx, "the mistake to be shown", func() bool { return condition(hello(ctx), "Stalled").Status == metav1.ConditionTrue })
		Expect(condition(hello(ctx), "Stalled").Message).To(And(ContainSubstring("openfunction-config"), ContainSubstring("hooks")))

		Expect(cp.Client.Delete(ctx, config)).To(Succeed())
		eventually(ctx, "all to be as before", func() bool { return context()["prePlugins"] == nil && context()["pluginsTracing"] == nil })
		ready(ctx)
	})

	It("waits for Dapr's certificates where it runs daprd itself", func(ctx SpecContext) {
		Expect(cp.Client.Delete(ctx, trustBundle())).To(Succeed())
		restore := func(ctx SpecContext) {
			Expect(client.IgnoreAlreadyExists(cp.Client.Create(ctx, trustBundle()))).To(Succeed())
		}
		DeferCleanup(restore)
		apply(ctx, function(onEvents(mode(corev1beta2.DaprModeShared))))
		eventually(ctx, "it to wait", func() bool { return condition(hello(ctx), "Reconciling").Reason == corev1beta2.DaprStartingReason })
		Expect(condition(hello(ctx), "Reconciling").Message).To(ContainSubstring("dapr-sentry in namespace dapr-system"))
		restore(ctx)
		eventually(ctx, "it to be ready", func() bool { return condition(hello(ctx), "Ready").Status == metav1.ConditionTrue })
	})

	It("goes on when KEDA, its HTTP add-on and Dapr are installed", func(ctx SpecContext) {
		all := []kit.CRDs{kit.KEDA, kit.KEDAHTTP, kit.Dapr}
		Expect(cp.Uninstall(ctx, all...)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) error { return cp.Install(ctx, all...) })
		named := func(name, spec string) string {
			return strings.Replace(function(spec), "name: hello", "name: "+name, 1)
		}
		apply(ctx, named("http", onKEDA()), named("queue", onQueue("Deployment", "orders")), named("events", onEvents()))
		settled(ctx)
		for name, words := range map[string]string{
			"http":   "KEDA with its HTTP add-on is not installed in this cluster",
			"queue":  "KEDA is not installed in this cluster",
			"events": "Dapr is not installed in this cluster",
		} {
			stalled := condition(read[corev1beta2.Function](ctx, name), "Stalled")
			Expect(stalled.Reason).To(Equal(corev1beta2.ProviderNotInstalledReason), name)
			Expect(stalled.Message).To(And(ContainSubstring(words), MatchRegexp("install it: (kubectl|helm) ")), name)
		}
		Expect(cp.Install(ctx, all...)).To(Succeed())
		for _, name := range []string{"http", "queue", "events"} {
			eventually(ctx, name+" to be ready", func() bool {
				return condition(read[corev1beta2.Function](ctx, name), "Ready").Status == metav1.ConditionTrue
			})
		}
	})
})
