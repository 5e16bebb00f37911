// SPDX-License-Identifier: Apache-2.0

package networking_test

import (
	"context"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
	"github.com/openfunction/openfunction/pkg/core"
	grants "github.com/openfunction/openfunction/pkg/networking"
	"github.com/openfunction/openfunction/test/kit"
)

// function is a Function named fn; each part is lines of its HTTP trigger.
func function(parts ...string) string { return functionNamed("fn", parts...) }

func functionNamed(name string, parts ...string) string {
	trigger := "{}"
	if len(parts) > 0 {
		trigger = "\n" + strings.Join(parts, "\n")
	}
	return "apiVersion: core.openfunction.io/v1beta2\nkind: Function\nmetadata: {name: " + name + "}\nspec:\n  image: registry.example.test/team/fn:v1\n" +
		"  serving:\n    triggers:\n      http: " + trigger + "\n"
}

const (
	viaHello  = "          gatewayRef: {name: hello, namespace: $NAMESPACE}"
	hostnames = "          hostnames: [fn.example.com, '*.wild.example.com']"
	rules     = `          rules:
          - matches: [{path: {type: PathPrefix, value: /api}}]
            filters:
            - type: RequestHeaderModifier
              requestHeaderModifier:
                set: [{name: x-own, value: "1"}, {name: OPENFUNCTION-FUNCTION, value: other/secret}]
                remove: [openfunction-function]
            - {type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}
          - matches: [{path: {type: Exact, value: /old}}]
            filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplaceFullPath, replaceFullPath: /api}}}]`
)

func route(parts ...string) string { return "        route:\n" + strings.Join(parts, "\n") }

func addresses(f *corev1beta2.Function) []string {
	var all []string
	for _, a := range f.Status.Addresses {
		all = append(all, string(ptr.Deref(a.Type, ""))+" "+a.Value)
	}
	return all
}

func fn(ctx context.Context) *corev1beta2.Function {
	GinkgoHelper()
	return read[corev1beta2.Function](ctx, "fn")
}

func isFunctionReady(f *corev1beta2.Function) bool {
	return condition(f, corev1beta2.ReadyCondition).Status == metav1.ConditionTrue
}

