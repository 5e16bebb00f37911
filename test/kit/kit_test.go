// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// cp is the control plane all tests share; each has a namespace of its own.
var cp *ControlPlane

func TestMain(m *testing.M) {
	if os.Getenv(pretend) != "" {
		time.Sleep(time.Minute)
		os.Exit(3)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	begin := time.Now()
	var err error
	if cp, err = Start(ctx, Options{CRDs: []CRDs{Tekton, Knative, KEDA, KEDAHTTP, GatewayAPI}}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintf(os.Stderr, "control plane started in %s\n", time.Since(begin).Round(time.Millisecond))
	if err := cp.PlayEngines(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := cp.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// world is one that takes any pod: the workloads of these tests say no more than they have to.
func world(t *testing.T) *World {
	t.Helper()
	w, err := cp.NewWorld(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.Namespace}}
	must(t, cp.Client.Patch(t.Context(), namespace, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":null}}}`))))
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
