// SPDX-License-Identifier: Apache-2.0

package sec

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/test/kit"
	"github.com/openfunction/openfunction/test/sec/canary"
)

// secrets makes the Secrets that the manifests name, each with values of its own.
func secrets(ctx context.Context, w *kit.World, flock canary.Flock) {
	GinkgoHelper()
	registry := func(what string) map[string]string {
		text, err := json.Marshal(map[string]any{"auths": map[string]any{"registry.example.test": map[string]string{"username": "u", "password": flock.Add(what)}}})
		Expect(err).NotTo(HaveOccurred())
		return map[string]string{corev1.DockerConfigJsonKey: string(text)}
	}
	for name, secret := range map[string]*corev1.Secret{
		"git":     {Type: corev1.SecretTypeBasicAuth, StringData: map[string]string{"username": "u", "password": flock.Add("git password")}},
		"ssh":     {Type: corev1.SecretTypeSSHAuth, StringData: map[string]string{"ssh-privatekey": flock.Add("ssh key"), "known_hosts": "host"}},
		"push":    {Type: corev1.SecretTypeDockerConfigJson, StringData: registry("push password")},
		"pull":    {Type: corev1.SecretTypeDockerConfigJson, StringData: registry("pull password")},
		"broker":  {StringData: map[string]string{"password": flock.Add("password of a component")}},
		"own-api": {StringData: map[string]string{"token": flock.Add("token of Dapr's API")}},
	} {
		secret.ObjectMeta = metav1.ObjectMeta{Name: name, Namespace: w.Namespace}
		Expect(cp.Client.Create(ctx, secret)).To(Succeed())
	}
}

// ofDapr is a function with a Component that reads a Secret, in one of the modes.
const ofDapr = `
apiVersion: core.openfunction.io/v1beta2
kind: Function
metadata: {name: NAME, annotations: {openfunction.io/rotate-token: "1"}}
spec:
  image: registry.example.test/team/hello:v1
  imageCredentials: {name: push}
  serving:
    dapr: {mode: MODE}
    annotations: {dapr.io/api-token-secret: own-api}
    triggers: {dapr: [{name: queue}]}
    bindings:
      queue:
        type: bindings.rabbitmq
        version: v1
        metadata:
        - {name: host, secretKeyRef: {name: broker, key: password}}
        - {name: queueName, value: "INLINE"}
    params: {WORD: "PARAM"}
    tracing:
      enabled: true
      provider: {name: opentelemetry, exporter: {name: otlp, endpoint: "otel:4317", headers: "authorization=HEADER"}}
    template: {containers: [{name: function, image: ignored, env: [{name: E, valueFrom: {secretKeyRef: {name: broker, key: password}}}]}]}
`

// built is a function that is built from git.
const built = `
apiVersion: core.openfunction.io/v1beta2
kind: Function
metadata: {name: NAME}
spec:
  image: registry.example.test/team/NAME:v1
  imageCredentials: {name: push}
  build:
    builder: registry.example.test/builder-go:v1
    builderCredentials: {name: pull}
    env: {TEXT: WORD, SECRET_WORD: "ENV"}
    srcRepo: {url: "URL", CREDENTIALS}
  serving: {triggers: {http: {}}}
`

