// SPDX-License-Identifier: Apache-2.0

package networking_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"knative.dev/serving/pkg/apis/serving"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"
	"sigs.k8s.io/yaml"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
	corecontrollers "github.com/openfunction/openfunction/controllers/core"
	"github.com/openfunction/openfunction/controllers/networking"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/provider"
	"github.com/openfunction/openfunction/pkg/status"
	"github.com/openfunction/openfunction/test/kit"
)

func TestControllers(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Controllers of the networking group")
}

var (
	cp       *kit.ControlPlane
	recorder = kit.NewRecorder(nil)
	// w is the world of the spec that runs.
	w *kit.World
	// behind lets a spec hold back what the controllers hear of these kinds.
	behind = lags{gateways: {}, httpRoutes: {}, knativeServices: {}}

	gateways        = schema.GroupResource{Group: gatewayv1.GroupName, Resource: "gateways"}
	httpRoutes      = schema.GroupResource{Group: gatewayv1.GroupName, Resource: "httproutes"}
	knativeServices = schema.GroupResource{Group: serving.GroupName, Resource: "services"}
)

// lags hold back what the watches of their resources report while they are locked.
type lags map[schema.GroupResource]*sync.RWMutex

// hold locks one until the spec ends, or until what it returns is called.
func (l lags) hold(resource schema.GroupResource) (release func()) {
	l[resource].Lock()
	release = sync.OnceFunc(l[resource].Unlock)
	DeferCleanup(release)
	return release
}

func (l lags) Handle(c kit.Call, req *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	res, err := send(req)
	if until := l[schema.GroupResource{Group: c.Group, Resource: c.Resource}]; err == nil && until != nil && c.Verb == "watch" {
		res.Body = &late{ReadCloser: res.Body, until: until}
	}
	return res, err
}

// late is a stream whose readers get nothing while a lock is held.
type late struct {
	io.ReadCloser
	until *sync.RWMutex
}

func (l *late) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	l.until.RLock()
	defer l.until.RUnlock()
	return n, err
}

// platform is the namespace of the operator and the router.
const platform = "openfunction"

