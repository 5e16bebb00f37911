// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

var cp *ControlPlane

func TestMain(m *testing.M) {
	ctx := context.Background()
	begin := time.Now()
	var err error
	if cp, err = Start(ctx, Options{CRDs: []CRDs{Tekton, Knative, GatewayAPI}, Audit: true}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintf(os.Stderr, "control plane started in %s\n", time.Since(begin).Round(time.Millisecond))
	code := m.Run()
	begin = time.Now()
	if err := cp.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	fmt.Fprintf(os.Stderr, "control plane stopped in %s\n", time.Since(begin).Round(time.Millisecond))
	os.Exit(code)
}
