// SPDX-License-Identifier: Apache-2.0

package podsecurity

import (
	"fmt"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// EnforceLabel is the label of a namespace that names the level it enforces.
const EnforceLabel = api.EnforceLevelLabel

// Restricted is the level that wants most; every pod the platform makes by itself keeps to it.
const Restricted = string(api.LevelRestricted)

var evaluator = sync.OnceValue(func() policy.Evaluator {
	e, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil // its own checks are well formed
	}
	return e
})

// Violations tells how a pod breaks the latest version of a level; "" when it does not, or when there is no such level.
func Violations(level string, pod *corev1.PodTemplateSpec) string {
	wanted, err := api.ParseLevel(level)
	if err != nil {
		return ""
	}
	var broken []string
	for _, result := range evaluator().EvaluatePod(api.LevelVersion{Level: wanted, Version: api.LatestVersion()}, &pod.ObjectMeta, &pod.Spec) {
		switch {
		case result.Allowed:
		case result.ForbiddenDetail == "":
			broken = append(broken, result.ForbiddenReason)
		default:
			broken = append(broken, fmt.Sprintf("%s (%s)", result.ForbiddenReason, result.ForbiddenDetail))
		}
	}
	return strings.Join(broken, ", ")
}
