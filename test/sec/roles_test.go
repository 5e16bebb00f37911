// SPDX-License-Identifier: Apache-2.0

package sec

import (
	"os"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// subscribed is a function for events of components that lose an event that is refused, so that a Resiliency is made for them.
const subscribed = `
apiVersion: core.openfunction.io/v1beta2
kind: Function
metadata: {name: subscribed}
spec:
  image: registry.example.test/team/hello:v1
  serving:
    triggers: {dapr: [TRIGGERS]}
    bindings:
      a: {type: bindings.mqtt3, version: v1, metadata: [{name: url, value: 'mqtt://a'}]}
      b: {type: bindings.mqtt3, version: v1, metadata: [{name: url, value: 'mqtt://b'}]}
      c: {type: bindings.cron, version: v1, metadata: [{name: schedule, value: '@daily'}]}
`

// What no other suite has the programs do with what their roles allow.
var _ = Describe("A role", func() {
	It("is used for every verb on a Resiliency", func(ctx SpecContext) {
		w, err := cp.NewWorld(ctx)
		Expect(err).NotTo(HaveOccurred())
		for _, step := range []struct {
			triggers string
			policies int
		}{{"{name: a}", 1}, {"{name: a}, {name: b}", 2}, {"{name: c}", 0}} {
			Expect(w.Apply(ctx, strings.ReplaceAll(subscribed, "TRIGGERS", step.triggers))).To(Succeed())
			Eventually(func() (n int) {
				for _, o := range w.Objects("Resiliency") {
					n += strings.Count(text(o.Object["spec"]), "until-taken") - 1 // one of them is the policy itself
				}
				return n
			}).WithTimeout(30*time.Second).Should(Equal(step.policies), step.triggers)
			ready(ctx, w, "subscribed")
		}
	})

	It("is used to elect a leader", func() {
		audit, err := os.ReadFile(cp.AuditLog)
		Expect(err).NotTo(HaveOccurred())
		for _, verb := range []string{"get", "create", "update"} {
			Expect(string(audit)).To(MatchRegexp(`"verb":"` + verb + `".*"resource":"leases","namespace":"openfunction"`))
		}
	})

	// No request shows this: test/sec/privileges counts on it.
	DescribeTable("has to name the finalizers of an owner, or a child cannot be made", func(ctx SpecContext, owner client.Object, resource string) {
		w, err := cp.NewWorld(ctx)
		Expect(err).NotTo(HaveOccurred())
		owner.SetName("owner")
		owner.SetNamespace(w.Namespace)
		Expect(cp.Client.Create(ctx, owner)).To(Succeed())
		name := "maker-of-" + w.Namespace
		role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name},
			Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"create"}}}}
		Expect(cp.Client.Create(ctx, role)).To(Succeed())
		Expect(cp.Client.Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}}})).To(Succeed())
		config := rest.CopyConfig(cp.Config)
		config.Impersonate.UserName = name
		maker, err := client.New(config, client.Options{Scheme: cp.Scheme})
		Expect(err).NotTo(HaveOccurred())
		gvk, err := cp.Client.GroupVersionKindFor(owner)
		Expect(err).NotTo(HaveOccurred())
		make := func() error {
			reference := metav1.NewControllerRef(owner, gvk)
			reference.BlockOwnerDeletion = ptr.To(true)
			return maker.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "child", Namespace: w.Namespace,
				OwnerReferences: []metav1.OwnerReference{*reference}}})
		}
		Eventually(make).WithTimeout(10 * time.Second).Should(MatchError(ContainSubstring("cannot set blockOwnerDeletion")))
		Expect(apierrors.IsForbidden(make())).To(BeTrue())
		role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: []string{"core.openfunction.io"}, Resources: []string{resource}, Verbs: []string{"update"}})
		Expect(cp.Client.Update(ctx, role)).To(Succeed())
		Eventually(make).WithTimeout(10 * time.Second).Should(Succeed())
	},
		Entry("Function", &corev1beta2.Function{Spec: corev1beta2.FunctionSpec{Image: "a", Serving: &corev1beta2.ServingImpl{}}}, "functions/finalizers"),
		Entry("Builder", &corev1beta2.Builder{Spec: corev1beta2.BuilderSpec{Image: "a", BuildImpl: corev1beta2.BuildImpl{
			Builder: ptr.To("b"), SrcRepo: &corev1beta2.GitRepo{URL: "https://git.example.test/a.git"}}}}, "builders/finalizers"),
		Entry("Serving", &corev1beta2.Serving{Spec: corev1beta2.ServingSpec{Image: "a"}}, "servings/finalizers"),
	)
})
