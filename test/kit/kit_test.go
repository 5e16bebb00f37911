// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
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

func world(t *testing.T) *World {
	t.Helper()
	w, err := cp.NewWorld(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
