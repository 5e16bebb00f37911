// SPDX-License-Identifier: Apache-2.0

package source

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
)

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// ParseEnv reads a JSON object of values by environment variable name.
func ParseEnv(data []byte) (map[string]string, error) {
	var env map[string]string
	if err := json.Unmarshal(data, &env); err != nil {
		return nil, failure(InvalidSource, "build environment is not a JSON object of values by name: %v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if !envName.MatchString(name) {
			return nil, failure(InvalidSource,
				"build environment variable name %q must be letters, digits, '_', '-' or '.', and not start with a digit", name)
		}
	}
	return env, nil
}

// WritePlatformEnv writes a file for each variable into dir, where buildpacks look for the platform's environment.
func WritePlatformEnv(dir string, env map[string]string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return failure(FetchFailed, "cannot make the folder of the build environment: %v", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return failure(FetchFailed, "cannot open the folder of the build environment: %v", err)
	}
	defer root.Close()
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if err := root.WriteFile(name, []byte(env[name]), 0o644); err != nil {
			return failure(FetchFailed, "cannot write build environment variable %s: %v", name, err)
		}
	}
	return openUp(dir)
}
