// SPDX-License-Identifier: Apache-2.0

// Command privileges compares what the roles in config allow each program of the platform with what the programs asked for while the suites ran,
// which is in the audit logs of a folder. It fails when a role allows what nobody asked for, or when somebody was refused.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: privileges CONFIG-FOLDER AUDIT-LOG-OR-FOLDER...")
		os.Exit(2)
	}
	differs, err := run(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if differs {
		os.Exit(1)
	}
}

// run prints the differences of every program and tells whether there is one.
func run(config string, audits []string) (differs bool, err error) {
	granted, err := readRoles(config)
	if err != nil {
		return false, err
	}
	uses := map[string][]use{}
	for _, audit := range audits {
		if err := readAudits(audit, uses); err != nil {
			return false, err
		}
	}
	for _, program := range slices.Sorted(keys(granted)) {
		d := compare(program, granted[program], uses[program])
		fmt.Print(d)
		differs = differs || d.any()
	}
	return differs, nil
}

// readAudits reads an audit log, or all in a folder.
func readAudits(path string, into map[string][]use) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("reading the audit logs: %w", err)
	}
	files := []string{path}
	if info.IsDir() {
		if files, err = filepath.Glob(filepath.Join(path, "*.log")); err != nil {
			return fmt.Errorf("listing %s: %w", path, err)
		}
	}
	for _, file := range files {
		if err := readAudit(file, into); err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
	}
	return nil
}
