// SPDX-License-Identifier: Apache-2.0

// Command run plants bugs one at a time and tells which oracle of the campaign catches each, and in how many seconds. It fails when one is
// not caught, or when the campaign finds fault with the code as it is. Arguments are the numbers of the bugs to plant; none means all.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/openfunction/openfunction/test/faults/bugs"
	"github.com/openfunction/openfunction/test/kit"
)

func main() {
	overlay := flag.String("overlay", "", "only write the sources with the bugs into this folder and print what to build with")
	keep := flag.String("logs", "", "folder for what the campaigns print; none means that it is not kept")
	atOnce := flag.Int("parallel", 1, "how many campaigns run at once")
	clean := flag.Bool("clean", true, "let the campaigns look at the code without a bug too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *overlay, *keep, *atOnce, *clean, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, overlay, logs string, atOnce int, clean bool, numbers []string) error {
	all, err := bugs.All()
	if err != nil {
		return err
	}
	chosen := slices.DeleteFunc(slices.Clone(all), func(b bugs.Bug) bool { return len(numbers) > 0 && !slices.Contains(numbers, b.Number) })
	root, err := kit.Root()
	if err != nil {
		return err
	}
	dir := overlay
	if dir == "" {
		if dir, err = os.MkdirTemp("", "openfunction-bugs-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	} else if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	list, err := bugs.Overlay(root, dir, all)
	if err != nil {
		return err
	}
	if overlay != "" {
		fmt.Printf("go build -tags bug_NN -overlay %s ./cmd/core\n", list)
		return nil
	}
	programs, err := build(ctx, root, dir, list, chosen)
	if err != nil {
		return err
	}
	c := campaign{root: root, programs: programs, logs: logs}
	caught := c.plant(ctx, chosen, atOnce)
	if !clean {
		return caught
	}
	return errors.Join(caught, c.lookAtCode(ctx, chosen, atOnce))
}

// program tells test programs apart.
type program struct {
	of   string
	race bool
}

func programOf(s bugs.Suite) program { return program{s.Package, s.Race} }

// build makes each test program once, with all bugs in it.
func build(ctx context.Context, root, dir, overlay string, chosen []bugs.Bug) (map[program]string, error) {
	built := map[program]string{}
	for _, b := range chosen {
		p := programOf(b.Suite)
		if built[p] != "" {
			continue
		}
		begin := time.Now()
		built[p] = filepath.Join(dir, fmt.Sprintf("%s-%t.test", filepath.Base(p.of), p.race))
		if err := bugs.BuildTest(ctx, root, overlay, p.of, p.race, built[p]); err != nil {
			return nil, err
		}
		fmt.Printf("# built %s (race detector: %t) in %.0f s\n", p.of, p.race, time.Since(begin).Seconds())
	}
	return built, nil
}

// campaign is what all runs have in common.
type campaign struct {
	root     string
	programs map[program]string
	logs     string
}

// run lets one suite look at the code with one bug, or with none.
func (c campaign) run(ctx context.Context, number string, s bugs.Suite) bugs.Verdict {
	log := ""
	if c.logs != "" {
		log = filepath.Join(c.logs, "bug-"+number+".log")
	}
	return bugs.Run(ctx, filepath.Join(c.root, s.Package), c.programs[programOf(s)], number, s.Env, log)
}

// plant prints a line for each bug, and fails when one was not caught.
func (c campaign) plant(ctx context.Context, chosen []bugs.Bug, atOnce int) error {
	var mu sync.Mutex
	var missed []error
	begin, next, lines := time.Now(), 0, make([]string, len(chosen))
	fmt.Printf("| bug | kind | caught by | where | seconds |\n|---|---|---|---|---|\n")
	inParallel(len(chosen), atOnce, func(i int) {
		b := chosen[i]
		v := c.run(ctx, b.Number, b.Suite)
		mu.Lock()
		defer mu.Unlock()
		lines[i] = line(b, v)
		for ; next < len(lines) && lines[next] != ""; next++ { // in the order of their numbers
			fmt.Println(lines[next])
		}
		if v.Oracle == "" {
			missed = append(missed, fmt.Errorf("bug %s-%s was not caught by an oracle: %s", b.Number, b.Name, v.Trouble))
		}
	})
	fmt.Printf("# %d bugs, %d caught by an oracle, %.0f s\n", len(chosen), len(chosen)-len(missed), time.Since(begin).Seconds())
	return errors.Join(missed...)
}

// lookAtCode lets the campaigns of the bugs look at the code without any, and fails when one finds fault with it.
func (c campaign) lookAtCode(ctx context.Context, chosen []bugs.Bug, atOnce int) error {
	var mu sync.Mutex
	var wrong []error
	begin, clean := time.Now(), suitesOf(chosen)
	inParallel(len(clean), atOnce, func(i int) {
		v := c.run(ctx, fmt.Sprintf("none-%02d", i), clean[i])
		mu.Lock()
		defer mu.Unlock()
		if !v.Clean {
			wrong = append(wrong, fmt.Errorf("the code as it is: %s says %s %s %s", clean[i], v.Oracle, v.Where, v.Trouble))
		}
	})
	fmt.Printf("# the code as it is: %d campaigns, %d found fault with it, %.0f s\n", len(clean), len(wrong), time.Since(begin).Seconds())
	return errors.Join(wrong...)
}

// suitesOf are what the code as it is has to pass: the suites of the bugs, each once, but those that disturb nothing all in one.
func suitesOf(chosen []bugs.Bug) []bugs.Suite {
	var suites []bugs.Suite
	for _, b := range chosen {
		suite := b.Suite.Whole()
		if !slices.ContainsFunc(suites, func(s bugs.Suite) bool { return s.String() == suite.String() }) {
			suites = append(suites, suite)
		}
	}
	return suites
}

func line(b bugs.Bug, v bugs.Verdict) string {
	kind := b.Kind
	if b.Blind {
		kind += " (blind)"
	}
	oracle := v.Oracle
	if oracle == "" {
		oracle = "**not caught**"
	}
	return fmt.Sprintf("| %s-%s | %s | %s | %s | %.0f |", b.Number, b.Name, kind, oracle, strings.ReplaceAll(v.Where, "|", "/"), v.Took.Seconds())
}

// inParallel calls f with 0 to n-1, some at once.
func inParallel(n, atOnce int, f func(int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(i)
		})
	}
	wg.Wait()
}
