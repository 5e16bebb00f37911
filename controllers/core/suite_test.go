// SPDX-License-Identifier: Apache-2.0

package core_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	controllers "github.com/openfunction/openfunction/controllers/core"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/status"
	"github.com/openfunction/openfunction/test/kit"
)

func TestControllers(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Controllers of the core group")
}

var (
	cp       *kit.ControlPlane
	recorder = kit.NewRecorder(nil)
	// logs is what the pods of the played builds have printed.
	logs fakeLogs
	// w is the world of the spec that runs.
	w *kit.World
)

var _ = BeforeSuite(func(ctx SpecContext) {
	var err error
	cp, err = kit.Start(ctx, kit.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return cp.Stop() })
	for _, name := range []string{"openfunction", "keda", "dapr-system"} {
		Expect(cp.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(Succeed())
	}
	Expect(cp.Client.Create(ctx, trustBundle())).To(Succeed())
	engines, stop := context.WithCancel(context.Background())
	DeferCleanup(stop)
	Expect(cp.PlayEngines(engines)).To(Succeed())
	operator, _, err := cp.UserWith(ctx, "openfunction-core", "config/rbac/role.yaml", "config/rbac/service_account.yaml")
	Expect(err).NotTo(HaveOccurred())
	running, err := cp.Run(engines, kit.Program{Config: operator, Cache: controllers.CacheOptions(controllers.Options{}), Recorder: recorder, Setup: setup})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(running.Stop)
})

// trustBundle is what Dapr's sentry publishes.
func trustBundle() *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "dapr-trust-bundle", Namespace: "dapr-system"}, Data: map[string]string{"ca.crt": "ANCHORS"}}
}

// How long a change of the run takes. The API server's times are whole seconds.
const (
	settle = time.Second
	drain  = 2 * time.Second
)

func setup(mgr ctrl.Manager) error {
	return controllers.SetupWithManager(mgr, controllers.Options{
		Serving: core.ServingSettings{AgentImage: "registry.example.test/agent:v1", DaprdImage: "registry.example.test/daprd:v1",
			Settle: settle, Drain: drain},
		Build:              core.BuildSettings{FetcherImage: "registry.example.test/fetcher:v1", DockerfileImage: "registry.example.test/kaniko:v1"},
		Logs:               &logs,
		SkipNameValidation: true,
	})
}

var _ = BeforeEach(func(ctx SpecContext) {
	var err error
	w, err = cp.NewWorld(ctx)
	Expect(err).NotTo(HaveOccurred())
})

// Whatever a spec was about, what it leaves behind keeps the laws, as soon as the controllers have seen its last change.
var _ = JustAfterEach(func() {
	if !CurrentSpecReport().Failed() {
		Eventually(w.CheckEnd).WithTimeout(time.Minute).Should(Succeed())
		Expect(w.CheckStory()).To(Succeed())
	}
})

// Nothing of a spec is left for the controllers to work on: what changes for the whole control plane would concern it.
var _ = AfterEach(func(ctx SpecContext) {
	for _, kind := range []client.Object{&corev1beta2.Function{}, &corev1beta2.Builder{}, &corev1beta2.Serving{}} {
		Expect(cp.Client.DeleteAllOf(ctx, kind, client.InNamespace(w.Namespace))).To(Succeed())
	}
})

// fakeLogs are the logs of pods, by namespace: the control plane of the kit has no kubelet.
type fakeLogs struct {
	mu   sync.Mutex
	text map[string]string
	err  map[string]error
}

func (l *fakeLogs) print(namespace, text string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text == nil {
		l.text, l.err = map[string]string{}, map[string]error{}
	}
	l.text[namespace], l.err[namespace] = text, err
}

func (l *fakeLogs) Tail(_ context.Context, namespace, pod, container string, limit int64) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if pod == "" || container != "step-"+kit.FailedStep || limit <= 0 {
		return "", fmt.Errorf("asked for %d bytes of %s in pod %s", limit, container, pod)
	}
	return l.text[namespace], l.err[namespace]
}

// function is a Function named hello; each part is lines of its spec.
func function(parts ...string) string {
	return "apiVersion: core.openfunction.io/v1beta2\nkind: Function\nmetadata: {name: hello}\nspec:\n  image: registry.example.test/team/hello:v1\n" +
		strings.Join(parts, "\n") + "\n"
}

// inline is a build of source whose only file is the text; it stands in the environment too, where the played Tekton sees it.
func inline(text string, more ...string) string {
	return "  build:\n    builder: registry.example.test/builder-go:v1\n    env: {TEXT: '" + text + "'}\n    source: {inline: {main.go: '" + text + "'}}\n" +
		strings.Join(more, "\n")
}

// unrecorded keeps no history, so that nothing of the path is left.
const unrecorded = "  revisionHistoryLimit: 0"

const served = "  serving: {triggers: {http: {port: 8080}}}"

func apply(ctx context.Context, manifests ...string) {
	GinkgoHelper()
	Expect(w.Apply(ctx, manifests...)).To(Succeed())
}

func settled(ctx context.Context) {
	GinkgoHelper()
	Expect(w.Settled(ctx)).To(Succeed())
}

// eventually waits until yes says so.
func eventually(ctx context.Context, what string, yes func() bool) {
	GinkgoHelper()
	Expect(w.Eventually(ctx, what, func() (bool, error) { return yes(), nil })).To(Succeed())
}

func read[T any, P interface {
	*T
	client.Object
}](ctx context.Context, name string) P {
	GinkgoHelper()
	object := P(new(T))
	Expect(w.Get(ctx, name, object)).To(Succeed())
	return object
}

func hello(ctx context.Context) *corev1beta2.Function {
	GinkgoHelper()
	return read[corev1beta2.Function](ctx, "hello")
}

func builders(ctx context.Context) []corev1beta2.Builder {
	GinkgoHelper()
	list := &corev1beta2.BuilderList{}
	Expect(cp.Client.List(ctx, list, client.InNamespace(w.Namespace))).To(Succeed())
	return list.Items
}

// buildOf is the Builder of the Function's current source.
func buildOf(ctx context.Context) *corev1beta2.Builder {
	GinkgoHelper()
	return read[corev1beta2.Builder](ctx, hello(ctx).Status.Build.ResourceRef)
}

// created counts the objects of a resource the controllers have created in this world.
func created(resource string) int {
	count := 0
	for _, write := range recorder.Writes() {
		if write.Namespace == w.Namespace && write.Resource == resource && write.Code == 201 {
			count++
		}
	}
	return count
}

// builtAs is the image of a Builder by digest, as the played Tekton pushes it.
func builtAs(builder string) string { return "registry.example.test/team/hello@" + kit.Digest(builder) }

func condition(object status.Object, kind string) metav1.Condition {
	if found := apimeta.FindStatusCondition(*object.GetConditions(), kind); found != nil {
		return *found
	}
	return metav1.Condition{}
}

// told are the reasons of the Events about an object, each as often as it was told.
func told(ctx context.Context, name string) []string {
	GinkgoHelper()
	list := &eventsv1.EventList{}
	Expect(cp.Client.List(ctx, list, client.InNamespace(w.Namespace))).To(Succeed())
	var reasons []string
	for _, e := range list.Items {
		if e.Regarding.Name == name {
			times := 1
			if e.Series != nil {
				times = int(e.Series.Count)
			}
			for range times {
				reasons = append(reasons, e.Reason)
			}
		}
	}
	return reasons
}