var _ = Describe("Secret values", Ordered, func() {
	var (
		w *kit.World
		// kept are in Secrets, and must be nowhere else. Written are what users wrote into a spec, and belong into specs alone.
		kept, written = canary.Flock{}, canary.Flock{}
	)

	BeforeAll(func(ctx SpecContext) {
		var err error
		w, err = cp.NewWorld(ctx)
		Expect(err).NotTo(HaveOccurred())
		secrets(ctx, w, kept)
		for _, mode := range []string{"Function", "Sidecar", "Shared"} {
			Expect(w.Apply(ctx, strings.NewReplacer("NAME", strings.ToLower(mode), "MODE", mode, "INLINE", written.Add("inline metadata "+mode),
				"PARAM", written.Add("param "+mode), "HEADER", url.QueryEscape(written.Add("header "+mode))).Replace(ofDapr))).To(Succeed())
		}
		for name, parts := range map[string][]string{
			"https":  {"main", "https://git.example.test/a.git", "credentials: {name: git}"},
			"ssh":    {"main", "ssh://git@git.example.test/a.git", "credentials: {name: ssh}"},
			"in-url": {"main", "https://" + url.UserPassword("u", written.Add("password in a URL")).String() + "@git.example.test/a.git", "revision: main"},
			"broken": {kit.WordBroken, "https://git.example.test/a.git", "credentials: {name: git}"},
		} {
			Expect(w.Apply(ctx, strings.NewReplacer("NAME", name, "WORD", parts[0], "URL", parts[1], "CREDENTIALS", parts[2],
				"ENV", written.Add("build.env of "+name)).Replace(built))).To(Succeed())
		}
		Expect(w.Apply(ctx, strings.NewReplacer("NAME", "lost", "URL", "https://git.example.test/a.git", "CREDENTIALS", "credentials: {name: not-there}").
			Replace(built))).To(Succeed())
		for _, name := range []string{"https", "ssh", "in-url", "function", "sidecar", "shared"} {
			ready(ctx, w, name)
		}
		Expect(w.Eventually(ctx, "the build to fail", func() (bool, error) { return told(w, "broken", "Built") == corev1beta2.BuildFailedReason, nil })).To(Succeed())
		Expect(w.Eventually(ctx, "the Secret to be missed", func() (bool, error) { return told(w, "lost", "Built") == corev1beta2.SecretNotFoundReason, nil })).To(Succeed())
		tokens(ctx, w, kept, "token")
		// Another token for each, so that the earlier one is kept beside it.
		for _, name := range []string{"function", "sidecar", "shared"} {
			patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"openfunction.io/rotate-token":"2"}}}`))
			Expect(cp.Client.Patch(ctx, &corev1beta2.Function{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.Namespace}}, patch)).To(Succeed())
			Eventually(ctx, func() string {
				return string(tokenOf(ctx, w, name).Data["previous"])
			}).WithTimeout(30 * time.Second).ShouldNot(BeEmpty())
		}
		tokens(ctx, w, kept, "new token")
	}, NodeTimeout(5*time.Minute))

	It("were at work, or the rest would show nothing", func() {
		var made, secret string
		for _, o := range w.All() {
			switch o.GetKind() {
			case "Function", "Builder", "Serving":
			case "Secret":
				secret += text(o.Object)
			default:
				made += text(o.Object)
			}
		}
		Expect(written.Find(made)).To(HaveLen(len(written)))
		Expect(kept.Find(secret)).To(HaveLen(len(kept)))
	})

	It("are in no object but Secrets", func() {
		for _, o := range w.All() {
			if o.GetKind() == "Secret" {
				continue
			}
			Expect(kept.Find(text(o.Object))).To(BeEmpty(), "%s %s", o.GetKind(), o.GetName())
			beside := o.DeepCopy().Object
			delete(beside, "spec")
			delete(beside, "data") // the ConfigMap with the user's own source
			Expect(written.Find(text(beside))).To(BeEmpty(), "%s %s, besides its spec", o.GetKind(), o.GetName())
			for _, path := range [][]string{{"spec", "template", "metadata"}, {"spec", "jobTargetRef", "template", "metadata"}} {
				found, _, _ := unstructured.NestedMap(o.Object, path...)
				Expect(written.Find(text(found))).To(BeEmpty(), "%s %s, labels and annotations of its pods", o.GetKind(), o.GetName())
			}
		}
	})

	It("are in no Event", func(ctx SpecContext) {
		events := &eventsv1.EventList{}
		Expect(cp.Client.List(ctx, events, client.InNamespace(w.Namespace))).To(Succeed())
		Expect(events.Items).NotTo(BeEmpty())
		Expect(kept.Find(text(events))).To(BeEmpty())
		Expect(written.Find(text(events))).To(BeEmpty())
	})

	It("are in no log, metric or record of the API server", func(ctx SpecContext) {
		audit, err := os.ReadFile(cp.AuditLog)
		Expect(err).NotTo(HaveOccurred())
		for what, output := range map[string]string{
			"the log of core": core.logged(), "the log of the webhook": webhook.logged(), "the log of the router": router.logged(),
			"the metrics of core": core.measured(ctx), "the metrics of the webhook": webhook.measured(ctx), "the metrics of the router": router.measured(ctx),
			"the audit log": string(audit),
		} {
			Expect(output).NotTo(BeEmpty(), what)
			Expect(kept.Find(output)).To(BeEmpty(), what)
			Expect(written.Find(output)).To(BeEmpty(), what)
		}
	})
})

// ready waits until a Function serves.
func ready(ctx context.Context, w *kit.World, name string) {
	GinkgoHelper()
	Expect(w.Eventually(ctx, name+" to be ready", func() (bool, error) {
		f := &corev1beta2.Function{}
		err := w.Get(ctx, name, f)
		for _, c := range f.Status.Conditions {
			if c.Type == "Ready" && c.Status == metav1.ConditionTrue && c.ObservedGeneration == f.Generation {
				return true, err
			}
		}
		return false, err
	})).To(Succeed())
}

// told is the reason of a condition of a Function.
func told(w *kit.World, name, condition string) string {
	for _, o := range w.Objects("Function") {
		if o.GetName() == name {
			return kit.Reason(o, condition)
		}
	}
	return ""
}

func tokenOf(ctx context.Context, w *kit.World, function string) *corev1.Secret {
	secret := &corev1.Secret{}
	Expect(w.Get(ctx, function+"--app-token", secret)).To(Succeed())
	return secret
}

// tokens adds what the platform itself made secret to the flock.
func tokens(ctx context.Context, w *kit.World, flock canary.Flock, what string) {
	GinkgoHelper()
	for _, name := range []string{"function", "sidecar", "shared"} {
		for key, value := range tokenOf(ctx, w, name).Data {
			Expect(len(value)).To(BeNumerically(">=", 32), key)
			flock[fmt.Sprintf("%s %s of %s", what, key, name)] = string(value)
		}
	}
}

func text(of any) string {
	GinkgoHelper()
	data, err := json.Marshal(of)
	Expect(err).NotTo(HaveOccurred())
	return string(data)
}
