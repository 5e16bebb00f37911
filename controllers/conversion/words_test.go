// SPDX-License-Identifier: Apache-2.0

package conversion_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// texts sends and reads objects as text, so that no type comes between what somebody wrote and what is stored.
type texts struct{ api *rest.RESTClient }

func newTexts() texts {
	GinkgoHelper()
	config := rest.CopyConfig(cp.Config)
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	config.WarningHandler = rest.NoWarnings{}
	api, err := rest.UnversionedRESTClientFor(config)
	Expect(err).NotTo(HaveOccurred())
	return texts{api}
}

func path(version, kind, name string) string {
	return strings.TrimSuffix(fmt.Sprintf("/apis/%s/namespaces/default/%ss/%s", version, strings.ToLower(kind), name), "/")
}

func (t texts) create(ctx context.Context, version, kind, name, rest string) error {
	text := fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"metadata":{"name":%q},%s}`, version, kind, name, rest)
	return t.api.Post().AbsPath(path(version, kind, "")).SetHeader("Content-Type", "application/json").Body([]byte(text)).Do(ctx).Error()
}

func (t texts) read(ctx context.Context, version, kind, name string) string {
	GinkgoHelper()
	text, err := t.api.Get().AbsPath(path(version, kind, name)).Do(ctx).Raw()
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

func (t texts) write(ctx context.Context, version, kind, name, text string) error {
	return t.api.Put().AbsPath(path(version, kind, name)).SetHeader("Content-Type", "application/json").Body([]byte(text)).Do(ctx).Error()
}

func (t texts) remove(ctx context.Context, kind, name string) {
	GinkgoHelper()
	Expect(t.api.Delete().AbsPath(path(v1beta2, kind, name)).Do(ctx).Error()).To(Succeed())
}

func object(text string) map[string]any {
	GinkgoHelper()
	tree, err := tree(text)
	Expect(err).NotTo(HaveOccurred())
	return tree
}

func tree(text string) (tree map[string]any, err error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	return tree, decoder.Decode(&tree)
}

// within fails unless all that was written is there in the same words; the API server adds defaults to objects, drops nulls and has a way of its
// own with exponents.
func within(at string, written, read any) {
	GinkgoHelper()
	switch written := written.(type) {
	case map[string]any:
		for key, value := range written {
			if value != nil {
				Expect(read).To(HaveKey(key), at)
				within(at+"."+key, value, read.(map[string]any)[key])
			}
		}
	case []any:
		Expect(read).To(HaveLen(len(written)), at)
		for i, entry := range written {
			within(at+"[]", entry, read.([]any)[i])
		}
	case json.Number:
		want, err := written.Float64()
		Expect(err).NotTo(HaveOccurred())
		Expect(read.(json.Number).Float64()).To(Equal(want), at)
	case nil:
		Expect(read).To(BeNil(), at)
	default:
		Expect(read).To(Equal(written), at)
	}
}

// Each is written as text that a type would write in another way.
var _ = DescribeTable("What was written in v1beta2 is read in v1beta2 word by word, whoever wrote it back in v1beta1", func(ctx context.Context, kind, spec string) {
	t, name := newTexts(), "word-by-word"
	Expect(t.create(ctx, v1beta2, kind, name, `"spec":`+spec)).To(Succeed())
	DeferCleanup(func(ctx context.Context) { t.remove(ctx, kind, name) })
	before := t.read(ctx, v1beta2, kind, name)
	written, err := tree(spec)
	Expect(err).NotTo(HaveOccurred())
	within("spec", written, object(before)["spec"])

	for range 2 {
		Expect(t.write(ctx, v1beta1, kind, name, t.read(ctx, v1beta1, kind, name))).To(Succeed())
		Expect(t.read(ctx, v1beta2, kind, name)).To(Equal(before))
	}

	By("an edit of something else in v1beta1")
	view := object(t.read(ctx, v1beta1, kind, name))
	view["metadata"].(map[string]any)["labels"] = map[string]any{"edited": "yes"}
	edited := map[string]string{"Function": "version", "Serving": "version", "Builder": "state"}[kind]
	value := map[string]string{"Function": "v9", "Serving": "v9", "Builder": "Cancelled"}[kind]
	view["spec"].(map[string]any)[edited] = value
	text, err := json.Marshal(view)
	Expect(err).NotTo(HaveOccurred())
	Expect(t.write(ctx, v1beta1, kind, name, string(text))).To(Succeed())
	want, got := object(before), object(t.read(ctx, v1beta2, kind, name))
	want["spec"].(map[string]any)[edited] = value
	Expect(cmp.Diff(want["spec"], got["spec"])).To(BeEmpty())
	Expect(got["metadata"]).To(HaveKeyWithValue("generation", json.Number("2")))
},
	Entry("durations that only v1beta2 has", "Function",
		`{"image":"a","serving":{"triggers":{"http":{"requestTimeout":"90s"}},"rollout":{"steps":[{"percent":10,"pause":"10m"},{"percent":20,"pause":"600s"},{"percent":50,"pause":"1h0m0s"},{"percent":60}]}}}`),
	Entry("durations in several words", "Function",
		`{"image":"a","build":{"builder":"b","srcRepo":{"url":"https://example.com/a"},"timeout":"60s","builderMaxAge":"1m0s","shipwright":{"timeout":"1m"}},"serving":{"timeout":"0.5m","triggers":{"http":{"requestTimeout":"30000ms"}}}}`),
	Entry("quantities", "Serving",
		`{"image":"a","workloadType":"Deployment","template":{"containers":[{"name":"function","resources":{"limits":{"cpu":"1000m","memory":"1024Mi","example.com/gpu":1},"requests":{"cpu":"0.5","memory":"1048576Ki"}}}],"volumes":[{"name":"v","emptyDir":{"sizeLimit":"1000Mi"}}]},`+
			`"scaleOptions":{"keda":{"triggers":[{"type":"cron","metadata":{"timezone":"UTC","start":"0 6 * * *","end":"0 7 * * *","desiredReplicas":"1"}}],"scaledObject":{"fallback":{"failureThreshold":3,"replicas":2},"advanced":{"horizontalPodAutoscalerConfig":{"behavior":{"scaleUp":{"tolerance":"0.100","policies":[{"type":"Pods","value":1,"periodSeconds":15}]},"scaleDown":{"tolerance":"100m"}}}}}}}}`),
	Entry("numbers that may be texts", "Function",
		`{"image":"a","serving":{"triggers":{"http":{"port":"08080","engine":"keda"}},"template":{"containers":[{"name":"function","livenessProbe":{"httpGet":{"port":"http"}},"readinessProbe":{"httpGet":{"port":8080}}}]}}}`),
	Entry("what is empty", "Function",
		`{"image":"a","build":{"builder":"b","dockerfile":"","env":{},"srcRepo":{"url":"https://example.com/a","credentials":{}},"shipwright":{"params":[]}},`+
			`"serving":{"triggers":{"dapr":[],"inputs":[]},"scaleOptions":{"keda":{"triggers":[]},"knative":{}},"outputs":[],"bindings":{},"pubsub":{},"states":{},"dapr":{},"params":{},"labels":{},"annotations":{},"template":{"containers":[]},"hooks":{"pre":[],"post":[]},"workloadType":""}}`),
	Entry("what is zero", "Serving",
		`{"image":"a","version":"","outputs":[{"dapr":{"name":"a","type":"","topic":"","metadata":{},"operation":"","outputName":""}},{"name":"b","component":"c","topic":"","params":{},"operation":""}],`+
			`"triggers":{"dapr":[{"name":"d","type":"","topic":"","inputName":""}],"http":{"port":0,"route":{"hostnames":[],"rules":[]},"inputs":[{"name":"e","type":"","topic":""}]}},"scaleOptions":{"minReplicas":0,"concurrency":0},`+
			`"states":{"none":{},"empty":{"spec":{"type":"state.redis","version":"v1","metadata":[],"ignoreErrors":false,"initTimeout":""}}},"tracing":{"enabled":false,"provider":{"name":"skywalking","oapServer":""},"tags":{},"baggage":{}}}`),
	Entry("nulls", "Function",
		`{"image":"a","version":null,"build":null,"serving":{"triggers":{"http":null,"dapr":null},"scaleOptions":null,"outputs":null,"states":null,"rollout":null,"template":{"containers":[{"name":"function","resources":null,"env":null,"livenessProbe":null}]},"timeout":null}}`),
	Entry("values of any kind", "Serving",
		`{"image":"a","bindings":{"b":{"type":"bindings.cron","version":"v1","metadata":[{"name":"a","value":1},{"name":"b","value":"1"},{"name":"c","value":true},{"name":"d","value":1.5},{"name":"e","value":""},{"name":"f"},{"name":"g","value":{"x":null,"y":[1,null,{"z":1}]}},{"name":"h","value":1000000},{"name":"i","value":1e30},{"name":"j","value":"<&>"},{"name":"k","value":null}]}},`+
			`"pubsub":{"b2":{"type":"pubsub.redis","version":"v1","metadata":[]}},"states":{"s":{"spec":{"type":"state.redis","version":"v1","metadata":[{"name":"a","secretKeyRef":{"name":"s","key":"k"}}]}}}}`),
	Entry("a route", "Function",
		`{"image":"a","serving":{"triggers":{"http":{"engine":"knative","route":{"gatewayRef":{"name":"g","namespace":"n"},"hostnames":["a.example.com"],"rules":[{"matches":[{"path":{"type":"PathPrefix","value":"/a"},"headers":[]}],"filters":[],"timeouts":{"request":"60s","backendRequest":"1m"}}]}}}}}`),
	Entry("a pod template", "Serving",
		`{"image":"a","template":{"containers":[{"name":"function","image":"","command":[],"env":[{"name":"A","value":""},{"name":"B","valueFrom":{"configMapKeyRef":{"name":"","key":"k"}}}],"ports":[{"containerPort":80}],"securityContext":{}}],"initContainers":[],"nodeSelector":{},"tolerations":[{}],"affinity":{},"hostNetwork":false,"securityContext":{"runAsUser":0},"volumes":[{"name":"a","emptyDir":{}},{"name":"p","ephemeral":{"volumeClaimTemplate":{"metadata":{},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1024Mi"}}}}}}]}}`),
	Entry("a build", "Builder",
		`{"image":"a","timeout":"60m","builderMaxAge":"72h","cache":"None","source":{"inline":{"main.go":"package main\n","empty":""}},"builder":"b","env":{"A":""},"shipwright":{"timeout":"3600s","strategy":{"name":"openfunction"},"params":[{"name":"a","value":""},{"name":"b","values":[]},{"name":"c","values":[{"value":"x"}]},{"name":"d","secretValue":{"name":"s","key":"k"}}]}}`),
	Entry("a share of another Serving", "Serving", `{"image":"a","timeout":"120s","split":{"serving":"other","percent":0},"hooks":{"policy":"Override"},"dapr":{"mode":"Shared","replicas":2}}`),
)

var _ = It("keeps the words of a status", func(ctx context.Context) {
	t, kind, name := newTexts(), "Function", "words-of-a-status"
	Expect(t.create(ctx, v1beta2, kind, name, `"spec":{"image":"a","serving":{}}`)).To(Succeed())
	DeferCleanup(func(ctx context.Context) { t.remove(ctx, kind, name) })
	stored := object(t.read(ctx, v1beta2, kind, name))
	stored["status"] = object(`{"observedGeneration":0,"image":"","conditions":[{"type":"Ready","status":"True","reason":"A","message":"","lastTransitionTime":"2026-01-02T03:04:05.000Z"},{"type":"Built","status":"True","reason":"A","message":"","lastTransitionTime":"2026-01-02T03:04:05+01:00"}],
		"build":{"buildDuration":"90s","state":""},"serving":{},"addresses":[],"currentRevision":0,"route":{"hosts":[],"paths":[{"type":"Exact","value":"/"}]}}`)
	text, err := json.Marshal(stored)
	Expect(err).NotTo(HaveOccurred())
	Expect(t.write(ctx, v1beta2, kind, name+"/status", string(text))).To(Succeed())
	before := t.read(ctx, v1beta2, kind, name)
	Expect(object(before)["status"]).To(Equal(stored["status"]))
	for _, at := range []string{name, name + "/status"} {
		Expect(t.write(ctx, v1beta1, kind, at, t.read(ctx, v1beta1, kind, name))).To(Succeed())
		Expect(t.read(ctx, v1beta2, kind, name)).To(Equal(before))
	}
})

var _ = DescribeTable("What was written in v1beta1 is read in v1beta1 word by word, whoever wrote it back in v1beta2", func(ctx context.Context, kind, spec string) {
	t, name := newTexts(), "word-by-word"
	Expect(t.create(ctx, v1beta1, kind, name, `"spec":`+spec)).To(Succeed())
	DeferCleanup(func(ctx context.Context) { t.remove(ctx, kind, name) })
	before := object(t.read(ctx, v1beta1, kind, name))
	written, err := tree(spec)
	Expect(err).NotTo(HaveOccurred())
	within("spec", written, before["spec"])
	for range 2 {
		Expect(t.write(ctx, v1beta2, kind, name, t.read(ctx, v1beta2, kind, name))).To(Succeed())
		after := object(t.read(ctx, v1beta1, kind, name))
		for _, o := range []map[string]any{before, after} {
			delete(o["metadata"].(map[string]any), "resourceVersion") // defaults of v1beta2 are stored with the first write
			delete(o["metadata"].(map[string]any), "managedFields")
		}
		Expect(cmp.Diff(before, after)).To(BeEmpty())
	}
},
	Entry("durations", "Function",
		`{"image":"a","build":{"builder":"b","srcRepo":{"url":"https://example.com/a"},"timeout":"60s","builderMaxAge":"1m0s","shipwright":{"timeout":"1m"},"params":{"A":""}},"serving":{"runtime":"knative","timeout":"90s"}}`),
	Entry("quantities", "Serving",
		`{"image":"a","runtime":"async","inputs":[{"name":"i","component":"c"}],"template":{"containers":[{"name":"function","resources":{"limits":{"cpu":"1000m","memory":"1024Mi"},"requests":{"cpu":"0.50"}}}]},"scaleOptions":{"keda":{"scaledObject":{"advanced":{"horizontalPodAutoscalerConfig":{"behavior":{"scaleUp":{"tolerance":"0.100"}}}}}}}}`),
	Entry("what is empty or zero", "Function",
		`{"image":"a","port":0,"build":{"builder":"b","env":{},"params":{},"srcRepo":{"url":"https://example.com/a"}},"serving":{"runtime":"knative","inputs":[],"outputs":[{"name":"o","component":"c","topic":"","operation":"","params":{}}],"bindings":{},"states":{},"triggers":[],"params":{},"labels":{},"annotations":{},"scaleOptions":{"minReplicas":0}},"route":{"hostnames":[],"rules":[]}}`),
	Entry("what v1beta2 cannot hold", "Serving",
		`{"image":"a","runtime":"async","port":8080,"inputs":[{"name":"i","component":"c","topic":"","params":{"a":"b"},"operation":"x"}],"scaleOptions":{"minReplicas":1,"maxReplicas":5,"keda":{"scaledObject":{"minReplicaCount":2,"maxReplicaCount":3,"workloadType":"Deployment"}}}}`),
)
