// SPDX-License-Identifier: Apache-2.0

package v1beta1_test

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"testing"
	"time"

	daprcommon "github.com/dapr/dapr/pkg/apis/common"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	runtimeserializer "k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/conversion"
	"sigs.k8s.io/randfill"

	corev1beta1 "github.com/openfunction/openfunction/apis/core/v1beta1"
	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// spoke is a v1beta1 kind.
type spoke interface {
	client.Object
	conversion.Convertible
}

// hub is a v1beta2 kind.
type hub interface {
	client.Object
	conversion.Hub
}

// kinds are the kinds of both versions.
var kinds = []struct {
	name  string
	spoke func() spoke
	hub   func() hub
}{
	{"Function", func() spoke { return &corev1beta1.Function{} }, func() hub { return &corev1beta2.Function{} }},
	{"Builder", func() spoke { return &corev1beta1.Builder{} }, func() hub { return &corev1beta2.Builder{} }},
	{"Serving", func() spoke { return &corev1beta1.Serving{} }, func() hub { return &corev1beta2.Serving{} }},
}

func TestEveryHubComesBackAsItWas(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			fillers := newFillers(t)
			for n := range objects {
				before, there, after := kind.hub(), kind.spoke(), kind.hub()
				fill(t, fillers[n%len(fillers)], before)
				convertFrom(t, there, before)
				convertTo(t, there, after)
				same(t, n, before, after)
			}
		})
	}
}

func TestEverySpokeComesBackAsItWas(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			fillers := newFillers(t)
			for n := range objects {
				before, there, after := kind.spoke(), kind.hub(), kind.spoke()
				fill(t, fillers[n%len(fillers)], before)
				convertTo(t, before, there)
				convertFrom(t, after, there)
				same(t, n, before, after)
			}
		})
	}
}

// seed returns the seed of this run, which FUZZ_SEED repeats.
func seed(t *testing.T) int64 {
	t.Helper()
	if text := os.Getenv("FUZZ_SEED"); text != "" {
		seed, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return seed
	}
	return time.Now().UnixNano()
}

// newFillers return what fills every field of an object, over and over again with something else: most as Kubernetes does it for its own
// types, and some with longer lists.
func newFillers(t *testing.T) []*randfill.Filler {
	t.Helper()
	s := seed(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("repeat with FUZZ_SEED=%d", s)
		}
	})
	codecs := runtimeserializer.NewCodecFactory(runtime.NewScheme())
	filler := func(longest int, source rand.Source) *randfill.Filler {
		return fuzzer.FuzzerFor(fuzzer.MergeFuzzerFuncs(metafuzzer.Funcs, ownFuncs), source, codecs).NumElements(0, longest)
	}
	source := rand.NewSource(s)
	short := filler(1, source)
	return []*randfill.Filler{short, short, short, filler(4, source)}
}

