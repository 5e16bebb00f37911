// SPDX-License-Identifier: Apache-2.0

// The Go buildpack. One static program is both bin/detect and bin/build, chosen by the name it is called by, so that the
// builder image needs no shell.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// notDetected is the exit code that tells the lifecycle that this buildpack is not meant for the source.
const notDetected = 100

func main() {
	app, err := os.Getwd()
	if err != nil {
		fail(err)
	}
	switch phase := filepath.Base(os.Args[0]); phase {
	case "detect":
		if err := detect(app); err != nil {
			fmt.Println(err)
			os.Exit(notDetected)
		}
	case "build":
		b := &construction{app: app, settings: settingsFrom(os.LookupEnv), layers: os.Getenv("CNB_LAYERS_DIR"), out: os.Stdout}
		if b.layers == "" && len(os.Args) > 1 {
			b.layers = os.Args[1]
		}
		if err := b.run(); err != nil {
			fail(err)
		}
	default:
		fail(fmt.Errorf("called as %q, want detect or build", phase))
	}
}

// fail ends the program with what went wrong as the last line of the log.
func fail(err error) {
	if told, ok := errors.AsType[*userError](err); ok {
		fmt.Fprintf(os.Stderr, "Error: %s\n", told)
	} else {
		fmt.Fprintf(os.Stderr, "Error: %v\n", err)
	}
	os.Exit(1)
}

// userError is a failure that the author of the function has to mend.
type userError struct{ text string }

func (e *userError) Error() string { return e.text }

func userErrorf(format string, args ...any) error {
	return &userError{text: fmt.Sprintf(format, args...)}
}