var _ = Describe("The route of a Function", func() {
	inside := func() string { return "Internal http://fn." + w.Namespace + ".svc.cluster.local/" }

	It("is made of the Gateway's templates, with a grant for the namespace", func(ctx SpecContext) {
		apply(ctx, theirs("theirs"), ours(refTheirs, httpOnly), function(route(viaHello)))
		settled(ctx)
		f := fn(ctx)
		Expect(isFunctionReady(f)).To(BeTrue(), "%v", f.Status.Conditions)
		Expect(addresses(f)).To(Equal([]string{inside(), "External http://fn." + w.Namespace + ".example.com/"}))
		Expect(f.Status.Route.Hosts).To(ConsistOf(BeEquivalentTo("fn."+w.Namespace+".example.com"), BeEquivalentTo("fn."+w.Namespace+".svc.cluster.local")))
		Expect(f.Status.Route.Paths).To(HaveExactElements(HaveField("Value", HaveValue(Equal("/")))))
		Expect(f.Status.Route.Conditions).To(ContainElement(And(HaveField("Type", "Accepted"), HaveField("Status", metav1.ConditionTrue))))
		live := read[gatewayv1.HTTPRoute](ctx, "fn")
		Expect(live.Labels).To(HaveKeyWithValue("app.kubernetes.io/managed-by", w.Namespace+".hello"))
		Expect(metav1.IsControlledBy(live, f)).To(BeTrue())
		Expect(grantExists(ctx)).To(BeTrue())

		By("mending the grant")
		grant := &gatewayv1beta1.ReferenceGrant{}
		key := client.ObjectKey{Namespace: platform, Name: w.Namespace + "--routes"}
		Expect(cp.Client.Get(ctx, key, grant)).To(Succeed())
		right := grant.Spec.DeepCopy()
		grant.Spec.To[0].Name = ptr.To(gatewayv1.ObjectName("other"))
		Expect(cp.Client.Update(ctx, grant)).To(Succeed())
		eventually(ctx, "the grant to be as it was", func() bool {
			return cp.Client.Get(ctx, key, grant) == nil && apiequality.Semantic.DeepEqual(&grant.Spec, right)
		})

		By("changing the Gateway")
		apply(ctx, ours(refTheirs, "  hostTemplate: '{{.Name}}.{{.Domain}}'", "  httpRouteLabelKey: team", httpOnly+andHTTPS))
		eventually(ctx, "the addresses to follow", func() bool {
			return len(fn(ctx).Status.Addresses) == 3 && fn(ctx).Status.Addresses[1].Value == "http://fn.example.com/"
		})
		settled(ctx)
		Expect(addresses(fn(ctx))).To(Equal([]string{inside(), "External http://fn.example.com/", "External https://fn.example.com/"}))
		Expect(read[gatewayv1.HTTPRoute](ctx, "fn").Labels).To(HaveKeyWithValue("team", w.Namespace+".hello"))

		By("asking for no HTTP any more")
		f = fn(ctx)
		f.Spec.Serving.Triggers, f.Spec.Serving.WorkloadType = nil, corev1beta2.WorkloadTypeDeployment
		Expect(cp.Client.Update(ctx, f)).To(Succeed())
		eventually(ctx, "the route to go", func() bool { return !exists[gatewayv1.HTTPRoute](ctx, w.Namespace, "fn") && !grantExists(ctx) })
		settled(ctx)
		Expect(fn(ctx).Status.Route).To(BeNil())
	})

	It("keeps the grant that the manager before has made, before the cache has seen the route", func(ctx SpecContext) {
		hear := behind.hold(httpRoutes)
		apply(ctx, theirs("theirs"), ours(refTheirs, httpOnly), function(route(viaHello)))
		eventually(ctx, "the route", func() bool { return exists[gatewayv1.HTTPRoute](ctx, w.Namespace, "fn") })
		made := grants.RouterGrant(w.Namespace, types.NamespacedName{Namespace: platform, Name: core.RouterService})
		Expect(cp.Client.Create(ctx, made)).To(Succeed())
		Consistently(func() bool { return grantExists(ctx) }).WithTimeout(2 * time.Second).WithPolling(50 * time.Millisecond).Should(BeTrue())
		hear()
		eventually(ctx, "the function", func() bool { return isFunctionReady(fn(ctx)) })
		kept := &gatewayv1beta1.ReferenceGrant{}
		Expect(cp.Client.Get(ctx, client.ObjectKeyFromObject(made), kept)).To(Succeed())
		Expect(kept.UID).To(Equal(made.UID))
	})

	DescribeTable("does not make it ready by what was so before a change that is taken back",
		func(ctx SpecContext, lagging schema.GroupResource, changed string, isChanged func(context.Context) bool) {
			apply(ctx, theirs("theirs"), ours(refTheirs, httpOnly))
			takeBack[corev1beta2.Function](ctx, lagging, "fn", function(route(viaHello)), changed, isChanged)
		},
		Entry("the HTTPRoute's host names", httpRoutes, function(route(viaHello, hostnames)), func(ctx context.Context) bool {
			return slices.Contains(read[gatewayv1.HTTPRoute](ctx, "fn").Spec.Hostnames, "fn.example.com")
		}),
		Entry("the Knative Service's image", knativeServices, strings.Replace(function(route(viaHello)), ":v1\n", ":v2\n", 1), func(ctx context.Context) bool {
			return strings.HasSuffix(read[kservingv1.Service](ctx, "fn--knative").Spec.Template.Spec.Containers[0].Image, ":v2")
		}),
	)

	It("has the user's host names and rules, and nobody else's header", func(ctx SpecContext) {
		apply(ctx, theirs("theirs"), ours(refTheirs, httpOnly+andHTTPS), function(route(viaHello, hostnames, rules)))
		settled(ctx)
		f := fn(ctx)
		Expect(isFunctionReady(f)).To(BeTrue(), "%v", f.Status.Conditions)
		Expect(addresses(f)).To(Equal([]string{inside(),
			"External http://fn.example.com/api", "External https://fn.example.com/api", "External http://fn.example.com/old", "External https://fn.example.com/old"}))
		live := read[gatewayv1.HTTPRoute](ctx, "fn")
		headers := live.Spec.Rules[0].Filters[0].RequestHeaderModifier
		Expect(headers.Set).To(HaveExactElements(
			gatewayv1.HTTPHeader{Name: "x-own", Value: "1"}, gatewayv1.HTTPHeader{Name: "Openfunction-Function", Value: w.Namespace + "/fn"}))
		Expect(headers.Remove).To(BeEmpty())
		Expect(live.Spec.Rules[0].BackendRefs).To(HaveExactElements(HaveField("Name", BeEquivalentTo("router"))))
		Expect(live.Spec.Rules[1].BackendRefs).To(BeEmpty())
		before := len(writes())
		Expect(cp.Client.Patch(ctx, f.DeepCopy(), patchLabel())).To(Succeed())
		settled(ctx)
		Expect(writes()[before:]).To(BeEmpty())

		By("leaving the rules to the template")
		apply(ctx, function(route(viaHello, hostnames)))
		eventually(ctx, "the path to be the template's", func() bool { return len(fn(ctx).Status.Addresses) == 3 })
		Expect(addresses(fn(ctx))[1]).To(Equal("External http://fn.example.com/" + w.Namespace + "/fn"))
	})

	It("leaves a route of somebody else's alone", func(ctx SpecContext) {
		theirRoute := "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: fn}\nspec: {parentRefs: [{name: theirs}], hostnames: [a.example.com]}\n"
		apply(ctx, theirs("theirs"), ours(refTheirs, httpOnly), theirRoute, function(route(viaHello)))
		f := becomes[corev1beta2.Function](ctx, "fn", corev1beta2.RoutedCondition, corev1beta2.NameTakenReason)
		Expect(condition(f, corev1beta2.StalledCondition).Message).To(ContainSubstring(`HTTPRoute "fn" exists and belongs to somebody else`))
		settled(ctx)
		Expect(addresses(fn(ctx))).To(HaveExactElements(inside(), ContainSubstring("fn--knative")), "Knative's own while there is no route")
		live := read[gatewayv1.HTTPRoute](ctx, "fn")
		Expect(live.Spec.Hostnames).To(HaveExactElements(BeEquivalentTo("a.example.com")))
		Expect(live.OwnerReferences).To(BeEmpty())
		Expect(grantExists(ctx)).To(BeFalse())
	})

	It("tells what the gateway says against it", func(ctx SpecContext) {
		apply(ctx, theirs("theirs"), ours(refTheirs, httpOnly), function(route(viaHello, "          hostnames: [fn.invalid]")))
		f := becomes[corev1beta2.Function](ctx, "fn", corev1beta2.StalledCondition, "NoMatchingListenerHostname")
		Expect(condition(f, corev1beta2.RoutedCondition).Message).To(HavePrefix("The gateway refuses the route: "))
		Expect(addresses(f)).To(Equal([]string{inside()}))
		settled(ctx)
	})

	It("is refused where no listener lets the namespace in", func(ctx SpecContext) {
		apply(ctx, theirs("theirs"))
		same := strings.ReplaceAll(httpOnly, ", allowedRoutes: {namespaces: {from: All}}", "")
		other, err := cp.NewWorld(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(other.Apply(ctx, strings.ReplaceAll(ours(defOwn, same), "$NAMESPACE", other.Namespace))).To(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			Expect(other.Delete(ctx, networkingv1alpha1.GroupVersion.WithKind("Gateway"), "hello")).To(Succeed())
		})
		eventually(ctx, "the Kubernetes Gateway", func() bool { return exists[gatewayv1.Gateway](ctx, other.Namespace, "hello") })
		target := &gatewayv1.Gateway{}
		Expect(other.Get(ctx, "hello", target)).To(Succeed())
		apply(ctx, function(route(strings.ReplaceAll(viaHello, "$NAMESPACE", other.Namespace))))
		// The internal listener takes all namespaces, but it is not for host names outside.
		settled(ctx)
		f := fn(ctx)
		Expect(condition(f, corev1beta2.RoutedCondition).Reason).To(Equal(corev1beta2.NotAllowedByListenersReason), "%v", f.Status.Conditions)
		Expect(exists[gatewayv1.HTTPRoute](ctx, w.Namespace, "fn")).To(BeFalse())

		By("a selector that lets it in")
		selected := strings.ReplaceAll(httpOnly, "from: All", "from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: "+w.Namespace+"}}")
		Expect(other.Apply(ctx, strings.ReplaceAll(ours(defOwn, selected), "$NAMESPACE", other.Namespace))).To(Succeed())
		eventually(ctx, "the function to be let in", func() bool { return isFunctionReady(fn(ctx)) && len(fn(ctx).Status.Addresses) == 2 })

		By("a selector that its namespace comes to fit, and then does not")
		labelled := strings.ReplaceAll(httpOnly, "from: All", "from: Selector, selector: {matchLabels: {example.test/team: shop}}")
		Expect(other.Apply(ctx, strings.ReplaceAll(ours(defOwn, labelled), "$NAMESPACE", other.Namespace))).To(Succeed())
		becomes[corev1beta2.Function](ctx, "fn", corev1beta2.RoutedCondition, corev1beta2.NotAllowedByListenersReason)
		label(ctx, `{"example.test/team":"shop"}`)
		eventually(ctx, "the function to be let in again", func() bool { return isFunctionReady(fn(ctx)) && len(fn(ctx).Status.Addresses) == 2 })
		label(ctx, `{"example.test/team":null}`)
		becomes[corev1beta2.Function](ctx, "fn", corev1beta2.RoutedCondition, corev1beta2.NotAllowedByListenersReason)
	})

	It("waits for a Gateway that was asked for by name, and goes with it", func(ctx SpecContext) {
		apply(ctx, theirs("theirs"), function(route(viaHello)))
		becomes[corev1beta2.Function](ctx, "fn", corev1beta2.StalledCondition, corev1beta2.GatewayNotFoundReason)
		settled(ctx)
		Expect(addresses(fn(ctx))).To(ContainElement(inside()))
		apply(ctx, ours(refTheirs, httpOnly))
		eventually(ctx, "it to heal", func() bool { return isFunctionReady(fn(ctx)) })
		settled(ctx)
		Expect(exists[gatewayv1.HTTPRoute](ctx, w.Namespace, "fn")).To(BeTrue())
		Expect(w.Delete(ctx, networkingv1alpha1.GroupVersion.WithKind("Gateway"), "hello")).To(Succeed())
		becomes[corev1beta2.Function](ctx, "fn", corev1beta2.StalledCondition, corev1beta2.GatewayNotFoundReason)
		Expect(exists[gatewayv1.HTTPRoute](ctx, w.Namespace, "fn")).To(BeFalse())
		eventually(ctx, "the Gateway to go", func() bool { return !exists[networkingv1alpha1.Gateway](ctx, w.Namespace, "hello") })
	})

	It("names a template that cannot be used", func(ctx SpecContext) {
		apply(ctx, theirs("theirs"), ours(refTheirs, "  hostTemplate: '{{.Name'", httpOnly), function(route(viaHello)))
		f := becomes[corev1beta2.Function](ctx, "fn", corev1beta2.StalledCondition, corev1beta2.InvalidTemplateReason)
		Expect(condition(f, corev1beta2.RoutedCondition).Message).To(And(ContainSubstring("hello"), ContainSubstring("hostTemplate cannot be read")))
		settled(ctx)
	})

	It("costs nothing without a Gateway", func(ctx SpecContext) {
		apply(ctx, function(route(hostnames)))
		settled(ctx)
		f := fn(ctx)
		Expect(isFunctionReady(f)).To(BeTrue())
		Expect(condition(f, corev1beta2.RoutedCondition).Reason).To(Equal(corev1beta2.NoGatewayReason))
		Expect(condition(f, corev1beta2.RoutedCondition).Message).To(ContainSubstring("openfunction/openfunction"))
		Expect(strings.Join(writes(), " ")).NotTo(ContainSubstring("httproutes"))
		Expect(len(writes())).To(BeNumerically("<=", 5), "%v", writes())
	})

	It("goes through the default Gateway where there is one", func(ctx SpecContext) {
		apply(ctx, theirs("theirs"), function())
		settled(ctx)
		applyIn[networkingv1alpha1.Gateway](ctx, platform, named("openfunction", refTheirs, httpOnly))
		eventually(ctx, "the default address", func() bool {
			f := fn(ctx)
			return isFunctionReady(f) && len(f.Status.Addresses) == 2 && f.Status.Addresses[1].Value == "http://fn."+w.Namespace+".example.com/"
		})
	})

	It("names a field that the installed Gateway API does not know", func(ctx SpecContext) {
		apply(ctx, theirs("theirs"), ours(refTheirs, httpOnly), function(route(viaHello, hostnames, strings.Replace(rules, "          - matches", "          - retry: {attempts: 2}\n            matches", 1))))
		f := becomes[corev1beta2.Function](ctx, "fn", corev1beta2.StalledCondition, corev1beta2.RefusedReason)
		Expect(condition(f, corev1beta2.RoutedCondition).Message).To(ContainSubstring(`unknown field "spec.rules[0].retry"`))
		settled(ctx)
	})
})

