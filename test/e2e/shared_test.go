// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openfunction/openfunction/pkg/daprd"
)

// daprNamespace is where Dapr's control plane is.
const daprNamespace = daprd.DefaultControlPlaneNamespace

// helm calls the cluster's helm, or the one on the PATH.
func helm(ctx context.Context, args ...string) (string, error) {
	program := cluster.Helm
	if program == "" {
		program = "helm"
	}
	command := exec.CommandContext(ctx, program, append(args, "--kubeconfig", cluster.Kubeconfig, "--namespace", namespace)...)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	if err != nil {
		err = fmt.Errorf("helm %s: %w: %s", strings.Join(args, " "), err, out.String())
	}
	return out.String(), err
}

// install installs charts/dapr-shared for an app in the namespace, with what every release here needs and the values given.
func install(ctx context.Context, app string, port int, values ...string) error {
	GinkgoHelper()
	folder, err := filepath.Abs(filepath.Join(root, "charts/dapr-shared"))
	Expect(err).NotTo(HaveOccurred())
	args := []string{"install", app, folder, "--set", "shared.appId=" + app, "--set", fmt.Sprintf("shared.remotePort=%d", port),
		"--set", "shared.remoteURL=" + app + "." + namespace + ".svc", "--set", "shared.initContainer.image.registry=" + cluster.RegistryCluster + "/openfunction"}
	for key, value := range sharedDaprd() {
		args = append(args, "--set", "shared.daprd.image."+key+"="+value)
	}
	for _, value := range values {
		args = append(args, "--set", value)
	}
	_, err = helm(ctx, args...)
	if err == nil {
		DeferCleanup(func(ctx SpecContext) { // the Role is in Dapr's namespace, which stays
			_, err := helm(ctx, "uninstall", app, "--ignore-not-found")
			Expect(err).NotTo(HaveOccurred())
		})
	}
	return err
}

// sharedDaprd is the image of the cluster's daprd as the chart's values have it.
func sharedDaprd() map[string]string {
	image, tag, found := strings.Cut(cluster.DaprdImage, "@")
	slash := strings.LastIndex(image, "/")
	if colon := strings.LastIndex(image, ":"); colon > slash {
		tag = cmp.Or(tag, image[colon+1:])
		image, found = image[:colon], true
	}
	if !found {
		return map[string]string{"tag": "1.18.2"}
	}
	return map[string]string{"registry": image[:slash], "name": image[slash+1:], "tag": tag}
}

// settled waits until the workload of a release has as many pods as it should, all of the current version and ready.
func settled(ctx context.Context, app string, daemonset bool) {
	GinkgoHelper()
	key := client.ObjectKey{Namespace: namespace, Name: app + "-dapr-shared"}
	Eventually(ctx, func(g Gomega) {
		if daemonset {
			d := &appsv1.DaemonSet{}
			g.Expect(c.Get(ctx, key, d)).To(Succeed())
			g.Expect(d.Status.ObservedGeneration).To(Equal(d.Generation))
			g.Expect(d.Status.DesiredNumberScheduled).To(BeNumerically(">", 0))
			g.Expect([]int32{d.Status.UpdatedNumberScheduled, d.Status.NumberReady}).To(HaveEach(d.Status.DesiredNumberScheduled))
			return
		}
		d := &appsv1.Deployment{}
		g.Expect(c.Get(ctx, key, d)).To(Succeed())
		g.Expect(d.Status.ObservedGeneration).To(Equal(d.Generation))
		g.Expect([]int32{d.Status.Replicas, d.Status.UpdatedReplicas, d.Status.ReadyReplicas}).To(HaveEach(*d.Spec.Replicas))
	}).Should(Succeed(), func() string {
		return kubectl(ctx, "get", "pods", "-o", "wide") + kubectl(ctx, "logs", "-l", "app.kubernetes.io/instance="+app, "--all-containers", "--tail=20")
	})
}

