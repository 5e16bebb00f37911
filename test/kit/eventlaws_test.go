// SPDX-License-Identifier: Apache-2.0

package kit

import "testing"

func TestTransitionsOfAStory(t *testing.T) {
	rollout := func(revision string) string { return function("{}", "{rollout: {revision: "+revision+"}}") }
	for name, test := range map[string]struct {
		story  []string
		reason string
		want   int32
	}{
		"Never":         {[]string{function("{}", "{}")}, "Good", 0},
		"OnceAndAgain":  {[]string{function("{}", reasoned("Good")), function("{}", reasoned("Bad")), function("{}", reasoned("Good"))}, "Good", 2},
		"OnceAndStays":  {[]string{function("{}", reasoned("Good")), function("{}", reasoned("Good"))}, "Good", 1},
		"ARollout":      {[]string{rollout("a"), rollout("a"), function("{}", "{}")}, "RolloutStarted", 1},
		"AnotherOne":    {[]string{rollout("a"), rollout("b")}, "RolloutStarted", 2},
		"TheSameLater":  {[]string{rollout("a"), function("{}", "{}"), rollout("a")}, "RolloutStarted", 2},
		"OfOtherObject": {[]string{serving("{}", reasoned("Good"))}, "Good", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := tell(t, test.story...).mirror.stories.told("here")
			if n := s.transitions(hasUID("f"), test.reason); n != test.want {
				t.Errorf("want %d, got %d", test.want, n)
			}
		})
	}
}

func reasoned(reason string) string {
	return "{conditions: [{type: Ready, status: 'True', reason: " + reason + "}]}"
}
