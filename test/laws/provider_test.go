// SPDX-License-Identifier: Apache-2.0

package laws

import (
	"context"
	"errors"
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/test/kit"
)

// withoutProvider is a world that waits for an engine to be installed.
type withoutProvider struct {
	world    *kit.World
	recorder *kit.Recorder
	running  *kit.Running
	before   int
}

// An engine is the whole control plane's, so these worlds go through their steps together.
var _ = Describe("A missing provider", Ordered, func() {
	const name = "install a missing provider"
	if only := os.Getenv(scenarioVariable); only != "" && only != name {
		return
	}
	manifest := function(image("v1"), serving("100m"))
	var (
		faults []kit.Fault
		want   kit.Snapshot
	)

	It("stalls, and goes on when it is installed, as if it had always been", func(ctx SpecContext) {
		direct := run(ctx, []step{apply(manifest)}, nil)
		expectNone(direct.err)
		want = direct.end
		worlds := throughInstallation(ctx, manifest, want, []*kit.Fault{nil})
		faults = worlds[0].recorder.Faults()[2*worlds[0].before:]
	})

	It("survives a crash at every write: "+name, func(ctx SpecContext) {
		var plans []*kit.Fault
		for _, fault := range chosenFaults(faults) {
			plans = append(plans, &fault)
		}
		throughInstallation(ctx, manifest, want, plans)
	})
})

// throughInstallation lets a world for each fault stall for want of Knative, installs it, and waits for the wanted end.
func throughInstallation(ctx context.Context, manifest string, want kit.Snapshot, plans []*kit.Fault) []*withoutProvider {
	GinkgoHelper()
	Expect(cp.Uninstall(ctx, kit.Knative)).To(Succeed())
	worlds := make([]*withoutProvider, len(plans))
	errs := make([]error, len(plans))
	inParallel(len(plans), func(i int) { worlds[i], errs[i] = stalled(ctx, manifest, plans[i]) })
	err := errors.Join(errs...)
	Expect(cp.Install(ctx, kit.Knative)).To(Succeed())
	expectNone(err)
	inParallel(len(plans), func(i int) {
		errs[i] = worlds[i].world.Becomes(ctx, want)
		if errs[i] == nil {
			errs[i] = worlds[i].world.CheckLaws()
		}
	})
	for i, w := range worlds {
		errs[i] = errors.Join(errs[i], w.running.Stop())
		Expect(w.recorder.CreatedTwice()).To(BeEmpty())
		if plans[i] != nil {
			AddReportEntry(plans[i].String(), w.recorder.Fired(), ReportEntryVisibilityFailureOrVerbose)
		}
	}
	expectNone(errors.Join(errs...))
	return worlds
}

// stalled is a new world whose Function has been told that there is no Knative.
func stalled(ctx context.Context, manifest string, fault *kit.Fault) (*withoutProvider, error) {
	w, err := cp.NewWorld(ctx)
	if err != nil {
		return nil, err
	}
	o := &withoutProvider{world: w, recorder: kit.NewRecorder(fault)}
	p := program(o.recorder, w)
	p.OwnDiscovery = true
	if o.running, err = cp.Run(ctx, p); err != nil {
		return nil, err
	}
	if err := w.Apply(ctx, manifest); err != nil {
		return nil, errors.Join(err, o.running.Stop())
	}
	err = w.Eventually(ctx, "the Function to miss its provider", func() (bool, error) {
		for _, f := range w.Objects("Function") {
			return kit.Reason(f, corev1beta2.StalledCondition) == corev1beta2.ProviderNotInstalledReason, nil
		}
		return false, nil
	})
	if err == nil {
		err = w.Settled(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, o.running.Stop())
	}
	o.before = len(o.recorder.Writes())
	return o, w.CheckLaws()
}
