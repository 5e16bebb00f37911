// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"os"
	"regexp"
	"testing"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
	"github.com/openfunction/openfunction/test/kit"
)

// cp is the API server that judges the manifests of this suite.
var cp *kit.ControlPlane

func TestAPI(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "apis/networking/v1alpha1")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	cp, err = kit.Start(ctx, kit.Options{CRDs: []kit.CRDs{kit.OpenFunction}, WithoutGarbageCollector: true})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return cp.Stop() })
}, NodeTimeout(5*time.Minute))

// base is a valid Gateway that the fragments of the table are merged into.
const base = `
apiVersion: networking.openfunction.io/v1alpha1
kind: Gateway
metadata: {name: gate, namespace: default}
spec:
  domain: example.com
  gatewayRef: {name: contour, namespace: projectcontour}
  gatewaySpec: {listeners: [{name: ofn-http-external, hostname: "*.example.com", protocol: HTTP, port: 80}]}
`

// gate is the base with a fragment of YAML merged into its spec.
func gate(fragment string) *unstructured.Unstructured {
	GinkgoHelper()
	text, err := yaml.YAMLToJSON([]byte(base))
	Expect(err).NotTo(HaveOccurred())
	patch, err := yaml.YAMLToJSON([]byte("spec: {" + fragment + "}"))
	Expect(err).NotTo(HaveOccurred(), fragment)
	merged, err := jsonpatch.MergePatch(text, patch)
	Expect(err).NotTo(HaveOccurred(), fragment)
	o := &unstructured.Unstructured{}
	Expect(o.UnmarshalJSON(merged)).To(Succeed())
	return o
}

func admit(ctx context.Context, o client.Object) error {
	return cp.Client.Create(ctx, o, client.DryRunAll, client.FieldValidation("Strict"))
}

var _ = Describe("Admission", func() {
	DescribeTable("refuses what cannot work and says how to mend it",
		func(ctx context.Context, good, bad, message string) {
			Expect(admit(ctx, gate(good))).To(Succeed())
			Expect(admit(ctx, gate(bad))).To(MatchError(ContainSubstring(message)))
		},
		Entry("a domain", `domain: ofn.io`, `domain: null`, "spec.domain: Required value"),
		Entry("a DNS name", `domain: 172.31.73.53.sslip.io`, `domain: "*.ofn.io"`, "domain must be a DNS name"),
		Entry("a cluster domain", `clusterDomain: cluster.example`, `clusterDomain: "-"`, "clusterDomain must be a DNS name"),
		Entry("a label key", `httpRouteLabelKey: example.com/team`, `httpRouteLabelKey: "a b"`, "httpRouteLabelKey must be the key of a label"),
		Entry("one Kubernetes Gateway", `gatewayRef: null, gatewayDef: {namespace: default, gatewayClassName: contour}`,
			`gatewayDef: {namespace: default, gatewayClassName: contour}`, "exactly one of gatewayRef and gatewayDef must be set"),
		Entry("any Kubernetes Gateway", `gatewayRef: null, gatewayDef: {name: own, namespace: default, gatewayClassName: contour}`,
			`gatewayRef: null`, "exactly one of gatewayRef and gatewayDef must be set"),
		Entry("a listener of its own", `gatewaySpec: {listeners: [{name: a, protocol: HTTP, port: 80}, {name: ofn-http-internal, protocol: HTTP, port: 80}]}`,
			`gatewaySpec: {listeners: [{name: ofn-http-internal, protocol: HTTP, port: 80}]}`, "listeners must have one besides ofn-http-internal"),
		Entry("listeners that differ", `gatewaySpec: {listeners: [{name: a, protocol: HTTP, port: 80}, {name: b, protocol: HTTP, port: 8080}]}`,
			`gatewaySpec: {listeners: [{name: a, protocol: HTTP, port: 80}, {name: b, protocol: HTTP, port: 80}]}`, "listeners must differ in port or protocol"),
	)

	It("fills in the defaults, and a status before any controller has looked", func(ctx context.Context) {
		o := gate("")
		Expect(cp.Client.Create(ctx, o)).To(Succeed())
		g := &networkingv1alpha1.Gateway{}
		Expect(cp.Client.Get(ctx, client.ObjectKeyFromObject(o), g)).To(Succeed())
		Expect(g.Spec.ClusterDomain).To(Equal(networkingv1alpha1.DefaultClusterDomain))
		Expect(g.Spec.HostTemplate).To(Equal(networkingv1alpha1.DefaultHostTemplate))
		Expect(g.Spec.PathTemplate).To(Equal(networkingv1alpha1.DefaultPathTemplate))
		Expect(g.Spec.HTTPRouteLabelKey).To(Equal(networkingv1alpha1.DefaultHTTPRouteLabelKey))
		Expect(g.Status.Conditions).To(HaveExactElements(And(
			HaveField("Type", "Scheduled"), HaveField("Reason", "NotReconciled"), HaveField("Message", "Waiting for controller"))))
	})

	It("has a page that tells every condition and reason", func() {
		source, err := os.ReadFile("conditions.go")
		Expect(err).NotTo(HaveOccurred())
		page, err := os.ReadFile("../../../docs/spec/gateway.md")
		Expect(err).NotTo(HaveOccurred())
		for _, name := range regexp.MustCompile(`(?m)^\t\w+(?:Reason|Condition) += "(\w+)"`).FindAllStringSubmatch(string(source), -1) {
			Expect(string(page)).To(ContainSubstring("`" + name[1] + "`"))
		}
	})
})
