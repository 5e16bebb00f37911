// SPDX-License-Identifier: Apache-2.0

package sec

import (
	"flag"
	"net"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"github.com/openfunction/openfunction/pkg/core/podsecurity"
	openfunctionrouter "github.com/openfunction/openfunction/router"
	"github.com/openfunction/openfunction/test/kit"
)

// manifestsOf are the objects of a kind in config, read as strictly as kubectl does.
func manifestsOf[T any](kind string) []*T {
	GinkgoHelper()
	root, err := kit.Root()
	Expect(err).NotTo(HaveOccurred())
	files, err := filepath.Glob(filepath.Join(root, "config/*/*.yaml"))
	Expect(err).NotTo(HaveOccurred())
	var all []*T
	for _, file := range files {
		data, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		for document := range strings.SplitSeq("\n"+string(data), "\n---\n") {
			if !strings.Contains(document, "\nkind: "+kind+"\n") || strings.Contains(file, "/samples/") {
				continue
			}
			object := new(T)
			Expect(yaml.UnmarshalStrict([]byte(document), object)).To(Succeed(), file)
			all = append(all, object)
		}
	}
	Expect(all).NotTo(BeEmpty(), kind)
	return all
}

// The local cluster enforces no NetworkPolicy, so this is about what can be said without: that they are valid, and about the right pods and ports.
var _ = Describe("The platform's namespace", func() {
	It("has policies that the API server takes, the first of which denies everything", func(ctx SpecContext) {
		for _, policy := range manifestsOf[networkingv1.NetworkPolicy]("NetworkPolicy") {
			policy.Namespace = "openfunction"
			Expect(cp.Client.Create(ctx, policy)).To(Succeed(), policy.Name)
			if policy.Name == "deny" {
				Expect(policy.Spec).To(Equal(networkingv1.NetworkPolicySpec{
					PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}}))
			}
		}
	})

	It("lets in what the programs listen for, and nothing else", func() {
		policies := manifestsOf[networkingv1.NetworkPolicy]("NetworkPolicy")
		for _, deployment := range manifestsOf[appsv1.Deployment]("Deployment") {
			listens := map[string]bool{}
			for _, port := range deployment.Spec.Template.Spec.Containers[0].Ports {
				listens[port.Name] = true
			}
			let := map[string]bool{"probes": true} // from the node
			for _, policy := range policies {
				selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
				Expect(err).NotTo(HaveOccurred())
				if !selector.Matches(labels.Set(deployment.Spec.Template.Labels)) {
					continue
				}
				for _, rule := range policy.Spec.Ingress {
					for _, port := range rule.Ports {
						let[port.Port.String()] = true
					}
				}
			}
			Expect(let).To(Equal(listens), deployment.Name)
		}
	})

	It("lets in what comes through its Services", func() {
		for _, service := range manifestsOf[corev1.Service]("Service") {
			if len(service.Spec.Selector) == 0 {
				continue
			}
			for _, port := range service.Spec.Ports {
				Expect(policy("openfunction-" + service.Labels["app.kubernetes.io/component"]).Spec.Ingress[0].Ports[0].Port).To(HaveValue(Equal(port.TargetPort)))
			}
		}
	})

	It("lets the router out to the interceptor that it is told of", func() {
		config, err := openfunctionrouter.ParseConfig(flag.NewFlagSet("router", flag.ContinueOnError), nil)
		Expect(err).NotTo(HaveOccurred())
		host, port, err := net.SplitHostPort(config.Interceptor)
		Expect(err).NotTo(HaveOccurred())
		out := policy("openfunction-router").Spec.Egress
		Expect(strings.Split(host, ".")[1]).To(Equal(out[1].To[0].NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"]))
		Expect(out[1].Ports[0].Port.String()).To(Equal(port))
	})

	It("takes only pods that need no privilege, and these are", func() {
		for _, deployment := range manifestsOf[appsv1.Deployment]("Deployment") {
			Expect(podsecurity.Violations(podsecurity.Restricted, &deployment.Spec.Template)).To(BeEmpty(), deployment.Name)
			Expect(deployment.Spec.Template.Spec.ServiceAccountName).To(Equal(deployment.Name), "one for each program")
			Expect(deployment.Spec.Template.Spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem).To(HaveValue(BeTrue()), deployment.Name)
		}
		for _, namespace := range manifestsOf[corev1.Namespace]("Namespace") {
			Expect(namespace.Labels).To(HaveKeyWithValue(podsecurity.EnforceLabel, podsecurity.Restricted))
		}
	})
})

func policy(name string) *networkingv1.NetworkPolicy {
	GinkgoHelper()
	for _, policy := range manifestsOf[networkingv1.NetworkPolicy]("NetworkPolicy") {
		if policy.Name == name {
			return policy
		}
	}
	Fail("there is no NetworkPolicy " + name)
	return nil
}
