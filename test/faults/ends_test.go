// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// updateVariable makes the campaign write the ends of its scenarios in place of comparing with them.
const updateVariable = "UPDATE_GOLDEN"

// checkGolden compares the end of a scenario without a fault with what a person has read and approved. The other oracles compare the code with
// itself, and do not see what it does wrong every time.
func checkGolden(o *outcome) error {
	path := filepath.Join("testdata", "ends", strings.NewReplacer(" ", "-", "'", "", ",", "").Replace(o.scenario.name)+".yaml")
	// Where the kit plays an engine, the API server calls the writer by the name of this program.
	end := strings.ReplaceAll(o.end.String(), "manager: "+filepath.Base(os.Args[0]), "manager: kit")
	got := countsOf(o, "create") + countsOf(o, "delete") + o.path + end
	if os.Getenv(updateVariable) != "" {
		return os.WriteFile(path, []byte(got), 0o600)
	}
	want, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return diverges("golden", "there is no %s; write it with `make ends` and read it", path)
	} else if err != nil {
		return err
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		return diverges("golden", "%s differs (-want +got); if this is right, run `make ends` and read the change:\n%s", path, diff)
	}
	return nil
}

// countsOf says how often each object was created, or deleted, by our controllers.
func countsOf(o *outcome, verb string) string {
	var b strings.Builder
	counts := o.counts(verb)
	for _, object := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&b, "# %s %s: %d\n", verb, object, counts[object])
	}
	return b.String()
}
