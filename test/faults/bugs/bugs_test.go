// SPDX-License-Identifier: Apache-2.0

package bugs_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/openfunction/openfunction/test/faults/bugs"
	"github.com/openfunction/openfunction/test/kit"
)

// TestEveryBugAppliesAndCompiles fails as soon as the production code has moved away from a bug: mend the lines of the bug then, so that
// it stays the same mistake.
func TestEveryBugAppliesAndCompiles(t *testing.T) {
	all, err := bugs.All()
	if err != nil {
		t.Fatal(err)
	}
	root, err := kit.Root()
	if err != nil {
		t.Fatal(err)
	}
	list, err := bugs.Overlay(root, t.TempDir(), all)
	if err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-overlay", list, "./controllers/...", "./pkg/...")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the bugs do not compile: %v\n%s", err, out)
	}
}
