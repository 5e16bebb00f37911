// SPDX-License-Identifier: Apache-2.0

package bugs

import (
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed all/*.bug
var files embed.FS

// Bug is a small variant of the production code, as a file all/NN-name.bug describes it.
type Bug struct {
	// Number tells bugs apart; it is the NN of the file.
	Number string
	// Name is the rest of the file's name.
	Name string
	// Kind is the kind of bug, as people who know controllers call it.
	Kind string
	// Blind tells that the bug was planted without a look at what the suite can see.
	Blind bool
	// Suite is what should catch it, and how it is asked.
	Suite Suite
	// Hunks are the changes.
	Hunks []Hunk
}

// Suite is a test program of this repository and what is chosen of it.
type Suite struct {
	// Package has the program's tests.
	Package string
	// Env chooses what it runs, NAME=value.
	Env []string
	// Race tells that the bug shows only under the race detector.
	Race bool
}

// Hunk replaces some lines of one function, which are found by what they say and not by where they are.
type Hunk struct {
	// File is relative to the root of the repository.
	File string
	// Function is "name" or "Type.name"; "import" for more imports, "" for more declarations at the end of the file.
	Function string
	// Old are the lines that go and those around them that stay, New the lines that are there afterwards.
	Old, New []string
}

// All returns the bugs in the order of their numbers.
func All() ([]Bug, error) {
	names, err := fs.Glob(files, "all/*.bug")
	if err != nil {
		return nil, err
	}
	var bugs []Bug
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		bug, err := parse(strings.TrimSuffix(path.Base(name), ".bug"), string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		bugs = append(bugs, bug)
	}
	slices.SortFunc(bugs, func(a, b Bug) int { return cmp.Compare(a.Number, b.Number) })
	for i := range bugs[1:] {
		if bugs[i].Number == bugs[i+1].Number {
			return nil, fmt.Errorf("two bugs have the number %s", bugs[i].Number)
		}
	}
	return bugs, nil
}

// parse reads a description: a header of "key: value" lines, an empty line, and hunks that begin with "--- file function".
func parse(name, text string) (Bug, error) {
	bug := Bug{Suite: Suite{Package: "./test/faults"}}
	var found bool
	if bug.Number, bug.Name, found = strings.Cut(name, "-"); !found || len(bug.Number) != 2 {
		return bug, fmt.Errorf("the name is not of the form NN-name.bug")
	}
	header, body, _ := strings.Cut(text, "\n\n")
	for line := range strings.Lines(header) {
		key, value, found := strings.Cut(strings.TrimSpace(line), ": ")
		if !found {
			return bug, fmt.Errorf("the line %q of the header is not of the form key: value", line)
		}
		if err := bug.set(key, value); err != nil {
			return bug, err
		}
	}
	for line := range strings.SplitSeq(strings.TrimRight(body, "\n"), "\n") {
		if err := bug.add(line); err != nil {
			return bug, err
		}
	}
	if bug.Kind == "" || len(bug.Hunks) == 0 {
		return bug, fmt.Errorf("it needs a kind and at least one hunk")
	}
	return bug, nil
}

func (b *Bug) set(key, value string) error {
	switch key {
	case "kind":
		b.Kind = value
	case "why", "#": // for the reader
	case "blind":
		b.Blind = value == "true"
	case "race":
		b.Suite.Race = value == "true"
	case "package":
		b.Suite.Package = value
	case "env":
		b.Suite.Env = append(b.Suite.Env, value)
	default:
		return fmt.Errorf("the header has the unknown key %q", key)
	}
	return nil
}

// add reads one line of a hunk.
func (b *Bug) add(line string) error {
	if place, ok := strings.CutPrefix(line, "--- "); ok {
		file, function, _ := strings.Cut(place, " ")
		b.Hunks = append(b.Hunks, Hunk{File: file, Function: function})
		return nil
	}
	if len(b.Hunks) == 0 {
		return fmt.Errorf("the line %q is in no hunk", line)
	}
	h := &b.Hunks[len(b.Hunks)-1]
	switch {
	case line == "":
		h.Old, h.New = append(h.Old, ""), append(h.New, "")
	case line[0] == ' ':
		h.Old, h.New = append(h.Old, line[1:]), append(h.New, line[1:])
	case line[0] == '-':
		h.Old = append(h.Old, line[1:])
	case line[0] == '+':
		h.New = append(h.New, line[1:])
	default:
		return fmt.Errorf("the line %q begins with none of \" -+\"", line)
	}
	return nil
}
