// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"
)

// UserWith makes a user who may do what the ClusterRole in a file of this repository allows and nothing else, and
// returns the client configuration and the path of a kubeconfig of that user. Controllers that run as that user show that their role is enough.
func (cp *ControlPlane) UserWith(ctx context.Context, name, roleFile string) (*rest.Config, string, error) {
	root, err := Root()
	if err != nil {
		return nil, "", err
	}
	data, err := os.ReadFile(filepath.Join(root, roleFile))
	if err != nil {
		return nil, "", err
	}
	role := &rbacv1.ClusterRole{}
	if err := yaml.Unmarshal(data, role); err != nil {
		return nil, "", fmt.Errorf("reading %s: %w", roleFile, err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
	}
	for _, o := range []client.Object{role, binding} {
		if err := cp.Client.Create(ctx, o); err != nil {
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
