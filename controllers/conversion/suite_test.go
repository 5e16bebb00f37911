// SPDX-License-Identifier: Apache-2.0

package conversion_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	corev1beta1 "github.com/openfunction/openfunction/apis/core/v1beta1"
	"github.com/openfunction/openfunction/controllers/conversion"
	"github.com/openfunction/openfunction/test/kit"
	"github.com/openfunction/openfunction/test/ports"
)

const (
	namespace = "openfunction"
	name      = "openfunction-webhook"
)

// short lifetimes make every spec run while certificates (every 8 s) and authorities (every 25 s) are replaced. On a busy machine the API server
// may take seconds to hear of an authority.
var short = conversion.Lifetimes{
	Authority: 2 * time.Minute, AuthorityMargin: 95 * time.Second,
	Server: time.Minute, ServerMargin: 52 * time.Second,
	Overlap: 10 * time.Second,
}

var (
	cp *kit.ControlPlane
	// c speaks all versions, without a cache.
	c        client.Client
	warnings = &warned{}
)

// warned collects the API server's warnings.
type warned struct {
	mu    sync.Mutex
	texts []string
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *warned) HandleWarningHeader(_ int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}

func (w *warned) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.texts...)
}

func TestConversion(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "controllers/conversion")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	cp, err = kit.Start(ctx, kit.Options{CRDs: []kit.CRDs{kit.OpenFunction}, WithoutGarbageCollector: true})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cp.Stop()).To(Succeed()) })
	admin := rest.CopyConfig(cp.Config)
	admin.WarningHandler = warnings
	c, err = client.New(admin, client.Options{Scheme: conversion.NewScheme()})
	Expect(err).NotTo(HaveOccurred())
	Expect(cp.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())

	// Two replicas, as installed; the API server speaks to the first.
	user := operator(ctx)
	first, err := ports.Free()
	Expect(err).NotTo(HaveOccurred())
	second, err := ports.Free()
	Expect(err).NotTo(HaveOccurred())
	reach(ctx, first)
	run(user, first)
	run(user, second)
	Expect(cp.Client.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name + "-certificate", Namespace: namespace}})).To(Succeed())
	// A list without objects needs no conversion.
	for _, kind := range []string{"Builder", "Function", "Serving"} {
		Expect(c.Create(ctx, parse(v1beta2, kind, "always-there", `{spec: {image: a, builder: b, source: {inline: {a: b}}, serving: {}}}`))).To(Succeed())
	}
	Eventually(ctx, convertAll).WithTimeout(2 * time.Minute).Should(Succeed())
}, NodeTimeout(5*time.Minute))

// convertAll has objects of every kind converted.
func convertAll(ctx context.Context) error {
	for _, list := range []client.ObjectList{&corev1beta1.FunctionList{}, &corev1beta1.BuilderList{}, &corev1beta1.ServingList{}} {
		if err := c.List(ctx, list); err != nil {
			return err
		}
	}
	return nil
}

// operator returns who the webhook runs as: what config/webhook allows is all it can do.
func operator(ctx context.Context) *rest.Config {
	GinkgoHelper()
	user, _, err := cp.UserWith(ctx, name, "config/webhook/cluster_role.yaml", "config/webhook/role.yaml")
	Expect(err).NotTo(HaveOccurred())
	return user
}

// reach makes the definitions name this machine, where there are no Services.
func reach(ctx context.Context, port int) {
	GinkgoHelper()
	for _, name := range conversion.CRDs {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		Expect(cp.Client.Get(ctx, client.ObjectKey{Name: name}, crd)).To(Succeed())
		Expect(crd.Spec.Conversion.Strategy).To(Equal(apiextensionsv1.WebhookConverter))
		service := crd.Spec.Conversion.Webhook.ClientConfig.Service
		Expect(*service.Path).To(Equal(conversion.Path))
		Expect(service.Namespace + "/" + service.Name).To(Equal(namespace + "/" + "openfunction-webhook"))
		crd.Spec.Conversion.Webhook.ClientConfig = &apiextensionsv1.WebhookClientConfig{
			URL: ptr.To(fmt.Sprintf("https://localhost:%d%s", port, conversion.Path))}
		Expect(cp.Client.Update(ctx, crd)).To(Succeed())
	}
}

// run runs the webhook until the suite ends.
func run(user *rest.Config, port int) {
	GinkgoHelper()
	o := conversion.Options{
		Secret: client.ObjectKey{Namespace: namespace, Name: name + "-certificate"},
		Hosts:  []string{"localhost"}, Host: "localhost", Port: port, Lifetimes: short,
	}
	server := conversion.NewServer(o)
	mgr, err := ctrl.NewManager(user, ctrl.Options{
		Scheme: conversion.NewScheme(), Cache: conversion.CacheOptions(o), WebhookServer: server,
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: ptr.To(true), UsePriorityQueue: ptr.To(false)},
	})
	Expect(err).NotTo(HaveOccurred())
	Expect(conversion.SetupWithManager(mgr, server, o)).To(Succeed())
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	DeferCleanup(func() {
		stop()
		Expect(<-done).To(Succeed())
	})
}