// workload applies an app that is no Function and has no sidecar: it takes events of the topic <app>-in and publishes each to <app>-out.
func workload(ctx context.Context, app, protocol string) {
	GinkgoHelper()
	topic := func(of string) map[string]string {
		return map[string]string{"uri": namespace + "-" + app + "-" + of, "componentName": "shared-topics", "componentType": "pubsub.redis"}
	}
	runtime := map[string]string{"http": "Knative", "grpc": "Async"}[protocol]
	described, err := json.Marshal(map[string]any{"name": app, "runtime": runtime, "port": "8080",
		"inputs": map[string]any{"in": topic("in")}, "outputs": map[string]any{"out": topic("out")}})
	Expect(err).NotTo(HaveOccurred())
	env := []map[string]any{{"name": "FUNC_CONTEXT", "value": string(described)}, {"name": "APP_PROTOCOL", "value": protocol}, {"name": "DAPR_API", "value": protocol},
		{"name": "DAPR_HOST", "value": daprd.ServiceName(app)}, {"name": "KEY", "value": ledgerOf(app).key}, {"name": "REDIS", "value": redisService},
		{"name": "POD_NAME", "valueFrom": map[string]any{"fieldRef": map[string]any{"fieldPath": "metadata.name"}}}}
	container := map[string]any{"name": "app", "image": worker.One, "env": env, "readinessProbe": map[string]any{"tcpSocket": map[string]any{"port": 8080}, "periodSeconds": 1}}
	objects, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": []any{
		map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": app}, "spec": map[string]any{
			"selector": map[string]any{"matchLabels": map[string]any{"app": app}},
			"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"app": app}}, "spec": map[string]any{"containers": []any{container}}}}},
		map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": app}, "spec": map[string]any{
			"selector": map[string]any{"app": app}, "ports": []any{map[string]any{"port": 8080}}}},
	}})
	Expect(err).NotTo(HaveOccurred())
	applyYAML(ctx, string(objects))
}

// published are the ids of the events in a topic.
func published(ctx context.Context, topic string) []string {
	GinkgoHelper()
	reply, err := redis.Do(ctx, "XRANGE", topic, "-", "+")
	Expect(err).NotTo(HaveOccurred())
	var ids []string
	for _, entry := range reply.([]any) {
		for i, field := range entry.([]any)[1].([]any) {
			if i%2 == 0 {
				continue
			}
			var e struct {
				Data struct {
					ID string `json:"id"`
				} `json:"data"`
			}
			if text, is := field.(string); is && json.Unmarshal([]byte(text), &e) == nil && e.Data.ID != "" {
				ids = append(ids, e.Data.ID)
			}
		}
	}
	return ids
}

