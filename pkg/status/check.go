// SPDX-License-Identifier: Apache-2.0

package status

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Check returns every way in which the conditions of a settled object break the laws of a condition, joined into one error:
// Ready exists and speaks of the current generation; Reconciling and Stalled exist only while True and never together, and not
// beside Ready=True; reasons are CamelCase words; messages are one line, begin with a capital or a quoted name, have no
// full stop at the end and fit into MaxMessage.
func Check(object Object) error {
	var broken []error
	complain := func(format string, args ...any) { broken = append(broken, fmt.Errorf(format, args...)) }
	conditions := *object.GetConditions()

	ready := meta.FindStatusCondition(conditions, Ready)
	if ready == nil {
		return fmt.Errorf("%T %s has no Ready condition", object, object.GetName())
	}
	reconciling := meta.IsStatusConditionTrue(conditions, Reconciling)
	stalled := meta.IsStatusConditionTrue(conditions, Stalled)
	if reconciling && stalled {
		complain("Reconciling and Stalled are both True")
	}
	if ready.Status == metav1.ConditionTrue && (reconciling || stalled) {
		complain("Ready is True beside Reconciling or Stalled")
	}
	for _, condition := range conditions {
		if condition.ObservedGeneration != object.GetGeneration() {
			complain("%s speaks of generation %d, the object has %d", condition.Type, condition.ObservedGeneration, object.GetGeneration())
		}
		if (condition.Type == Reconciling || condition.Type == Stalled) && condition.Status != metav1.ConditionTrue {
			complain("%s exists and is %s", condition.Type, condition.Status)
		}
		if condition.Reason == "" || strings.ContainsAny(condition.Reason, " -_:") {
			complain("%s has the reason %q", condition.Type, condition.Reason)
		}
		if problem := badMessage(condition.Message); problem != "" {
			complain("%s: the message %q %s", condition.Type, condition.Message, problem)
		}
	}
	return errors.Join(broken...)
}

func badMessage(message string) string {
	first, _ := utf8.DecodeRuneInString(message)
	switch {
	case message == "":
		return "is empty"
	case len(message) > MaxMessage:
		return "is too long"
	case strings.ContainsAny(message, "\n\r\t"):
		return "has more than one line"
	case unicode.IsLower(first) && unicode.ToUpper(first) != first:
		return "begins with a small letter"
	case strings.HasSuffix(message, ".") && !strings.HasSuffix(message, "..."):
		return "ends with a full stop"
	}
	return ""
}
