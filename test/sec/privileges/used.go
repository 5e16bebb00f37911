// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// use is one request of a program.
type use struct {
	request
	namespace, name string
	// allowed tells that the API server's authorizer agreed.
	allowed bool
}

// serviceAccounts is what the names of our ServiceAccounts begin with for the API server. The users of test/kit have their plain names.
const serviceAccounts = "system:serviceaccount:" + platform + ":"

// auditEvent is what this program reads of a line of an audit log.
type auditEvent struct {
	Verb           string
	User           struct{ Username string }
	Annotations    map[string]string
	ObjectRef      *struct{ APIGroup, Resource, Subresource, Namespace, Name string }
	ResponseStatus struct{ Code int }
}

// readAudit adds the different requests in an audit log to those of each program.
func readAudit(path string, into map[string][]use) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	seen := map[string]map[use]bool{}
	lines := bufio.NewReaderSize(file, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break // perhaps in the middle of a line: the API server was killed
		}
		if err != nil {
			return err
		}
		var e auditEvent
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("%w: %.200s", err, line)
		}
		if e.ObjectRef == nil {
			continue // discovery, which everybody may
		}
		program := strings.TrimPrefix(e.User.Username, serviceAccounts)
		if seen[program] == nil {
			seen[program] = map[use]bool{}
		}
		used := e.use()
		seen[program][used] = true
		if used.verb == "patch" && e.ResponseStatus.Code == http.StatusCreated {
			used.verb = "create" // it was applied and did not exist: the authorizer was asked for both
			seen[program][used] = true
		}
	}
	for program, uses := range seen {
		for u := range uses {
			into[program] = append(into[program], u)
		}
	}
	return nil
}

func (e auditEvent) use() use {
	resource := e.ObjectRef.Resource
	if e.ObjectRef.Subresource != "" {
		resource += "/" + e.ObjectRef.Subresource
	}
	return use{request: request{e.Verb, e.ObjectRef.APIGroup, resource}, namespace: e.ObjectRef.Namespace, name: e.ObjectRef.Name,
		allowed: e.Annotations["authorization.k8s.io/decision"] == "allow"}
}
