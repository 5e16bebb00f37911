// SPDX-License-Identifier: Apache-2.0

package laws

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"

	controllers "github.com/openfunction/openfunction/controllers/core"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/test/kit"
)

var (
	cp *kit.ControlPlane
	// operator is who the controllers run as: what config/rbac allows is all they can do.
	operator *rest.Config
)

func TestLaws(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Laws")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	var err error
	cp, err = kit.Start(ctx, kit.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cp.Stop()).To(Succeed()) })
	for _, namespace := range []string{"openfunction", "dapr-system"} {
		Expect(cp.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
	}
	Expect(cp.Client.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "dapr-trust-bundle", Namespace: "dapr-system"},
		Data: map[string]string{"ca.crt": "ANCHORS"}})).To(Succeed())
	operator, _, err = cp.UserWith(ctx, "openfunction-core", "config/rbac/role.yaml")
	Expect(err).NotTo(HaveOccurred())
	playing, end := context.WithCancel(context.Background())
	DeferCleanup(end)
	Expect(cp.PlayEngines(playing)).To(Succeed())
})

// program is our controllers, looking at some worlds.
func program(r *kit.Recorder, worlds ...*kit.World) kit.Program {
	p := kit.Program{
		Config:   operator,
		Cache:    controllers.CacheOptions(controllers.Options{}),
		NewCache: controllers.NewCache,
		Recorder: r,
		Setup: func(mgr ctrl.Manager) error {
			return controllers.SetupWithManager(mgr, controllers.Options{
				SkipNameValidation: true,
				Build:              core.BuildSettings{FetcherImage: "registry.example.test/fetcher:v1"},
				Serving: core.ServingSettings{AgentImage: "registry.example.test/agent:v1", DaprdImage: "registry.example.test/daprd:v1",
					Settle: time.Second, Drain: time.Second},
			})
		},
	}
	for _, w := range worlds {
		p.Namespaces = append(p.Namespaces, w.Namespace)
	}
	return p
}