var _ = Describe("Gateway API", Ordered, func() {
	It("may come after everything else", func(ctx SpecContext) {
		Expect(cp.Uninstall(ctx, kit.GatewayAPI)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(cp.Install(ctx, kit.GatewayAPI)).To(Succeed()) })
		apply(ctx, ours(defOwn, httpOnly), function(route(viaHello)))
		becomes[networkingv1alpha1.Gateway](ctx, "hello", networkingv1alpha1.StalledCondition, corev1beta2.ProviderNotInstalledReason)
		becomes[corev1beta2.Function](ctx, "fn", corev1beta2.RoutedCondition, corev1beta2.ProviderNotInstalledReason)
		apply(ctx, functionNamed("plain"))
		settled(ctx)
		Expect(isFunctionReady(read[corev1beta2.Function](ctx, "plain"))).To(BeTrue())
		Expect(cp.Install(ctx, kit.GatewayAPI)).To(Succeed())
		eventually(ctx, "all to be routed", func() bool { return isFunctionReady(fn(ctx)) && len(fn(ctx).Status.Addresses) == 2 && grantExists(ctx) })
		settled(ctx)
	})
})

// label changes labels of the world's namespace.
func label(ctx context.Context, labels string) {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.Namespace}}
	Expect(cp.Client.Patch(ctx, namespace, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":`+labels+`}}`)))).To(Succeed())
}

// patchLabel is a change of an object that asks for nothing.
func patchLabel() client.Patch {
	return client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"touched":"true"}}}`))
}
