// SPDX-License-Identifier: Apache-2.0

package networking

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
)

func TestListenersReadySpeaksOfTheListenersAsTheyAreNow(t *testing.T) {
	const now = 7
	state := func(name gatewayv1.SectionName, kind gatewayv1.ListenerConditionType, verdict metav1.ConditionStatus, generation int64) gatewayv1.ListenerStatus {
		return gatewayv1.ListenerStatus{Name: name, Conditions: []metav1.Condition{
			{Type: string(kind), Status: verdict, Reason: "Because", Message: "of the test", ObservedGeneration: generation}}}
	}
	internal := state(networkingv1alpha1.InternalListener, gatewayv1.ListenerConditionProgrammed, metav1.ConditionTrue, now)
	for _, test := range []struct {
		name, because string
		web           []gatewayv1.ListenerStatus
		want          metav1.ConditionStatus
	}{
		{"Served", "nothing speaks against it", []gatewayv1.ListenerStatus{state("web", gatewayv1.ListenerConditionProgrammed, metav1.ConditionTrue, now)}, metav1.ConditionTrue},
		{"ServedBefore", "what was well stays well until it is said not to be",
			[]gatewayv1.ListenerStatus{state("web", gatewayv1.ListenerConditionProgrammed, metav1.ConditionTrue, now-1)}, metav1.ConditionTrue},
		{"Refused", "the user has to act", []gatewayv1.ListenerStatus{state("web", gatewayv1.ListenerConditionResolvedRefs, metav1.ConditionFalse, now)}, metav1.ConditionFalse},
		{"RefusedBefore", "the user may just have acted",
			[]gatewayv1.ListenerStatus{state("web", gatewayv1.ListenerConditionResolvedRefs, metav1.ConditionFalse, now-1)}, metav1.ConditionUnknown},
		{"Undecided", "it is not served yet", []gatewayv1.ListenerStatus{state("web", gatewayv1.ListenerConditionAccepted, metav1.ConditionUnknown, now)}, metav1.ConditionUnknown},
		{"Unheard", "nobody has answered for it", nil, metav1.ConditionUnknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := &networkingv1alpha1.Gateway{}
			g.Spec.GatewaySpec.Listeners = []gatewayv1.Listener{{Name: "web"}}
			g.Status.Listeners = append(test.web, internal)
			showListeners(g, &gatewayv1.Gateway{ObjectMeta: metav1.ObjectMeta{Generation: now}})
			if got := meta.FindStatusCondition(g.Status.Conditions, networkingv1alpha1.ListenersReadyCondition); got.Status != test.want {
				t.Errorf("%s, so ListenersReady is %s, not %s (%s)", test.because, test.want, got.Status, got.Message)
			}
		})
	}
}
