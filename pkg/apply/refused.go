// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/problem"
)

// forbiddenDelay is how often something is tried again that a quota or a policy does not allow.
const forbiddenDelay = 30 * time.Second

// Refused turns what the API server or an engine's webhook says no to into a problem for the user: sending the same again
// gives the same answer, except that a quota may get room and a policy may be changed.
func Refused(err error) error {
	switch {
	case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err):
		return problem.Stalled(corev1beta2.RefusedReason, "%s", err)
	case apierrors.IsForbidden(err) && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return problem.WaitingUntil(forbiddenDelay, corev1beta2.RefusedReason, "%s", err)
	default:
		return err
	}
}
