// SPDX-License-Identifier: Apache-2.0

package v1beta2_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/openfunction/openfunction/test/kit"
)

// cp is the API server that judges the manifests of this suite.
var cp *kit.ControlPlane

func TestAPI(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "apis/core/v1beta2")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	cp, err = kit.Start(ctx, kit.Options{CRDs: []kit.CRDs{kit.OpenFunction}, WithoutGarbageCollector: true})
	Expect(err).NotTo(HaveOccurred())
}, NodeTimeout(5*time.Minute))

var _ = AfterSuite(func() {
	if cp != nil {
		Expect(cp.Stop()).To(Succeed())
	}
})
