// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/openfunction/openfunction/test/kit"
)

// divergence is a law that a run broke: what the oracle of that name saw.
type divergence struct {
	oracle string
	saw    string
}

func (d divergence) Error() string { return d.oracle + ": " + d.saw }

func diverges(oracle, format string, args ...any) error {
	return divergence{oracle, fmt.Sprintf(format, args...)}
}

// oracleOf is the name of the oracle that an error of a run comes from.
func oracleOf(err error) string {
	var d divergence
	var end differs
	switch {
	case errors.As(err, &d):
		return d.oracle
	case errors.As(err, &end):
		return "end"
	case errors.Is(err, errStuck):
		return "stuck"
	default:
		return "error"
	}
}

const (
	// pause is how long a settled world is watched for writes.
	pause = 30 * time.Second
	// storm is how often controllers may look at an object during the pause.
	storm = 40
)

// check asks every oracle about a run that has reached its end.
func (r *run) check(d disturbance, want *outcome, panics int) error {
	var errs []error
	if panicked() > panics && strings.Contains(kit.LoggedAbout(r.world.Namespace), "panic") {
		errs = append(errs, diverges("panic", "a reconciler panicked"))
	}
	errs = append(errs, r.checkPauses(d), r.cached.changed())
	if isLookedFor() || strings.HasSuffix(r.world.Namespace, "0") { // it stops all others, and what is left behind is so each time
		errs = append(errs, r.checkGoroutines())
	}
	laws := r.world.CheckLaws
	if d.blind {
		laws = r.world.CheckBlind
	}
	if err := laws(); err != nil {
		errs = append(errs, diverges("laws", "%s", err))
	}
	if err := r.attempt(d, func() error { return r.world.CheckEvents(r) }); err != nil {
		errs = append(errs, diverges("events", "%s", err))
	}
	if err := r.attempt(d, func() error { return r.world.CheckSecrets(r) }); err != nil {
		errs = append(errs, diverges("secret", "%s", err))
	}
	if foreign := r.touchedForeign(d); len(foreign) > 0 {
		errs = append(errs, diverges("foreign", "these are not ours: %s", strings.Join(foreign, ", ")))
	}
	if want != nil && !d.recounts {
		for oracle, verb := range map[string]string{"creates": "create", "deletes": "delete"} {
			is := r.counts(verb)
			if d.lossy {
				r.addLost(verb, want.counts(verb), is)
			}
			errs = append(errs, sameCounts(oracle, want.counts(verb), is))
		}
	}
	return errors.Join(errs...)
}

// blindness is how long a watch of client-go may take to begin again after the API server was away.
const blindness = still

// checkPauses lets half a minute pass. Managers whose watches have broken do not know yet what they have written themselves, and may try to write it
// again; they have to come to rest when they see.
func (r *run) checkPauses(d disturbance) error {
	for deadline := time.Now().Add(blindness); ; {
		err := r.checkPause()
		if err == nil || !d.lossy && !d.blind || time.Now().After(deadline) {
			return err
		}
		if err := pass(r, time.Second); err != nil {
			return err
		}
	}
}

// checkPause lets half a minute pass.
func (r *run) checkPause() error {
	writes := len(r.recorder.Writes()) // Kubernetes Events are posted late
	looks, err := r.rest(pause)
	if err != nil {
		return err
	}
	if now := r.recorder.Writes(); len(now) > writes {
		return diverges("quiet", "written while nothing changed: %v", now[writes:])
	}
	if looks > storm {
		return diverges("storm", "objects were looked at %d times in %s in which nothing changed", looks, pause)
	}
	return nil
}

// counts are how often each object was created, or deleted. Asking twice for the deletion of one and the same object is one deletion.
func (r *run) counts(verb string) map[string]int {
	counts, gone := map[string]int{}, map[string]bool{}
	for _, w := range r.recorder.Writes() {
		switch {
		case verb == "create" && w.Code == http.StatusCreated:
			counts[w.Object()]++
		case verb == "delete" && w.Verb == "delete" && w.Code < http.StatusMultipleChoices && w.Code != 0:
			if w.UID == "" || !gone[w.UID] {
				counts[w.Object()]++
			}
			gone[w.UID] = true
		}
	}
	return counts
}

// lost tells that nobody knows what became of a write.
func lost(w kit.Write) bool { return w.Code == 0 || w.Code >= http.StatusInternalServerError }

// addLost counts those creates, or deletes, that are missing where the answer to so many that were asked for was lost.
func (r *run) addLost(verb string, want, is map[string]int) {
	for _, w := range r.recorder.Writes() {
		if object := w.Object(); lost(w) && (w.Verb == "delete") == (verb == "delete") && is[object] < want[object] {
			is[object]++
		}
	}
}

func sameCounts(oracle string, want, is map[string]int) error {
	var differ []string
	for _, object := range slices.Sorted(maps.Keys(want)) {
		if want[object] != is[object] {
			differ = append(differ, fmt.Sprintf("%s: %d, wanted %d", object, is[object], want[object]))
		}
	}
	for _, object := range slices.Sorted(maps.Keys(is)) {
		if _, known := want[object]; !known {
			differ = append(differ, fmt.Sprintf("%s: %d, wanted none", object, is[object]))
		}
	}
	if differ == nil {
		return nil
	}
	return diverges(oracle, "%s", strings.Join(differ, ", "))
}

// touchedForeign names what our controllers changed although they had not made it, the status of our own kinds left out.
func (r *run) touchedForeign(d disturbance) []string {
	made := map[string]bool{}
	for _, w := range r.recorder.Writes() {
		made[w.Object()] = made[w.Object()] || w.Code == http.StatusCreated || d.lossy && lost(w)
	}
	var foreign []string
	for _, w := range r.recorder.Writes() {
		switch {
		case w.Code == 0 || w.Code >= http.StatusMultipleChoices || made[w.Object()]:
		case strings.HasSuffix(w.Group, "openfunction.io") && strings.HasSuffix(w.Resource, "/status"):
		case w.Verb == "patch" && w.Resource == "gateways": // a Gateway's finalizer, and its listeners on a Kubernetes Gateway; what becomes of either is in the end
		default:
			foreign = append(foreign, w.What())
		}
	}
	return foreign
}

// panicked is how often a reconciler of this process has panicked so far.
func panicked() int {
	return counted("controller_runtime_reconcile_panics_total")
}

// counted is the sum of a counter of controller-runtime.
func counted(name string) int {
	families, err := metrics.Registry.Gather()
	if err != nil {
		return 0
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() == name {
			for _, m := range family.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return int(sum)
}
