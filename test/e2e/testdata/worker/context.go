// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// description is FUNC_CONTEXT, as far as the worker needs it.
type description struct {
	Name    string              `json:"name"`
	Runtime string              `json:"runtime"`
	Port    string              `json:"port"`
	Inputs  map[string]endpoint `json:"inputs"`
	Outputs map[string]endpoint `json:"outputs"`
	States  map[string]endpoint `json:"states"`
}

// endpoint is where data comes from or goes to.
type endpoint struct {
	URI           string            `json:"uri"`
	ComponentName string            `json:"componentName"`
	ComponentType string            `json:"componentType"`
	Metadata      map[string]string `json:"metadata"`
	Operation     string            `json:"operation"`
}

func (e endpoint) isTopic() bool { return strings.HasPrefix(e.ComponentType, "pubsub.") }

func describe(text string) (description, error) {
	if text == "" {
		return description{}, fmt.Errorf("FUNC_CONTEXT is not set")
	}
	var d description
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return description{}, fmt.Errorf("reading FUNC_CONTEXT: %w", err)
	}
	return d, nil
}