var _ = Describe("the chart dapr-shared", Label("dapr", "chart"), Ordered, ContinueOnFailure, func() {
	const everyNode, anywhere = "shared-daemonset", "shared-deployment"

	// passes sends events to an app and waits until it has worked on them and published them.
	passes := func(ctx context.Context, app, prefix string, n int) {
		GinkgoHelper()
		sent := batch(prefix, n)
		sendRedis(ctx, namespace+"-"+app+"-in", sent...)
		ledgerOf(app).has(ctx, sent)
		Eventually(ctx, func() []string { return missing(sent, published(ctx, namespace+"-"+app+"-out")) }).Should(BeEmpty(), "events that were not published")
	}

	BeforeAll(func(ctx SpecContext) {
		applyYAML(ctx, fmt.Sprintf(`
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: shared-topics}
spec:
  type: pubsub.redis
  version: v1
  metadata:
  - {name: redisHost, value: %[1]q}
  - {name: processingTimeout, value: 5s}
  - {name: redeliverInterval, value: 2s}
scopes: [%[2]s, %[3]s]
---
# pubsub.redis takes the refusal of an event for its end. Tried again until the time for the event is over, it comes again.
apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: shared-again}
spec:
  policies: {retries: {again: {policy: constant, duration: 500ms, maxRetries: -1}}}
  targets: {components: {shared-topics: {inbound: {retry: again}}}}
scopes: [%[2]s, %[3]s]
`, redisService, everyNode, anywhere))
		workload(ctx, everyNode, "http")
		workload(ctx, anywhere, "grpc")
		Expect(install(ctx, everyNode, 8080, "shared.daprd.mtls.enabled=true", "shared.daprd.appHealth.enabled=false")).To(Succeed())
		Expect(install(ctx, anywhere, 8080, "shared.strategy=deployment", "shared.deployment.replicas=2", "shared.daprd.app.protocol=grpc",
			"shared.daprd.mtls.enabled=true")).To(Succeed())
		settled(ctx, everyNode, true)
		settled(ctx, anywhere, false)
	})

	DescribeTable("gives a workload without sidecar events and takes events from it",
		func(ctx SpecContext, app string) { passes(ctx, app, "first", 100) },
		Entry("from a DaemonSet, by HTTP", everyNode),
		Entry("from a Deployment, by gRPC", anywhere),
	)

	DescribeTable("passes its own test",
		func(ctx SpecContext, app string) {
			out, err := helm(ctx, "test", app, "--logs", "--timeout=3m")
			Expect(err).NotTo(HaveOccurred())
			Expect(out).To(And(ContainSubstring("is healthy, has the app id "+app+", calls "), ContainSubstring("shared-topics (pubsub.redis)")))
		},
		Entry("as a DaemonSet", everyNode),
		Entry("as a Deployment", anywhere),
	)

	It("gives daprd an identity with which apps invoke each other by mTLS", func(ctx SpecContext) {
		address := forward(ctx, namespace, "service/"+daprd.ServiceName(anywhere), daprd.DefaultHTTPPort)
		Eventually(ctx, func() (string, error) {
			return request(ctx, "http://"+address+"/v1.0/invoke/"+everyNode+"/method/", "")
		}).Should(Equal("one"))
	})

	It("changes its strategy under load and loses no event", func(ctx SpecContext) {
		load := startStream(ctx, namespace+"-"+everyNode+"-in")
		before := ledgerOf(everyNode).count(ctx)
		Eventually(ctx, func() int { return ledgerOf(everyNode).count(ctx) }).Should(BeNumerically(">", before+20))
		folder, err := filepath.Abs(filepath.Join(root, "charts/dapr-shared"))
		Expect(err).NotTo(HaveOccurred())
		_, err = helm(ctx, "upgrade", everyNode, folder, "--reuse-values", "--set", "shared.strategy=deployment")
		Expect(err).NotTo(HaveOccurred())
		settled(ctx, everyNode, false)
		Expect(exists(ctx, &appsv1.DaemonSet{}, everyNode+"-dapr-shared")).To(BeFalse())
		before = ledgerOf(everyNode).count(ctx)
		Eventually(ctx, func() int { return ledgerOf(everyNode).count(ctx) }).Should(BeNumerically(">", before+20))
		ledgerOf(everyNode).has(ctx, load.stop())
	})

	It("protects Dapr's API with a token", func(ctx SpecContext) {
		folder, err := filepath.Abs(filepath.Join(root, "charts/dapr-shared"))
		Expect(err).NotTo(HaveOccurred())
		_, err = helm(ctx, "upgrade", anywhere, folder, "--reuse-values", "--set", "shared.daprd.token=let-me-in")
		Expect(err).NotTo(HaveOccurred())
		settled(ctx, anywhere, false)
		address := forward(ctx, namespace, "service/"+daprd.ServiceName(anywhere), daprd.DefaultHTTPPort)
		for token, want := range map[string]int{"": http.StatusUnauthorized, "guess": http.StatusUnauthorized, "let-me-in": http.StatusOK} {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/v1.0/metadata", http.NoBody)
			Expect(err).NotTo(HaveOccurred())
			r.Header.Set("dapr-api-token", token)
			response, err := http.DefaultClient.Do(r)
			Expect(err).NotTo(HaveOccurred())
			_, _ = io.Copy(io.Discard, response.Body)
			Expect(response.Body.Close()).To(Succeed())
			Expect(response.StatusCode).To(Equal(want), "token %q", token)
		}
		_, err = helm(ctx, "test", anywhere, "--timeout=3m")
		Expect(err).NotTo(HaveOccurred())
		Expect(kubectl(ctx, "get", "pods", "-o", "yaml", "-l", "app.kubernetes.io/instance="+anywhere)).NotTo(ContainSubstring("let-me-in"))
	})

	It("refuses wrong values before anything is made", func(ctx SpecContext) {
		Expect(install(ctx, "shared-wrong", 8080, "shared.daprd.httpPort=many")).To(MatchError(ContainSubstring("'/shared/daprd/httpPort': got string, want integer")))
		Expect(install(ctx, "shared-wrong", 0)).To(MatchError(ContainSubstring("shared.remotePort is required")))
		Expect(kubectl(ctx, "get", "all", "-l", "app.kubernetes.io/instance=shared-wrong", "-o", "name")).To(BeEmpty())
	})

	It("waits for Dapr, says so, and goes on when Dapr comes", func(ctx SpecContext) {
		const app = "shared-early"
		elsewhere := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace + "-nodapr"}}
		Expect(c.Create(ctx, elsewhere)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(c.Delete(ctx, elsewhere)).To(Succeed()) })
		Expect(install(ctx, app, 8080, "shared.strategy=deployment", "shared.controlPlane.namespace="+elsewhere.Name)).To(Succeed())
		selector := "app.kubernetes.io/instance=" + app
		Eventually(ctx, func() string { return kubectl(ctx, "logs", "-l", selector, "-c", "dapr-shared") }).WithPolling(seldom).
			Should(ContainSubstring("ConfigMap " + elsewhere.Name + "/dapr-trust-bundle, does not exist; install Dapr into the namespace " + elsewhere.Name))
		bundle := &corev1.ConfigMap{}
		Expect(c.Get(ctx, client.ObjectKey{Namespace: daprNamespace, Name: daprd.TrustBundle}, bundle)).To(Succeed())
		Expect(c.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: elsewhere.Name, Name: daprd.TrustBundle}, Data: bundle.Data})).To(Succeed())
		Eventually(ctx, func() string {
			return kubectl(ctx, "get", "pods", "-l", selector, "-o", "jsonpath={.items[*].status.initContainerStatuses[0].state.terminated.reason}")
		}).WithPolling(seldom).Should(Equal("Completed"))
		Expect(kubectl(ctx, "logs", "-l", selector, "-c", "dapr-shared")).To(ContainSubstring("Dapr's trust bundle is in place"))
	})

	It("needs no mTLS between daprds and no application to be ready, and leaves nothing behind", func(ctx SpecContext) {
		Expect(install(ctx, "shared-gone", 8080)).To(Succeed())
		settled(ctx, "shared-gone", true)
		roles := &rbacv1.RoleList{}
		ours := client.MatchingLabels{"app.kubernetes.io/instance": "shared-gone", "app.kubernetes.io/name": "dapr-shared"}
		Expect(c.List(ctx, roles, client.InNamespace(daprNamespace), ours)).To(Succeed())
		Expect(roles.Items).To(HaveLen(1))
		_, err := helm(ctx, "uninstall", "shared-gone", "--wait")
		Expect(err).NotTo(HaveOccurred())
		Expect(c.List(ctx, roles, client.InNamespace(daprNamespace), ours)).To(Succeed())
		Expect(roles.Items).To(BeEmpty())
		Eventually(ctx, func() string {
			return kubectl(ctx, "get", "deployments,daemonsets,pods,services,serviceaccounts,secrets,configmaps,roles,rolebindings", "-o", "name", "-l", "app.kubernetes.io/instance=shared-gone")
		}).WithTimeout(2 * time.Minute).WithPolling(seldom).Should(BeEmpty())
	})
})
