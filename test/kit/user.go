// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"
)

// UserWith makes a user who may do what the ClusterRole and the Roles in a file of this repository allow and nothing else, and
// returns the client configuration and the path of a kubeconfig of that user. Controllers that run as that user show that their roles are enough.
func (cp *ControlPlane) UserWith(ctx context.Context, name, roleFile string) (*rest.Config, string, error) {
	root, err := Root()
	if err != nil {
		return nil, "", err
	}
	data, err := os.ReadFile(filepath.Join(root, roleFile))
	if err != nil {
		return nil, "", err
	}
	for document := range strings.SplitSeq(string(data), "\n---\n") {
		role := &rbacv1.ClusterRole{} // a Role has the same fields
		if err := yaml.Unmarshal([]byte(document), role); err != nil {
			return nil, "", fmt.Errorf("reading %s: %w", roleFile, err)
		}
		if err := cp.give(ctx, name, role); err != nil {
			return nil, "", fmt.Errorf("giving %s its role: %w", name, err)
		}
	}
	user, err := cp.env.AddUser(envtest.User{Name: name}, &rest.Config{QPS: -1})
	if err != nil {
		return nil, "", err
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		return nil, "", err
	}
	path := filepath.Join(cp.dir, name+".kubeconfig")
	return user.Config(), path, os.WriteFile(path, kubeconfig, 0o600)
}

// give binds a user to a ClusterRole, or to a Role in its namespace, which is made where it is missing.
func (cp *ControlPlane) give(ctx context.Context, user string, role *rbacv1.ClusterRole) error {
	subjects := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}}
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: role.Kind, Name: role.Name}
	at := metav1.ObjectMeta{Name: user, Namespace: role.Namespace}
	if role.Namespace == "" {
		return errors.Join(cp.Client.Create(ctx, role), cp.Client.Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: at, RoleRef: ref, Subjects: subjects}))
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: role.Namespace}}
	if err := cp.Client.Create(ctx, namespace); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return errors.Join(cp.Client.Create(ctx, &rbacv1.Role{ObjectMeta: role.ObjectMeta, Rules: role.Rules}),
		cp.Client.Create(ctx, &rbacv1.RoleBinding{ObjectMeta: at, RoleRef: ref, Subjects: subjects}))
}
