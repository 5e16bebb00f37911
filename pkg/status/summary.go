// SPDX-License-Identifier: Apache-2.0

package status

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MaxMessage is the longest message of a condition in bytes; longer ones are cut.
const MaxMessage = 512

// Mark sets one condition.
func Mark(object Object, conditionType string, state metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(object.GetConditions(), metav1.Condition{
		Type: conditionType, Status: state, Reason: reason, Message: Sentence(message), ObservedGeneration: object.GetGeneration(),
	})
}

// Clear removes one condition.
func Clear(object Object, conditionType string) {
	meta.RemoveStatusCondition(object.GetConditions(), conditionType)
}

// MarkReady sets Ready and removes Reconciling and Stalled.
func MarkReady(object Object, reason, message string) {
	Mark(object, Ready, metav1.ConditionTrue, reason, message)
	Clear(object, Reconciling)
	Clear(object, Stalled)
}

// MarkReconciling says that the object is on its way and will get there without the user.
func MarkReconciling(object Object, reason, message string) {
	Mark(object, Ready, metav1.ConditionUnknown, reason, message)
	Mark(object, Reconciling, metav1.ConditionTrue, reason, message)
	Clear(object, Stalled)
}

// MarkStalled says that the object will stay as it is until the user acts.
func MarkStalled(object Object, reason, message string) {
	Mark(object, Ready, metav1.ConditionFalse, reason, message)
	Mark(object, Stalled, metav1.ConditionTrue, reason, message)
	Clear(object, Reconciling)
}

// Says tells whether the status calls a condition True of the current generation.
func Says(object Object, conditionType string) bool {
	condition := find(object, conditionType)
	return condition.Status == metav1.ConditionTrue && condition.ObservedGeneration == object.GetGeneration()
}

// Concludes tells whether an object is called Ready or Stalled after a call of its reconciler that was not called so, of the same generation,
// before it.
func Concludes(before, after Object) bool {
	return Says(after, Ready) && !Says(before, Ready) || Says(after, Stalled) && !Says(before, Stalled)
}

// Summarize derives Ready, Reconciling and Stalled from the parts, in the order in which they come about: the first part that is not
// True decides. False stalls the object, Unknown leaves it reconciling; what comes after waits for it either way. A part that is absent
// does not count.
func Summarize(object Object, readyMessage string, parts ...string) {
	for _, part := range parts {
		condition := meta.FindStatusCondition(*object.GetConditions(), part)
		switch {
		case condition == nil || condition.Status == metav1.ConditionTrue:
			continue
		case condition.Status == metav1.ConditionFalse:
			MarkStalled(object, condition.Reason, condition.Message)
		default:
			MarkReconciling(object, condition.Reason, condition.Message)
		}
		return
	}
	MarkReady(object, Ready, readyMessage)
}

// Sentence makes text fit for a condition: one line that begins with a capital, has no full stop at the end and at most
// MaxMessage bytes.
func Sentence(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	text = strings.TrimRight(text, ". ")
	if first, size := utf8.DecodeRuneInString(text); unicode.IsLower(first) {
		text = string(unicode.ToUpper(first)) + text[size:]
	}
	if len(text) <= MaxMessage {
		return text
	}
	cut := MaxMessage - len("...")
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "..."
}
