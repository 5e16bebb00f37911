// SPDX-License-Identifier: Apache-2.0

// Command standin is the stand-in function or daprd, by its first argument.
package main

import (
	"fmt"
	"os"

	"github.com/openfunction/openfunction/test/agent/standin"
)

func main() {
	run := map[string]func([]string) error{"function": standin.RunFunction, "daprd": standin.RunDaprd}
	if len(os.Args) < 2 || run[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "standin function|daprd FLAGS")
		os.Exit(2)
	}
	if err := run[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
