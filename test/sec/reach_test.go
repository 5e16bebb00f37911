// SPDX-License-Identifier: Apache-2.0

package sec

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// reach are the fields of functions, builders and servings that can name another namespace, as docs/spec/security.md explains.
var reach = []string{
	`route\.gatewayRef\.namespace`, // the listeners' allowedRoutes
	`route\.rules\[\]\.backendRefs\[\]\.(filters\[\]\.(externalAuth|requestMirror)\.backendRef\.)?namespace`, // replaced
	`route\.rules\[\]\.filters\[\]\.(externalAuth|requestMirror)\.backendRef\.namespace`,                     // ReferenceGrant
	`template\.affinity\..*\.(namespaces|namespaceSelector)`,                                                 // as in any pod
	`template\.volumes\[\]\.ephemeral\.volumeClaimTemplate\.spec\.dataSourceRef\.namespace`,                  // as in any pod
	`template\.volumes\[\]\.storageos\.volumeNamespace`,                                                      // as in any pod
	`template\.shareProcessNamespace`,                                                                        // another kind of namespace
}

var _ = Describe("The reach of a tenant", func() {
	It("has no way out that was not thought of", func(ctx SpecContext) {
		known := regexp.MustCompile(`(^|\.)(` + strings.Join(reach, "|") + `)$`)
		for _, name := range []string{"functions", "builders", "servings"} {
			crd := &apiextensionsv1.CustomResourceDefinition{}
			Expect(cp.Client.Get(ctx, client.ObjectKey{Name: name + ".core.openfunction.io"}, crd)).To(Succeed())
			for _, version := range crd.Spec.Versions {
				for _, path := range namespaces(version.Schema.OpenAPIV3Schema.Properties["spec"], "spec") {
					Expect(path).To(MatchRegexp(known.String()), "%s %s names a namespace: docs/spec/security.md has to say whose consent it takes", name, version.Name)
				}
			}
		}
	})

	It("ends at the namespace for a Task of its own", func(ctx SpecContext) {
		w, err := cp.NewWorld(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(w.Apply(ctx, `
apiVersion: core.openfunction.io/v1beta2
kind: Function
metadata: {name: own}
spec:
  image: registry.example.test/team/own:v1
  build: {taskRef: {name: theirs}, srcRepo: {url: "https://git.example.test/a.git"}}
`)).To(Succeed())
		Expect(w.Eventually(ctx, "the TaskRun", func() (bool, error) { return len(w.Objects("TaskRun")) > 0, nil })).To(Succeed())
		run := &tektonv1.TaskRun{}
		Expect(w.Get(ctx, w.Objects("TaskRun")[0].GetName(), run)).To(Succeed())
		Expect(*run.Spec.TaskRef).To(Equal(tektonv1.TaskRef{Name: "theirs", Kind: tektonv1.NamespacedTaskKind}))
	})
})

// namespaces are the paths of all properties whose name speaks of a namespace.
func namespaces(schema apiextensionsv1.JSONSchemaProps, path string) []string {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		if strings.Contains(strings.ToLower(name), "namespace") {
			found = append(found, path+"."+name)
		}
		found = append(found, namespaces(schema.Properties[name], path+"."+name)...)
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		found = append(found, namespaces(*schema.Items.Schema, path+"[]")...)
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		found = append(found, namespaces(*schema.AdditionalProperties.Schema, path+"{}")...)
	}
	return found
}
