// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const manifests = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: worker}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: worker}
roleRef: {kind: ClusterRole, name: worker}
subjects: [{kind: ServiceAccount, name: worker, namespace: openfunction}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: worker}
rules:
- {apiGroups: [apps], resources: [deployments], verbs: [create, patch, delete]}
- {apiGroups: [""], resources: [configmaps], verbs: [get]}
- {apiGroups: [""], resources: [pods], verbs: ["*"]}
- {apiGroups: [a.test], resources: [things/finalizers], verbs: [update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: worker}
roleRef: {kind: Role, name: worker}
subjects: [{kind: ServiceAccount, name: worker, namespace: openfunction}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: worker}
rules:
- {apiGroups: [""], resources: [secrets], resourceNames: [mine, other], verbs: [get]}
`

// asked is a line of an audit log.
func asked(user, verb, group, resource, namespace, name, decision, code string) string {
	return `{"verb":"` + verb + `","user":{"username":"` + user + `"},"objectRef":{"apiGroup":"` + group + `","resource":"` + resource + `","namespace":"` + namespace +
		`","name":"` + name + `"},"responseStatus":{"code":` + code + `},"annotations":{"authorization.k8s.io/decision":"` + decision + `"}}` + "\n"
}

func TestCompare(t *testing.T) {
	dir := t.TempDir()
	config, audit := filepath.Join(dir, "roles.yaml"), filepath.Join(dir, "audit.log")
	const account = "system:serviceaccount:openfunction:worker"
	for path, text := range map[string]string{config: manifests, audit: strings.Join([]string{
		asked("worker", "patch", "apps", "deployments", "team", "a", "allow", "201"),
		asked(account, "get", "", "configmaps", "openfunction", "a", "allow", "200"),
		asked(account, "get", "", "secrets", "openfunction", "mine", "allow", "200"),
		asked(account, "get", "", "secrets", "team", "other", "forbid", "403"),
		asked("somebody", "delete", "apps", "deployments", "team", "a", "allow", "200"),
		`{"verb":"get","user":{"username":"worker"},"requestURI":"/apis"}` + "\n",
		`{"verb":"delete","user":`}, "")} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	granted, err := readRoles(dir)
	if err != nil {
		t.Fatal(err)
	}
	uses := map[string][]use{}
	if err := readAudits(dir, uses); err != nil {
		t.Fatal(err)
	}
	d := compare("worker", granted["worker"], uses["worker"])
	for what, is := range map[string]struct{ got, want []string }{
		"never used":    {d.unused, []string{"delete deployments.apps", "get secrets other in openfunction"}},
		"too wide":      {d.wide, []string{"get configmaps"}},
		"a wildcard":    {d.wild, []string{"* pods"}},
		"refused":       {d.refused, []string{"get secrets team/other"}},
		"not a request": {d.exempt, []string{"update things.a.test/finalizers (the admission plugin OwnerReferencesPermissionEnforcement asks the authorizer for it when a child is made)"}},
	} {
		if !slices.Equal(is.got, is.want) {
			t.Errorf("%s: got %q, want %q", what, is.got, is.want)
		}
	}
	if !d.any() {
		t.Error("there are differences")
	}
}

// TestRoles holds for what is installed, whatever was used.
func TestRoles(t *testing.T) {
	granted, err := readRoles("../../../config")
	if err != nil {
		t.Fatal(err)
	}
	for program, grants := range granted {
		for _, g := range grants {
			switch {
			case g.verb == "*" || g.group == "*" || g.resource == "*":
				t.Errorf("%s has a wildcard: %s", program, g)
			case g.resource == "secrets" && (g.verb == "list" || g.verb == "watch") && (!g.inPlatform || g.name == ""):
				t.Errorf("%s can read all Secrets: %s", program, g)
			case g.group == "rbac.authorization.k8s.io" || g.verb == "impersonate" || g.verb == "escalate" || g.verb == "bind":
				t.Errorf("%s can give itself rights: %s", program, g)
			}
		}
	}
}
