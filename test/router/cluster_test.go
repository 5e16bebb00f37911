// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openfunction/openfunction/pkg/core/route"
	"github.com/openfunction/openfunction/test/kit"
)

// front is the Service of a function as the Serving controller makes it.
func front(namespace, name, text string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{route.Label: "true"},
			Annotations: map[string]string{route.Annotation: text}},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "router.openfunction.svc.cluster.local"},
	}
}

// TestServicesOfACluster runs the router as the user it is installed as, against a real API server.
func TestServicesOfACluster(t *testing.T) {
	ctx := t.Context()
	cp, err := kit.Start(ctx, kit.Options{CRDs: []kit.CRDs{}, WithoutGarbageCollector: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cp.Stop(); err != nil {
			t.Error(err)
		}
	}()
	_, kubeconfig, err := cp.UserWith(ctx, "openfunction-router", "config/router/cluster_role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := functions(t)
	for _, namespace := range []string{"shop", "bank"} {
		do(cp.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))
	}
	const many = 100
	for i := range many {
		name := fmt.Sprintf("fn-%d", i)
		do(cp.Client.Create(ctx, front("shop", name, to(at, "shop", name).String())))
	}
	p := start(t, kubeconfig, at)
	eventually(t, "it is ready", p.isReady)
	is := func(host string, status int, text string) func() bool {
		return func() bool {
			got, said := p.get(host)
			return got == status && strings.Contains(said, text)
		}
	}
	for i := range many { // it is ready no sooner
		host := fmt.Sprintf("fn-%d.shop", i)
		if !is(host, http.StatusOK, host+".svc.cluster.local")() {
			t.Errorf("%s is not known", host)
		}
	}

	do(cp.Client.Create(ctx, front("bank", "late", to(at, "bank", "late").String())))
	eventually(t, "a new function", is("late.bank", http.StatusOK, "late.bank.svc.cluster.local"))
	late := front("bank", "late", "")
	patch := func(format string, args ...any) {
		t.Helper()
		do(cp.Client.Patch(ctx, late, client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, format, args...))))
	}
	patch(`{"metadata":{"annotations":{%q:%q}}}`, route.Annotation, to(at, "bank", "later"))
	eventually(t, "a changed route", is("late.bank", http.StatusOK, "later.bank.svc.cluster.local"))
	for what, text := range map[string]string{
		"of another namespace": to(at, "shop", "fn-1").String(), "to an address outside": to("169.254.169.254:80", "bank", "late").String(),
		"unreadable": "{", "empty": `{"backends":[]}`,
	} {
		patch(`{"metadata":{"annotations":{%q:%q}}}`, route.Annotation, text)
		eventually(t, "a route "+what, is("late.bank", http.StatusServiceUnavailable, "bank/late does not take requests yet"))
		patch(`{"metadata":{"annotations":{%q:%q}}}`, route.Annotation, to(at, "bank", "late"))
		eventually(t, "a good route", is("late.bank", http.StatusOK, "late.bank"))
	}
	patch(`{"metadata":{"labels":{%q:null}}}`, route.Label)
	eventually(t, "a Service that is none of ours", is("late.bank", http.StatusNotFound, "There is no function bank/late"))
	do(cp.Client.Delete(ctx, front("shop", "fn-0", "")))
	eventually(t, "a function that went", is("fn-0.shop", http.StatusNotFound, "There is no function shop/fn-0"))
	p.kill() // an API server that ends waits for those who watch
	if said := p.output(); strings.Contains(said, "forbidden") || strings.Count(said, "Refused a route") != 3 {
		t.Errorf("it said: %s", said)
	}
}
