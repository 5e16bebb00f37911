// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// request is what roles allow and programs ask for.
type request struct {
	verb, group, resource string
}

// String is the request as in "patch deployments.apps/status".
func (r request) String() string {
	resource, sub, has := strings.Cut(r.resource, "/")
	if r.group != "" {
		resource += "." + r.group
	}
	if has {
		resource += "/" + sub
	}
	return r.verb + " " + resource
}

// grant is one thing that a role allows.
type grant struct {
	request
	// name is the only object it is about; "" means all.
	name string
	// inPlatform tells that it holds in the platform's namespace only.
	inPlatform bool
}

// String names what the grant is limited to.
func (g grant) String() string {
	text := g.request.String()
	if g.name != "" {
		text += " " + g.name
	}
	if g.inPlatform {
		text += " in " + platform
	}
	return text
}

// platform is the namespace that config/default installs into.
const platform = "openfunction"

// manifest is what this program reads of the objects in config.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Rules    []rbacv1.PolicyRule
	RoleRef  rbacv1.RoleRef
	Subjects []rbacv1.Subject
}

// readRoles returns what each ServiceAccount in the manifests of a folder may do.
func readRoles(folder string) (map[string][]grant, error) {
	manifests, err := readManifests(folder)
	if err != nil {
		return nil, err
	}
	granted := map[string][]grant{}
	for _, m := range manifests {
		if m.Kind == "ServiceAccount" {
			granted[m.Metadata.Name] = nil
		}
	}
	for _, binding := range manifests {
		for _, subject := range binding.Subjects {
			if _, is := granted[subject.Name]; !is || subject.Kind != rbacv1.ServiceAccountKind {
				return nil, fmt.Errorf("%s %s is for %s %s, which is no ServiceAccount of ours", binding.Kind, binding.Metadata.Name, subject.Kind, subject.Name)
			}
			for _, role := range manifests {
				if role.Kind == binding.RoleRef.Kind && role.Metadata.Name == binding.RoleRef.Name {
					granted[subject.Name] = append(granted[subject.Name], grants(role.Rules, binding.Kind == "RoleBinding")...)
				}
			}
		}
	}
	return granted, nil
}

func readManifests(folder string) ([]manifest, error) {
	var manifests []manifest
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for document := range strings.SplitSeq("\n"+string(data), "\n---\n") {
			m := manifest{}
			if err := yaml.Unmarshal([]byte(document), &m); err != nil {
				return fmt.Errorf("reading %s: %w", path, err)
			}
			manifests = append(manifests, m)
		}
		return nil
	})
	return manifests, err
}

// grants takes rules apart.
func grants(rules []rbacv1.PolicyRule, inPlatform bool) []grant {
	var all []grant
	for _, rule := range rules {
		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					for _, name := range names {
						all = append(all, grant{request{verb, group, resource}, name, inPlatform})
					}
				}
			}
		}
	}
	return all
}

func keys[K comparable, V any](m map[K]V) iter.Seq[K] { return maps.Keys(m) }
