// SPDX-License-Identifier: Apache-2.0

package networking_test

import (
	"context"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
	"github.com/openfunction/openfunction/test/kit"
)

// theirs is a Kubernetes Gateway of somebody else.
func theirs(name string) string {
	return "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: " + name + "}\nspec:\n  gatewayClassName: kit\n" +
		"  listeners:\n  - {name: web, port: 80, protocol: HTTP}\n"
}

// ours is a Gateway of the name hello; each part is lines of its spec.
func ours(parts ...string) string { return named("hello", parts...) }

func named(name string, parts ...string) string {
	return "apiVersion: networking.openfunction.io/v1alpha1\nkind: Gateway\nmetadata: {name: " + name + "}\nspec:\n  domain: example.com\n" + strings.Join(parts, "\n") + "\n"
}

const (
	refTheirs = "  gatewayRef: {name: theirs, namespace: $NAMESPACE}"
	defOwn    = "  gatewayDef: {namespace: $NAMESPACE, gatewayClassName: kit}"
	httpOnly  = "  gatewaySpec:\n    listeners:\n    - {name: ofn-http-external, protocol: HTTP, port: 80, allowedRoutes: {namespaces: {from: All}}}"
	andHTTPS  = "\n    - {name: ofn-https, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: certificate}]}, allowedRoutes: {namespaces: {from: All}}}"
)

func here(text string) string { return strings.ReplaceAll(text, "$NAMESPACE", w.Namespace) }

func isReady(g *networkingv1alpha1.Gateway) bool {
	return condition(g, networkingv1alpha1.ReadyCondition).Status == metav1.ConditionTrue
}