// ownFuncs fill what is not filled well field by field: values that have a form, and values that other values refer to.
func ownFuncs(runtimeserializer.CodecFactory) []any {
	return []any{
		func(v *apiextensionsv1.JSON, c randfill.Continue) { v.Raw = rawJSON(c) },
		func(v *daprcommon.DynamicValue, c randfill.Continue) { v.Raw = rawJSON(c) },
		func(m *metav1.ObjectMeta, c randfill.Continue) {
			c.FillNoCustom(m)
			m.CreationTimestamp, m.DeletionTimestamp, m.ManagedFields = metav1.Time{}, nil, nil
			texts := map[string][]string{
				"plugins": {"", "order: [a, b]", "pre: [a]\npost: [b]\n", "{pre: [a], order: [x, y]}", "[", "pre: 1"},
				"plugins.tracing": {"enabled: true\nprovider: {name: skywalking}\n", "{enabled: false}", "enabled: maybe",
					"{enabled: true, provider: {name: zipkin}}", "{enabled: true, provider: {name: opentelemetry}, tags: [{a: b}, {c: 1}]}"},
				corev1beta1.ConversionAnnotation: {"", "{}", `{"version":"v1beta1"}`, `{"version":"v1beta2"}`, "gzip:", "{\"version\":\"v1beta3\"}"},
			}
			for key, values := range texts {
				if c.Intn(4) == 0 {
					metav1.SetMetaDataAnnotation(m, key, pick(c, values...))
				}
			}
		},
		func(p *corev1.PodSpec, c randfill.Continue) { // it goes around the conversion, and is most of an object
			if c.Intn(8) == 0 {
				c.FillNoCustom(p)
			}
		},
		func(r *corev1beta1.Runtime, c randfill.Continue) {
			*r = pick(c, corev1beta1.RuntimeKnative, corev1beta1.RuntimeAsync, corev1beta1.RuntimeAsync, corev1beta1.Runtime(c.String(8)))
		},
		func(w *corev1beta2.WorkloadType, c randfill.Continue) {
			*w = pick(c, "", "", corev1beta2.WorkloadTypeDeployment, corev1beta2.WorkloadTypeStatefulSet, corev1beta2.WorkloadTypeJob, corev1beta2.WorkloadType(c.String(8)))
		},
		func(m *corev1beta2.DaprMode, c randfill.Continue) {
			*m = pick(c, "", corev1beta2.DaprModeFunction, corev1beta2.DaprModeSidecar, corev1beta2.DaprModeShared, corev1beta2.DaprMode(c.String(8)))
		},
		func(h *corev1beta2.HTTPTrigger, c randfill.Continue) {
			c.FillNoCustom(h)
			if c.Intn(4) == 0 {
				text := intstr.FromString(pick(c, "8080", "", "http", "99999999999", strconv.Itoa(c.Intn(65536))))
				h.Port = &text
			}
		},
		// References: the names are few, so that they meet.
		func(io *corev1beta1.DaprIO, c randfill.Continue) {
			c.FillNoCustom(io)
			io.Name, io.Component = name(c, io.Name), name(c, io.Component)
		},
		func(d *corev1beta2.DaprTrigger, c randfill.Continue) {
			c.FillNoCustom(d)
			d.Name, d.InputName = name(c, d.Name), name(c, d.InputName)
		},
		func(d *corev1beta2.DaprOutput, c randfill.Continue) {
			c.FillNoCustom(d)
			d.Name, d.OutputName = name(c, d.Name), name(c, d.OutputName)
		},
		func(s *corev1beta1.ServingImpl, c randfill.Continue) {
			c.FillNoCustom(s)
			rename(c, s.Bindings)
			rename(c, s.Pubsub)
		},
		func(s *corev1beta2.ServingImpl, c randfill.Continue) {
			c.FillNoCustom(s)
			rename(c, s.Bindings)
			rename(c, s.Pubsub)
		},
	}
}

func pick[T any](c randfill.Continue, values ...T) T { return values[c.Intn(len(values))] }

// name returns one of a few names, or the one that is there.
func name(c randfill.Continue, random string) string {
	return pick(c, "a", "b", "c", "", random)
}

// rename gives some entries the names that name makes.
func rename[T any](c randfill.Continue, entries map[string]T) {
	for key, entry := range entries {
		delete(entries, key)
		entries[name(c, key)] = entry
		return
	}
}

func rawJSON(c randfill.Continue) []byte {
	values := []any{c.String(8), c.Int63(), c.Float64(), c.Bool(), nil, []any{c.String(4), 1.5}, map[string]any{c.String(4): c.String(4)}, json.Number("1.10")}
	text, err := json.Marshal(values[c.Intn(len(values))])
	if err != nil {
		panic(err)
	}
	return text
}

// fill makes an object as it arrives: written as JSON and read again.
func fill(t *testing.T, filler *randfill.Filler, into client.Object) {
	t.Helper()
	object := into.DeepCopyObject().(client.Object)
	filler.Fill(object)
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

func convertTo(t *testing.T, from spoke, to hub) {
	t.Helper()
	if err := from.ConvertTo(to); err != nil {
		t.Fatalf("%v\n%s", err, text(t, from))
	}
}

func convertFrom(t *testing.T, to spoke, from hub) {
	t.Helper()
	if err := to.ConvertFrom(from); err != nil {
		t.Fatalf("%v\n%s", err, text(t, from))
	}
}

// same fails unless both objects are written with the same JSON.
func same(t *testing.T, n int, before, after client.Object) {
	t.Helper()
	want, got := text(t, before), text(t, after)
	if want == got {
		return
	}
	var a, b any
	if err := json.Unmarshal([]byte(want), &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(got), &b); err != nil {
		t.Fatal(err)
	}
	t.Fatalf("object %d came back changed (-before +after):\n%s", n, cmp.Diff(a, b))
}

func text(t *testing.T, object any) string {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(fmt.Errorf("writing %T: %w", object, err))
	}
	return string(text)
}
