// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/problem"
)

// +kubebuilder:rbac:groups=keda.sh,resources=clustertriggerauthentications,verbs=get

// grantDelay is how often a grant that is missing is looked for: what could grant is not watched.
const grantDelay = 10 * time.Second

// checkReferences refuses what reaches out of the namespace without the consent of the other side: what a user writes acts with the user's reach,
// not with that of the controllers.
func (r *ServingReconciler) checkReferences(ctx context.Context, v *servingVisit) error {
	s := v.serving
	if http := s.Spec.HTTP(); http != nil && http.Route != nil {
		if err := checkHosts(http.Route.Hostnames, s.Namespace, r.ClusterDomain); err != nil {
			return err
		}
	}
	for _, trigger := range s.Spec.Keda().Triggers {
		if ref := trigger.AuthenticationRef; ref != nil && ref.Kind == "ClusterTriggerAuthentication" {
			if err := r.checkAuthentication(ctx, s.Namespace, ref.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkHosts refuses host names of other namespaces.
func checkHosts(hosts []gatewayv1.Hostname, namespace, clusterDomain string) error {
	if host, foreign := core.ForeignHost(hosts, namespace, clusterDomain); foreign {
		return problem.Stalled(corev1beta2.HostNotAllowedReason, "Host name %q in triggers.http.route.hostnames belongs to another namespace; take it out", host)
	}
	return nil
}

// checkAuthentication asks whether an administrator lets functions of a namespace use a login that is for the whole cluster.
func (r *ServingReconciler) checkAuthentication(ctx context.Context, namespace, name string) error {
	authentication := &metav1.PartialObjectMetadata{}
	authentication.SetGroupVersionKind(kedav1alpha1.SchemeGroupVersion.WithKind("ClusterTriggerAuthentication"))
	err := r.Live.Get(ctx, types.NamespacedName{Name: name}, authentication)
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("reading ClusterTriggerAuthentication %s: %w", name, err)
	}
	if err == nil && grants(authentication.Annotations[corev1beta2.AllowedNamespacesAnnotation], namespace) {
		return nil
	}
	return problem.WaitingUntil(grantDelay, corev1beta2.ReferenceNotGrantedReason,
		"ClusterTriggerAuthentication %q does not exist or is not for namespace %s; its owner can allow it with the annotation %s: %s, "+
			"or use a TriggerAuthentication", name, namespace, corev1beta2.AllowedNamespacesAnnotation, namespace)
}

// grants tells whether a list of namespaces has this one, or a star.
func grants(list, namespace string) bool {
	return slices.ContainsFunc(strings.Split(list, ","), func(one string) bool {
		one = strings.TrimSpace(one)
		return one == "*" || one == namespace
	})
}
