// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// platform is the namespace where Roles of ours are. It is made where it is missing.
const platform = "openfunction"

// UserWith makes a user who may do what the ClusterRoles and Roles in files of this repository allow and nothing else, and
// returns the client configuration and the path of a kubeconfig of that user. Controllers that run as that user show that their roles are enough.
func (cp *ControlPlane) UserWith(ctx context.Context, name string, roleFiles ...string) (*rest.Config, string, error) {
	for _, file := range roleFiles {
		if err := cp.give(ctx, name, file); err != nil {
			return nil, "", fmt.Errorf("giving %s what %s allows: %w", name, file, err)
		}
	}
	if cp.tokens[name] == "" {
		return nil, "", fmt.Errorf("the API server has no user %q, only the programs of the platform: %q", name, programs)
	}
	config := cp.configOf(name)
	path := filepath.Join(cp.dir, name+".kubeconfig")
	return config, path, writeKubeconfig(path, config)
}

// administrator may do everything.
const administrator = "admin"

// programs are the users that there can be beside the administrator, named as the platform's service accounts are.
var programs = []string{"openfunction-core", "openfunction-router", "openfunction-webhook", "openfunction-dapr-shared"}

// writeTokens writes the file from which the API server knows its users by bearer tokens, as it knows the service accounts of pods. A client
// certificate would be verified with every request, which is a twentieth of its work.
func (cp *ControlPlane) writeTokens(path string) error {
	cp.tokens = map[string]string{}
	var lines strings.Builder
	for _, name := range append([]string{administrator}, programs...) {
		cp.tokens[name] = rand.Text()
		groups := ""
		if name == administrator {
			groups = ",system:masters"
		}
		fmt.Fprintf(&lines, "%s,%s,%s%s\n", cp.tokens[name], name, name, groups)
	}
	return os.WriteFile(path, []byte(lines.String()), 0o600)
}

// configOf is how a user reaches the API server.
func (cp *ControlPlane) configOf(name string) *rest.Config {
	own := cp.env.Config
	return &rest.Config{Host: own.Host, BearerToken: cp.tokens[name], QPS: -1, TLSClientConfig: rest.TLSClientConfig{CAData: own.CAData}}
}

// writeKubeconfig writes what others read a client configuration from.
func writeKubeconfig(path string, config *rest.Config) error {
	const only = "kit"
	return clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{only: {Server: config.Host, CertificateAuthorityData: config.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{only: {Token: config.BearerToken}},
		Contexts:       map[string]*clientcmdapi.Context{only: {Cluster: only, AuthInfo: only}},
		CurrentContext: only,
	}, path)
}

// give makes the roles of a file and binds the user to them. What else is in the file is left out.
func (cp *ControlPlane) give(ctx context.Context, user, file string) error {
	root, err := Root()
	if err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return err
	}
	subjects := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}}
	for document := range strings.SplitSeq(string(data), "\n---\n") {
		role := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &role.Object); err != nil {
			return err
		}
		ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: role.GetKind(), Name: role.GetName()}
		at := metav1.ObjectMeta{Name: role.GetName() + "-of-" + user}
		var binding client.Object
		switch role.GetKind() {
		case "ClusterRole":
			binding = &rbacv1.ClusterRoleBinding{ObjectMeta: at, RoleRef: ref, Subjects: subjects}
		case "Role":
			role.SetNamespace(platform)
			at.Namespace = platform
			if err := cp.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: platform}}); err != nil && !apierrors.IsAlreadyExists(err) {
				return err
			}
			binding = &rbacv1.RoleBinding{ObjectMeta: at, RoleRef: ref, Subjects: subjects}
		default:
			continue
		}
		for _, o := range []client.Object{role, binding} {
			if err := cp.Client.Create(ctx, o); err != nil {
				return err
			}
		}
	}
	return nil
}
