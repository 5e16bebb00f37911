// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
)

// gate is a Gateway of the suite's namespace with a TLS listener.
const gate = `
apiVersion: networking.openfunction.io/v1alpha1
kind: Gateway
metadata: {name: gate}
spec:
  domain: $NAMESPACE.example
  gatewayDef: {namespace: $NAMESPACE, gatewayClassName: traefik}
  gatewaySpec:
    listeners:
    - {name: ofn-http-external, protocol: HTTP, port: 80}
    - {name: ofn-https, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: gate}]}}
`

// routed is a function on an engine that is reached through gate; more is YAML of its route.
func routed(name, image, engine, more string) string {
	return fn{name: name, image: image, serving: `
triggers: {http: {engine: ` + engine + `, route: {gatewayRef: {name: gate, namespace: $NAMESPACE}` + more + `}}}
scaleOptions: {minReplicas: 1, maxReplicas: 2}
`}.manifest()
}

// ownHost are a host name and rules of the user's.
const ownHost = `, hostnames: [shop.$NAMESPACE.example], rules: [{matches: [{path: {type: PathPrefix, value: /api}}], filters: [` +
	`{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}, ` +
	`{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-gate, value: passed}]}}]}]`

// certify makes a key and a certificate for the hosts of gate, as a Secret, and returns whom to trust.
func certify(ctx context.Context) *x509.CertPool {
	GinkgoHelper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gate"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"*." + namespace + ".example", "*." + namespace + "." + namespace + ".example"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	Expect(err).NotTo(HaveOccurred())
	private, err := x509.MarshalECPrivateKey(key)
	Expect(err).NotTo(HaveOccurred())
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "gate", Namespace: namespace}, Type: corev1.SecretTypeTLS, Data: map[string][]byte{
		corev1.TLSCertKey:       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		corev1.TLSPrivateKeyKey: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}),
	}}
	Expect(c.Create(ctx, secret)).To(Succeed())
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(secret.Data[corev1.TLSCertKey])
	return pool
}

