// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ofInterceptor is an EndpointSlice of the Service of KEDA's HTTP add-on.
func ofInterceptor(name string, port int32, addresses ...string) *discoveryv1.EndpointSlice {
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "keda", Labels: map[string]string{
			discoveryv1.LabelServiceName: "keda-add-ons-http-interceptor-proxy"}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports: []discoveryv1.EndpointPort{
			{Name: ptr.To("proxy"), Port: ptr.To(port)}, {Name: ptr.To("proxy-tls"), Port: ptr.To[int32](8443)}},
	}
	for _, address := range addresses {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)}})
	}
	return slice
}

// mirrored are the addresses and the port that stand for the interceptor in the operator's namespace.
func mirrored(ctx context.Context) (addresses []string, port int32) {
	GinkgoHelper()
	slice := &discoveryv1.EndpointSlice{}
	err := cp.Client.Get(ctx, client.ObjectKey{Namespace: "openfunction", Name: "http-interceptor"}, slice)
	if apierrors.IsNotFound(err) {
		return nil, 0
	}
	Expect(err).NotTo(HaveOccurred())
	Expect(slice.Labels).To(HaveKeyWithValue(discoveryv1.LabelServiceName, "http-interceptor"))
	for _, endpoint := range slice.Endpoints {
		addresses = append(addresses, endpoint.Addresses...)
	}
	for _, p := range slice.Ports {
		port = ptr.Deref(p.Port, 0)
	}
	return addresses, port
}

// mirroring counts the writes of EndpointSlices.
func mirroring() int {
	n := 0
	for _, write := range recorder.Writes() {
		if write.Resource == "endpointslices" {
			n++
		}
	}
	return n
}

// The interceptor is the whole cluster's.
var _ = Describe("The Service before the interceptor", Serial, func() {
	become := func(ctx context.Context, port int32, want ...string) {
		GinkgoHelper()
		eventually(ctx, "the interceptor's endpoints", func() bool {
			addresses, at := mirrored(ctx)
			ok, _ := ConsistOf(want).Match(addresses)
			return (ok || len(want)+len(addresses) == 0) && (at == port || len(want) == 0)
		})
	}

	It("has the endpoints of the interceptor's own, as they come and go", func(ctx SpecContext) {
		first, second := ofInterceptor("a", 8080, "10.0.0.2", "10.0.0.1"), ofInterceptor("b", 8080, "10.0.0.3")
		DeferCleanup(func(ctx SpecContext) error {
			return cp.Client.DeleteAllOf(ctx, &discoveryv1.EndpointSlice{}, client.InNamespace("keda"))
		})
		Expect(cp.Client.Create(ctx, first)).To(Succeed())
		become(ctx, 8080, "10.0.0.1", "10.0.0.2")
		Expect(cp.Client.Create(ctx, second)).To(Succeed())
		become(ctx, 8080, "10.0.0.1", "10.0.0.2", "10.0.0.3")

		By("leaving out what is not ready")
		first.Endpoints[0].Conditions.Ready = ptr.To(false)
		Expect(cp.Client.Update(ctx, first)).To(Succeed())
		become(ctx, 8080, "10.0.0.1", "10.0.0.3")

		By("writing nothing when nothing it has changes")
		writes := mirroring()
		metav1.SetMetaDataAnnotation(&first.ObjectMeta, "endpoints.kubernetes.io/last-change-trigger-time", "now")
		Expect(cp.Client.Update(ctx, first)).To(Succeed())
		first.Endpoints[0].Conditions.Serving = ptr.To(true)
		Expect(cp.Client.Update(ctx, first)).To(Succeed())

		By("following to another port, after which all earlier changes have been seen")
		second.Endpoints = nil
		Expect(cp.Client.Update(ctx, second)).To(Succeed())
		become(ctx, 8080, "10.0.0.1")
		Expect(mirroring()).To(Equal(writes + 1))
		for _, slice := range []*discoveryv1.EndpointSlice{second, first} {
			slice.Ports[0].Port = ptr.To[int32](9090)
			Expect(cp.Client.Update(ctx, slice)).To(Succeed())
		}
		become(ctx, 9090, "10.0.0.1")

		By("putting back what somebody changes")
		ours := &discoveryv1.EndpointSlice{}
		Expect(cp.Client.Get(ctx, client.ObjectKey{Namespace: "openfunction", Name: "http-interceptor"}, ours)).To(Succeed())
		ours.Endpoints[0].Addresses = []string{"10.9.9.9"}
		Expect(cp.Client.Update(ctx, ours)).To(Succeed())
		become(ctx, 9090, "10.0.0.1")

		By("being empty when the add-on is gone")
		Expect(cp.Client.Delete(ctx, first)).To(Succeed())
		Expect(cp.Client.Delete(ctx, second)).To(Succeed())
		become(ctx, 0)
	})
})
