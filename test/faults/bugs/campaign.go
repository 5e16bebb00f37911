// SPDX-License-Identifier: Apache-2.0

package bugs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/openfunction/openfunction/test/faults/bugs/planted"
)

// patience is how long a short campaign may take.
const patience = 12 * time.Minute

// Verdict is what a suite said of the code.
type Verdict struct {
	// Clean tells that it found nothing.
	Clean bool
	// Oracle is the word of the one that found something first.
	Oracle string
	// Where is the scenario and the plan in which it did.
	Where string
	// Trouble is why there is no verdict.
	Trouble string
	// Took is how long it ran.
	Took time.Duration
}

// String names a suite and what is chosen of it.
func (s Suite) String() string {
	text := s.Package
	if s.Race {
		text = "-race " + text
	}
	return strings.Join(append([]string{text}, s.Env...), " ")
}

// undisturbed are the kinds of fault of the campaign that are none.
var undisturbed = []string{"nothing", "at-once", "restart"}

// Whole is the suite, or, if it disturbs nothing, one that does so in every scenario.
func (s Suite) Whole() Suite {
	const variable = "FAULTS_KINDS="
	for _, e := range s.Env {
		kinds, is := strings.CutPrefix(e, variable)
		if is && !s.Race && !slices.ContainsFunc(strings.Fields(kinds), func(kind string) bool { return !slices.Contains(undisturbed, kind) }) {
			return Suite{Package: s.Package, Env: []string{variable + strings.Join(undisturbed, " ")}}
		}
	}
	return s
}

// BuildTest builds the tests of a package with the sources of the overlay.
func BuildTest(ctx context.Context, root, overlay, of string, race bool, to string) error {
	args := []string{"test", "-c", "-overlay", overlay, "-o", to}
	env := append(os.Environ(), "GOFLAGS=-trimpath -buildvcs=false", "CGO_ENABLED=0")
	if race {
		args = append(args, "-race")
		env = append(env, "CGO_ENABLED=1")
	}
	build := exec.CommandContext(ctx, "go", append(args, of)...)
	build.Dir, build.Env = root, env
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s with the bugs: %w\n%s", of, err, out)
	}
	return nil
}

// Run lets a suite look at the code with one bug, or with none if there is none of that number, until it finds something.
func Run(ctx context.Context, dir, program, number string, env []string, log string) Verdict {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var out bytes.Buffer
	test := exec.CommandContext(ctx, program, "-test.v", "-test.timeout=0")
	test.Dir, test.Stdout, test.Stderr = dir, &out, &out
	test.Env = append(append(os.Environ(), "FAULTS_FIRST=1", "GORACE=halt_on_error=1", planted.Variable+"="+number), env...)
	test.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	test.Cancel = func() error { return syscall.Kill(-test.Process.Pid, syscall.SIGTERM) }
	test.WaitDelay = 20 * time.Second
	begin := time.Now()
	err := test.Run()
	verdict := judge(out.String(), err)
	verdict.Took = time.Since(begin)
	if log != "" {
		_ = os.WriteFile(log, out.Bytes(), 0o600)
	}
	return verdict
}

var (
	divergence = regexp.MustCompile(`(?m)DIVERGENCE oracle=(\S+) (.*)$`)
	law        = regexp.MustCompile(`law of (\w+):`)
	crash      = regexp.MustCompile(`(?m)^(panic: .*|fatal error: .*)$`)
)

// judge reads what a suite printed.
func judge(out string, err error) Verdict {
	if err == nil {
		return Verdict{Clean: true, Trouble: "the suite found nothing"}
	}
	if strings.Contains(out, "WARNING: DATA RACE") {
		return Verdict{Oracle: "race"}
	}
	if found := crash.FindString(out); found != "" {
		return Verdict{Oracle: "crash", Where: found}
	}
	if found := divergence.FindStringSubmatchIndex(out); found != nil {
		v := Verdict{Oracle: out[found[2]:found[3]], Where: out[found[4]:found[5]]}
		if name := law.FindStringSubmatch(out[found[1]:min(len(out), found[1]+2000)]); name != nil && v.Oracle == "laws" {
			v.Oracle += " (" + name[1] + ")"
		}
		return v
	}
	return Verdict{Trouble: fmt.Sprintf("%v, and no oracle said why: …%s", err, out[max(0, len(out)-500):])}
}