var _ = BeforeSuite(func(ctx SpecContext) {
	var err error
	cp, err = kit.Start(ctx, kit.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return cp.Stop() })
	for _, name := range []string{platform, "keda"} {
		Expect(cp.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(Succeed())
	}
	operator, _, err := cp.UserWith(ctx, "openfunction-core", "config/rbac/role.yaml")
	Expect(err).NotTo(HaveOccurred())
	engines, stop := context.WithCancel(context.Background())
	DeferCleanup(stop)
	Expect(cp.PlayEngines(engines)).To(Succeed())
	running, err := cp.Run(engines, kit.Program{
		Config: operator, Cache: corecontrollers.CacheOptions(corecontrollers.Options{}), NewCache: corecontrollers.NewCache, Recorder: recorder, Setup: setup,
		Interference: behind,
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(running.Stop)
	w, err = cp.NewWorld(ctx)
	Expect(err).NotTo(HaveOccurred())
	apply(ctx, theirs("theirs"), ours(refTheirs, httpOnly), function(route(viaHello)))
	eventually(ctx, "the controllers to hear of everything, before a spec holds some of it back", func() bool { return isFunctionReady(fn(ctx)) })
	empty(ctx)
})

// setup adds the controllers of both groups, as cmd/core does.
func setup(mgr ctrl.Manager) error {
	kinds := provider.NewKinds(mgr)
	err := corecontrollers.SetupWithManager(mgr, corecontrollers.Options{
		Serving:            core.ServingSettings{AgentImage: "registry.example.test/agent:v1"},
		Build:              core.BuildSettings{FetcherImage: "registry.example.test/fetcher:v1"},
		Kinds:              kinds,
		SkipNameValidation: true,
	})
	if err != nil {
		return err
	}
	return networking.SetupWithManager(mgr, networking.Options{Kinds: kinds, SkipNameValidation: true})
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

var _ = AfterEach(func(ctx SpecContext) { empty(ctx) })

// empty deletes what makes the controllers work in the world.
func empty(ctx context.Context) {
	GinkgoHelper()
	for _, kind := range []client.Object{&corev1beta2.Function{}, &networkingv1alpha1.Gateway{}, &gatewayv1.Gateway{}, &gatewayv1.HTTPRoute{}} {
		Expect(cp.Client.DeleteAllOf(ctx, kind, client.InNamespace(w.Namespace))).To(Succeed())
	}
}

// apply applies manifests in the world's namespace; $NAMESPACE in them stands for it.
func apply(ctx context.Context, manifests ...string) {
	GinkgoHelper()
	for _, manifest := range manifests {
		Expect(w.Apply(ctx, here(manifest))).To(Succeed())
	}
}

// applyIn applies a manifest in another namespace.
func applyIn[T any, P interface {
	*T
	client.Object
}](ctx context.Context, namespace, manifest string) P {
	GinkgoHelper()
	object := P(new(T))
	Expect(yaml.UnmarshalStrict([]byte(here(manifest)), object)).To(Succeed())
	object.SetNamespace(namespace)
	Expect(cp.Client.Create(ctx, object)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) {
		Expect(client.IgnoreNotFound(cp.Client.Delete(ctx, object))).To(Succeed())
		eventually(ctx, "the object to go", func() bool {
			return apierrors.IsNotFound(cp.Client.Get(ctx, client.ObjectKeyFromObject(object), object))
		})
	})
	return object
}

func settled(ctx context.Context) {
	GinkgoHelper()
	Expect(w.Settled(ctx)).To(Succeed())
}

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

func exists[T any, P interface {
	*T
	client.Object
}](ctx context.Context, namespace, name string) bool {
	GinkgoHelper()
	err := cp.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, P(new(T)))
	Expect(client.IgnoreNotFound(err)).To(Succeed())
	return err == nil
}

func grantExists(ctx context.Context) bool {
	return exists[gatewayv1beta1.ReferenceGrant](ctx, platform, w.Namespace+"--routes")
}

func condition(object status.Object, kind string) metav1.Condition {
	if found := apimeta.FindStatusCondition(*object.GetConditions(), kind); found != nil {
		return *found
	}
	return metav1.Condition{}
}

// becomes waits until an object of ours has a condition of a reason for its current generation.
func becomes[T any, P interface {
	*T
	status.Object
}](ctx context.Context, name, kind, reason string) P {
	GinkgoHelper()
	var object P
	eventually(ctx, kind+" of "+name+" to be "+reason, func() bool {
		object = read[T, P](ctx, name)
		c := condition(object, kind)
		return c.Reason == reason && c.ObservedGeneration == object.GetGeneration()
	})
	return object
}

// takeBack changes an object of ours, and takes that back before the controllers hear of what they have changed for it. In their cache they find all as
// it was before, with a status that speaks of then; the object must not be called ready by that.
func takeBack[T any, P interface {
	*T
	status.Object
}](ctx context.Context, lagging schema.GroupResource, name, before, changed string, isChanged func(context.Context) bool) {
	GinkgoHelper()
	apply(ctx, before)
	settled(ctx)
	hear := behind.hold(lagging)
	apply(ctx, changed)
	eventually(ctx, "the change", func() bool { return isChanged(ctx) })
	apply(ctx, before)
	isReady := func() bool { return status.Says(read[T, P](ctx, name), status.Ready) }
	Consistently(isReady).WithTimeout(2 * time.Second).WithPolling(50 * time.Millisecond).Should(BeFalse())
	Expect(isChanged(ctx)).To(BeTrue())
	hear()
	eventually(ctx, "it to be as it was", func() bool { return isReady() && !isChanged(ctx) })
}

// listeners are the names of the listeners of a Kubernetes Gateway of the world, in order.
func listeners(ctx context.Context, name string) []string {
	GinkgoHelper()
	var names []string
	for _, l := range read[gatewayv1.Gateway](ctx, name).Spec.Listeners {
		names = append(names, string(l.Name))
	}
	slices.Sort(names)
	return names
}

// writes are the successful writes of the controllers in the world, but for Kubernetes Events.
func writes() []string {
	var all []string
	for _, write := range recorder.Writes() {
		if write.Namespace == w.Namespace && write.Code < 300 && write.Resource != "events" {
			all = append(all, write.What())
		}
	}
	return all
}