// ask asks a URL through the gateway, which is dialled at a local address, and returns status, body and the header x-gate.
func ask(ctx context.Context, address, target string, trust *x509.CertPool) (int, string, string) {
	GinkgoHelper()
	transport := &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	Expect(err).NotTo(HaveOccurred())
	response, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Do(r)
	if err != nil {
		return 0, err.Error(), ""
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(body), response.Header.Get("x-gate")
}

func externals(f *corev1beta2.Function) []string {
	var all []string
	for _, a := range f.Status.Addresses {
		if a.Type != nil && *a.Type == corev1beta2.ExternalAddressType {
			all = append(all, a.Value)
		}
	}
	return all
}

var _ = Describe("a function behind a Gateway", Label("gateway"), long, Ordered, ContinueOnFailure, func() {
	var (
		trust *x509.CertPool
		plain string
	)

	BeforeAll(func(ctx SpecContext) {
		trust = certify(ctx)
		plain = cluster.IngressHost
		if plain == "" {
			plain = forward(ctx, "traefik", "service/traefik", 80)
		}
		applyYAML(ctx, gate)
		apply(ctx, routed("routed", "$WORKER", "knative", ""))
		DeferCleanup(func(ctx SpecContext) {
			_ = kubectl(ctx, "delete", "gateways.networking.openfunction.io", "gate", "--ignore-not-found")
		})
	})

	It("has the hosts of the template, over http and https", func(ctx SpecContext) {
		f := ready(ctx, "routed")
		host := "routed." + namespace + "." + namespace + ".example"
		Expect(externals(f)).To(Equal([]string{"http://" + host + "/", "https://" + host + "/"}))
		Expect(f.Status.Addresses[0].Value).To(Equal(inside("routed")))
		Expect(get(ctx, f)).To(Equal("one"))
		code, body, _ := ask(ctx, forward(ctx, "traefik", "service/traefik", 443), "https://"+host+"/", trust)
		Expect(code).To(Equal(http.StatusOK), body)
		Expect(body).To(Equal("one"))
	})

	It("has the user's host and rules, and the status follows", func(ctx SpecContext) {
		before := externals(ready(ctx, "routed"))[0]
		apply(ctx, routed("routed", "$WORKER", "knative", ownHost))
		Eventually(ctx, func() []string { return externals(ready(ctx, "routed")) }).Should(ContainElement("http://shop." + namespace + ".example/api"))
		f := ready(ctx, "routed")
		Expect(f.Status.Route.Paths).To(HaveExactElements(HaveField("Value", HaveValue(Equal("/api")))))
		Eventually(ctx, func(g Gomega) {
			code, body, header := ask(ctx, plain, externals(f)[0], trust)
			g.Expect([]any{code, body, header}).To(Equal([]any{http.StatusOK, "one", "passed"}))
			code, _, _ = ask(ctx, plain, before, trust)
			g.Expect(code).To(Equal(http.StatusNotFound))
		}).Should(Succeed())
	})

	It("changes version and engine under constant requests without a failure", func(ctx SpecContext) {
		apply(ctx, routed("moving", "$WORKER", "knative", ""))
		f := ready(ctx, "moving")
		Eventually(ctx, func() (string, error) { return get(ctx, f) }).Should(Equal("one"))
		load := startLoad(ctx, f)
		time.Sleep(3 * time.Second)
		apply(ctx, routed("moving", "$TWO", "knative", ""))
		Eventually(ctx, func() string { text, _ := get(ctx, f); return text }).Should(Equal("two"))
		ready(ctx, "moving")
		apply(ctx, routed("moving", "$WORKER", "keda", ""))
		Eventually(ctx, func() string { text, _ := get(ctx, f); return text }).Should(Equal("one"))
		ready(ctx, "moving")
		time.Sleep(40 * time.Second) // the objects of the engine before go after a while
		answers, failures := load.stop()
		AddReportEntry("answers", fmt.Sprint(answers, " failures ", len(failures)))
		Expect(failures).To(BeEmpty())
		Expect(answers).To(And(HaveKey("one"), HaveKey("two")))
		Expect(externals(ready(ctx, "moving"))).To(Equal(externals(f)))
	}, NodeTimeout(5*time.Minute))

	It("leaves a route of somebody else's alone", func(ctx SpecContext) {
		applyYAML(ctx, "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: taken}\nspec: {parentRefs: [{name: gate}], hostnames: [their.$NAMESPACE.example]}")
		apply(ctx, routed("taken", "$WORKER", "knative", ""))
		DeferCleanup(func(ctx SpecContext) {
			_ = kubectl(ctx, "delete", "fn/taken", "httproutes/taken", "--ignore-not-found")
		})
		f := becomes(ctx, "taken", corev1beta2.RoutedCondition, metav1.ConditionFalse)
		Expect(condition(f, corev1beta2.RoutedCondition).Reason).To(Equal(corev1beta2.NameTakenReason))
		route := &gatewayv1.HTTPRoute{}
		Expect(c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "taken"}, route)).To(Succeed())
		Expect(route.OwnerReferences).To(BeEmpty())
		Expect(route.Spec.Hostnames).To(HaveExactElements(BeEquivalentTo("their." + namespace + ".example")))
		Expect(c.Delete(ctx, route)).To(Succeed())
		heals(ctx, "taken")
		Expect(externals(read(ctx, "taken"))).To(HaveLen(2))
	})

	It("adopts a Kubernetes Gateway and gives it back", func(ctx SpecContext) {
		key := client.ObjectKey{Namespace: "traefik", Name: "openfunction"}
		target := &gatewayv1.Gateway{}
		Expect(c.Get(ctx, key, target)).To(Succeed())
		before := target.Spec.Listeners
		g := &networkingv1alpha1.Gateway{}
		Expect(yaml.UnmarshalStrict([]byte(strings.ReplaceAll(manifest(gate), "name: gate", "name: "+namespace)), g)).To(Succeed())
		g.Namespace = "openfunction"
		g.Spec.Domain = "adopted." + namespace + ".example"
		g.Spec.GatewayDef, g.Spec.GatewayRef = nil, &networkingv1alpha1.GatewayRef{Name: key.Name, Namespace: key.Namespace}
		g.Spec.GatewaySpec.Listeners = g.Spec.GatewaySpec.Listeners[:1]
		Expect(c.Create(ctx, g)).To(Succeed())
		Eventually(ctx, func() []networkingv1alpha1.GatewayStatus {
			Expect(c.Get(ctx, client.ObjectKeyFromObject(g), g)).To(Succeed())
			return []networkingv1alpha1.GatewayStatus{g.Status}
		}).Should(ContainElement(HaveField("Conditions", ContainElement(And(HaveField("Type", "Ready"), HaveField("Status", metav1.ConditionTrue))))))
		Expect(c.Get(ctx, key, target)).To(Succeed())
		Expect(target.Spec.Listeners).To(HaveLen(len(before) + 2))
		Expect(target.Spec.Listeners[:len(before)]).To(Equal(before))
		Expect(c.Delete(ctx, g)).To(Succeed())
		Eventually(ctx, func() int { Expect(c.Get(ctx, key, target)).To(Succeed()); return len(target.Spec.Listeners) }).Should(Equal(len(before)))
		Expect(target.Spec.Listeners).To(Equal(before))
	})
})
