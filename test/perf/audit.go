// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

// writes is how many write requests a user has made so far, by kind of object, from the API server's audit log.
type writes map[string]int

// readAudit counts all writes of a user. Requests that were refused count too: they are requests.
func readAudit(path, user string) (writes, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	found := writes{}
	lines := bufio.NewReaderSize(file, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return found, nil // the end, perhaps in the middle of a line being written
		}
		var event struct {
			Verb string
			User struct{ Username string }
			Ref  struct{ Resource, Subresource string } `json:"objectRef"`
		}
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, fmt.Errorf("reading the audit log: %w", err)
		}
		if event.User.Username != user {
			continue
		}
		what := event.Ref.Resource
		if event.Ref.Subresource != "" {
			what += "/" + event.Ref.Subresource
		}
		found[event.Verb+" "+what]++
	}
}

// sum adds up all writes, or all but those of Kubernetes Events.
func (w writes) sum(events bool) int {
	n := 0
	for what, count := range w {
		if events || (what != "create events" && what != "patch events") {
			n += count
		}
	}
	return n
}
