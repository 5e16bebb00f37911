// SPDX-License-Identifier: Apache-2.0

package apply_test

import (
	"errors"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/apply"
	"github.com/openfunction/openfunction/pkg/problem"
)

func TestRefused(t *testing.T) {
	deployments := schema.GroupResource{Group: "apps", Resource: "deployments"}
	terminating := apierrors.NewForbidden(deployments, "fn", errors.New("the namespace goes"))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	for _, test := range []struct {
		name, because string
		err           error
		want          string
	}{
		{"Invalid", "the same again is as invalid", apierrors.NewInvalid(schema.GroupKind{Kind: "Deployment"}, "fn", nil), "stalled"},
		{"BadRequest", "a webhook says no with it", apierrors.NewBadRequest("no"), "stalled"},
		{"Wrapped", "what it was about stands before it", fmt.Errorf("applying: %w", apierrors.NewBadRequest("no")), "stalled"},
		{"Forbidden", "a quota may get room", apierrors.NewForbidden(deployments, "fn", errors.New("exceeded quota")), "waiting"},
		{"Terminating", "a namespace that goes takes everything along", terminating, "passing"},
		{"Conflict", "it is a lost race", apierrors.NewConflict(deployments, "fn", errors.New("changed")), "passing"},
		{"Problem", "it has been judged", problem.Waiting("Starting", "Wait"), "passing"},
		{"None", "all is well", nil, "passing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := "passing", apply.Refused(test.err)
			if stalled, is := problem.AsStalled(err); is && stalled.Reason == corev1beta2.RefusedReason && stalled.Recheck == 0 {
				got = "stalled"
			} else if waiting, is := problem.AsWaiting(err); is && waiting.Reason == corev1beta2.RefusedReason && waiting.Recheck > 0 {
				got = "waiting"
			} else if !errors.Is(err, test.err) {
				t.Errorf("it became %v", err)
			}
			if got != test.want {
				t.Errorf("%s, so it is %s, not %s", test.because, test.want, got)
			}
		})
	}
}