var _ = Describe("A Gateway with gatewayRef", func() {
	It("brings its listeners beside those of others, and takes only its own away", func(ctx SpecContext) {
		apply(ctx, theirs("theirs"), ours(refTheirs, httpOnly+andHTTPS))
		settled(ctx)
		g := read[networkingv1alpha1.Gateway](ctx, "hello")
		Expect(isReady(g)).To(BeTrue(), "%v", g.Status.Conditions)
		Expect(g.Status.Addresses).To(HaveExactElements(HaveField("Value", kit.GatewayAddress)))
		Expect(g.Status.Listeners).To(HaveLen(3))
		Expect(listeners(ctx, "theirs")).To(Equal([]string{"ofn-http-external", "ofn-http-internal", "ofn-https", "web"}))
		target := read[gatewayv1.Gateway](ctx, "theirs")
		Expect(target.OwnerReferences).To(BeEmpty())
		Expect(target.Spec.Listeners).To(ContainElements(
			And(HaveField("Name", BeEquivalentTo("ofn-https")), HaveField("Hostname", HaveValue(BeEquivalentTo("*.example.com")))),
			And(HaveField("Name", BeEquivalentTo("ofn-http-internal")), HaveField("Hostname", HaveValue(BeEquivalentTo("*.cluster.local"))), HaveField("Port", BeEquivalentTo(80))),
			And(HaveField("Name", BeEquivalentTo("web")), HaveField("Hostname", BeNil())),
		))

		By("changing the domain and dropping a listener")
		apply(ctx, strings.ReplaceAll(ours(refTheirs, httpOnly), "example.com", "example.org"))
		settled(ctx)
		Expect(listeners(ctx, "theirs")).To(Equal([]string{"ofn-http-external", "ofn-http-internal", "web"}))
		Expect(read[gatewayv1.Gateway](ctx, "theirs").Spec.Listeners).To(ContainElement(HaveField("Hostname", HaveValue(BeEquivalentTo("*.example.org")))))

		By("somebody taking a listener away and editing another")
		edited := read[gatewayv1.Gateway](ctx, "theirs")
		edited.Spec.Listeners = edited.Spec.Listeners[:2]
		edited.Spec.Listeners[1].Port = 8000
		Expect(cp.Client.Update(ctx, edited)).To(Succeed())
		eventually(ctx, "the listeners to be mended", func() bool {
			return len(listeners(ctx, "theirs")) == 3 && read[gatewayv1.Gateway](ctx, "theirs").Spec.Listeners[1].Port == 80
		})
		settled(ctx)

		By("deleting it")
		Expect(w.Delete(ctx, networkingv1alpha1.GroupVersion.WithKind("Gateway"), "hello")).To(Succeed())
		eventually(ctx, "the Gateway to go", func() bool { return !exists[networkingv1alpha1.Gateway](ctx, w.Namespace, "hello") })
		Expect(listeners(ctx, "theirs")).To(Equal([]string{"web"}))
		Expect(read[gatewayv1.Gateway](ctx, "theirs").Annotations).NotTo(HaveKey(networkingv1alpha1.InjectedListenersAnnotation))
	})

	It("shares the internal listener with another Gateway", func(ctx SpecContext) {
		other := strings.NewReplacer("ofn-http-external", "other", "port: 80", "port: 8080").Replace(httpOnly)
		apply(ctx, theirs("theirs"), ours(refTheirs, httpOnly), named("other", refTheirs, other))
		settled(ctx)
		for _, name := range []string{"hello", "other"} {
			Expect(isReady(read[networkingv1alpha1.Gateway](ctx, name))).To(BeTrue())
		}
		Expect(listeners(ctx, "theirs")).To(Equal([]string{"ofn-http-external", "ofn-http-internal", "other", "web"}))
		Expect(w.Delete(ctx, networkingv1alpha1.GroupVersion.WithKind("Gateway"), "hello")).To(Succeed())
		eventually(ctx, "its listener to go", func() bool { return len(listeners(ctx, "theirs")) == 3 })
		Expect(listeners(ctx, "theirs")).To(Equal([]string{"ofn-http-internal", "other", "web"}))
	})

	It("does not take over a listener of somebody else's, and heals when that has gone", func(ctx SpecContext) {
		apply(ctx, strings.ReplaceAll(theirs("theirs"), "name: web", "name: ofn-http-external"), ours(refTheirs, httpOnly))
		g := becomes[networkingv1alpha1.Gateway](ctx, "hello", networkingv1alpha1.StalledCondition, networkingv1alpha1.ListenerTakenReason)
		Expect(condition(g, networkingv1alpha1.ReadyCondition).Message).To(ContainSubstring(`"ofn-http-external" exists and belongs to somebody else`))
		Expect(listeners(ctx, "theirs")).To(Equal([]string{"ofn-http-external"}))
		apply(ctx, theirs("theirs"))
		eventually(ctx, "it to heal", func() bool { return isReady(read[networkingv1alpha1.Gateway](ctx, "hello")) })
		settled(ctx)
	})

	It("moves to another Kubernetes Gateway", func(ctx SpecContext) {
		apply(ctx, theirs("theirs"), theirs("second"), ours(refTheirs, httpOnly))
		settled(ctx)
		apply(ctx, ours(strings.ReplaceAll(refTheirs, "theirs", "second"), httpOnly))
		settled(ctx)
		eventually(ctx, "the listeners to move", func() bool { return len(listeners(ctx, "theirs")) == 1 && len(listeners(ctx, "second")) == 3 })
	})

	It("says what is missing, and heals when it comes", func(ctx SpecContext) {
		apply(ctx, ours(refTheirs, httpOnly))
		becomes[networkingv1alpha1.Gateway](ctx, "hello", networkingv1alpha1.StalledCondition, networkingv1alpha1.GatewayNotFoundReason)
		settled(ctx)
		apply(ctx, theirs("theirs"))
		eventually(ctx, "it to heal", func() bool { return isReady(read[networkingv1alpha1.Gateway](ctx, "hello")) })
		settled(ctx)
	})

	It("needs a grant in another namespace, and gives all back when that goes", func(ctx SpecContext) {
		other, err := cp.NewWorld(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(other.Apply(ctx, theirs("theirs"))).To(Succeed())
		apply(ctx, ours("  gatewayRef: {name: theirs, namespace: "+other.Namespace+"}", httpOnly))
		g := becomes[networkingv1alpha1.Gateway](ctx, "hello", networkingv1alpha1.StalledCondition, networkingv1alpha1.NotGrantedReason)
		Expect(condition(g, networkingv1alpha1.ReadyCondition).Message).To(ContainSubstring("no ReferenceGrant there"))
		grant := &gatewayv1beta1.ReferenceGrant{ObjectMeta: metav1.ObjectMeta{Name: "grant", Namespace: other.Namespace}, Spec: gatewayv1beta1.ReferenceGrantSpec{
			From: []gatewayv1beta1.ReferenceGrantFrom{{Group: "networking.openfunction.io", Kind: "Gateway", Namespace: gatewayv1.Namespace(w.Namespace)}},
			To:   []gatewayv1beta1.ReferenceGrantTo{{Group: gatewayv1.GroupName, Kind: "Gateway", Name: ptr.To(gatewayv1.ObjectName("theirs"))}},
		}}
		Expect(cp.Client.Create(ctx, grant)).To(Succeed())
		eventually(ctx, "it to be let in", func() bool { return isReady(read[networkingv1alpha1.Gateway](ctx, "hello")) })
		target := &gatewayv1.Gateway{}
		Expect(other.Get(ctx, "theirs", target)).To(Succeed())
		Expect(target.Spec.Listeners).To(HaveLen(3))
		Expect(cp.Client.Delete(ctx, grant)).To(Succeed())
		becomes[networkingv1alpha1.Gateway](ctx, "hello", networkingv1alpha1.StalledCondition, networkingv1alpha1.NotGrantedReason)
		Expect(other.Get(ctx, "theirs", target)).To(Succeed())
		Expect(target.Spec.Listeners).To(HaveLen(1))
	})

	It("needs none in the platform's namespace", func(ctx SpecContext) {
		apply(ctx, theirs("theirs"))
		g := applyIn[networkingv1alpha1.Gateway](ctx, platform, ours(refTheirs, httpOnly))
		eventually(ctx, "the listeners to come", func() bool { return len(listeners(ctx, "theirs")) == 3 })
		Expect(cp.Client.Delete(ctx, g)).To(Succeed())
		eventually(ctx, "the listeners to go", func() bool { return len(listeners(ctx, "theirs")) == 1 })
	})

	It("says which listener is not served, and whose host name does not count", func(ctx SpecContext) {
		apply(ctx, theirs("theirs"), ours(refTheirs, strings.ReplaceAll(httpOnly+andHTTPS, "name: certificate", "name: "+kit.WordBroken)))
		g := becomes[networkingv1alpha1.Gateway](ctx, "hello", networkingv1alpha1.StalledCondition, networkingv1alpha1.ListenerNotReadyReason)
		Expect(condition(g, networkingv1alpha1.ReadyCondition).Message).To(HavePrefix("Listener ofn-https: InvalidCertificateRef"))
		apply(ctx, ours(refTheirs, strings.ReplaceAll(httpOnly, "port: 80", "port: 80, hostname: one.example.com")))
		settled(ctx)
		g = read[networkingv1alpha1.Gateway](ctx, "hello")
		Expect(isReady(g)).To(BeTrue())
		Expect(condition(g, networkingv1alpha1.UnsupportedCondition).Message).To(ContainSubstring("ofn-http-external"))
	})

	It("stalls on a template that cannot be used", func(ctx SpecContext) {
		apply(ctx, theirs("theirs"), ours(refTheirs, "  hostTemplate: '{{.Nmae}}.{{.Domain}}'", httpOnly))
		g := becomes[networkingv1alpha1.Gateway](ctx, "hello", networkingv1alpha1.StalledCondition, networkingv1alpha1.InvalidTemplateReason)
		Expect(condition(g, networkingv1alpha1.ReadyCondition).Message).To(ContainSubstring("Nmae"))
		Expect(listeners(ctx, "theirs")).To(Equal([]string{"web"}))
		settled(ctx)
	})
})

var _ = Describe("A Gateway with gatewayDef", func() {
	It("makes the Kubernetes Gateway and deletes it", func(ctx SpecContext) {
		apply(ctx, ours(defOwn, httpOnly))
		settled(ctx)
		Expect(isReady(read[networkingv1alpha1.Gateway](ctx, "hello"))).To(BeTrue())
		target := read[gatewayv1.Gateway](ctx, "hello")
		Expect(target.Spec.GatewayClassName).To(BeEquivalentTo("kit"))
		Expect(metav1.GetControllerOf(target)).To(HaveField("Name", "hello"))
		apply(ctx, ours(strings.ReplaceAll(defOwn, "Name: kit", "Name: other"), httpOnly+andHTTPS))
		settled(ctx)
		Expect(read[gatewayv1.Gateway](ctx, "hello").Spec.GatewayClassName).To(BeEquivalentTo("other"))
		Expect(listeners(ctx, "hello")).To(HaveLen(3))

		By("giving it another name")
		apply(ctx, ours(strings.ReplaceAll(defOwn, "{", "{name: second, "), httpOnly))
		settled(ctx)
		eventually(ctx, "the first to go", func() bool { return !exists[gatewayv1.Gateway](ctx, w.Namespace, "hello") })
		Expect(listeners(ctx, "second")).To(HaveLen(2))
		Expect(w.Delete(ctx, networkingv1alpha1.GroupVersion.WithKind("Gateway"), "hello")).To(Succeed())
		eventually(ctx, "all to go", func() bool {
			return !exists[networkingv1alpha1.Gateway](ctx, w.Namespace, "hello") && !exists[gatewayv1.Gateway](ctx, w.Namespace, "second")
		})
	})

	It("deletes it in another namespace too, before the cache has seen it", func(ctx SpecContext) {
		hear := behind.hold(gateways)
		g := applyIn[networkingv1alpha1.Gateway](ctx, platform, ours(defOwn, httpOnly))
		eventually(ctx, "the Kubernetes Gateway", func() bool { return exists[gatewayv1.Gateway](ctx, w.Namespace, "hello") })
		Expect(cp.Client.Delete(ctx, g)).To(Succeed())
		eventually(ctx, "the Gateway to go", func() bool { return !exists[networkingv1alpha1.Gateway](ctx, platform, "hello") })
		Expect(exists[gatewayv1.Gateway](ctx, w.Namespace, "hello")).To(BeFalse())
		hear()
	})

	It("is not ready by what was so before a change that is taken back", func(ctx SpecContext) {
		takeBack[networkingv1alpha1.Gateway](ctx, gateways, "hello", ours(defOwn, httpOnly), ours(defOwn, httpOnly+andHTTPS), func(ctx context.Context) bool {
			return slices.Contains(listeners(ctx, "hello"), "ofn-https")
		})
	})

	It("waits for its namespace", func(ctx SpecContext) {
		later := w.Namespace + "-later"
		g := applyIn[networkingv1alpha1.Gateway](ctx, platform, ours(strings.ReplaceAll(defOwn, "$NAMESPACE", later), httpOnly))
		reason := func() string {
			Expect(cp.Client.Get(ctx, client.ObjectKeyFromObject(g), g)).To(Succeed())
			return condition(g, networkingv1alpha1.ReadyCondition).Reason
		}
		eventually(ctx, "it to say so", func() bool { return reason() == networkingv1alpha1.NamespaceNotFoundReason })
		Expect(condition(g, networkingv1alpha1.ScheduledCondition).Message).To(ContainSubstring(later))
		Expect(cp.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: later}})).To(Succeed())
		eventually(ctx, "it to go on by itself", func() bool { return reason() == networkingv1alpha1.ReadyCondition })
	})

	It("does not take over one of somebody else's", func(ctx SpecContext) {
		apply(ctx, theirs("hello"), ours(defOwn, httpOnly))
		becomes[networkingv1alpha1.Gateway](ctx, "hello", networkingv1alpha1.StalledCondition, networkingv1alpha1.NameTakenReason)
		Expect(listeners(ctx, "hello")).To(Equal([]string{"web"}))
		settled(ctx)
	})

	It("waits for a controller", func(ctx SpecContext) {
		apply(ctx, ours(strings.ReplaceAll(defOwn, "Name: kit", "Name: "+kit.WordSlow), httpOnly))
		g := becomes[networkingv1alpha1.Gateway](ctx, "hello", networkingv1alpha1.ReconcilingCondition, networkingv1alpha1.PendingReason)
		Expect(condition(g, networkingv1alpha1.ReadyCondition).Message).To(ContainSubstring("look at its GatewayClass"))
	})
})
