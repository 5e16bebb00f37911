// SPDX-License-Identifier: Apache-2.0

package openfuncasync

import (
	"fmt"
	"slices"
	"strconv"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"k8s.io/utils/ptr"

	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/dapr"
	"github.com/openfunction/openfunction/pkg/core/serving/podspec"
	"github.com/openfunction/openfunction/pkg/names"
)

const (
	// targetPending is how many events that wait in the agent one copy should have.
	targetPending = 10
	// jobPollingInterval is how often KEDA asks the agent on behalf of Jobs, in seconds: for them KEDA does not listen to what an agent pushes,
	// and events are not held for ever.
	jobPollingInterval int32 = 5
	// hpaPrefix is how KEDA makes the name of a HorizontalPodAutoscaler from that of its ScaledObject, and refuses when it gets too long.
	hpaPrefix = "keda-hpa-"
)

// triggers are the user's, as they are written, and what waits in the function's agent.
func triggers(in core.Input, use dapr.Use) []kedav1alpha1.ScaleTriggers {
	var triggers []kedav1alpha1.ScaleTriggers
	for _, trigger := range in.Serving.Spec.Keda().Triggers {
		triggers = append(triggers, *trigger.DeepCopy())
	}
	if use.HasAgent() && use.TakesEvents() {
		triggers = append(triggers, kedav1alpha1.ScaleTriggers{Type: "external-push", Metadata: map[string]string{
			"scalerAddress": fmt.Sprintf("%s.%s:%d", core.AgentChild(in.Serving.Name), in.Serving.Namespace, core.ScalerPort),
			"targetPending": strconv.Itoa(targetPending),
		}})
	}
	return triggers
}

func (p plan) scaledObject() *kedav1alpha1.ScaledObject {
	options := scaledObjectOptions(p.in.Serving.Spec)
	bounds := p.bounds
	if p.in.Started != p.version() || p.neverWakes() {
		bounds = bounds.AtLeast(1) // until a copy of this version was ready, nobody knows whether one can be
	}
	return &kedav1alpha1.ScaledObject{
		ObjectMeta: p.object().ScalerMeta(p.in),
		Spec: kedav1alpha1.ScaledObjectSpec{
			ScaleTargetRef: &kedav1alpha1.ScaleTarget{
				Name: p.object().Name, APIVersion: "apps/v1", Kind: p.kind, EnvSourceContainerName: podspec.FunctionContainer},
			PollingInterval: seconds(options.PollingInterval),
			CooldownPeriod:  options.CooldownPeriod,
			MinReplicaCount: ptr.To(bounds.Min),
			MaxReplicaCount: bounds.Max,
			Advanced:        p.advanced(options.Advanced),
			Fallback:        options.Fallback.DeepCopy(),
			Triggers:        p.triggers,
		},
	}
}

// neverWakes tells that no trigger can wake the function from zero: what no copy uses cannot be measured.
func (p plan) neverWakes() bool {
	return !slices.ContainsFunc(p.triggers, func(trigger kedav1alpha1.ScaleTriggers) bool {
		return trigger.Type != "cpu" && trigger.Type != "memory"
	})
}

// advanced returns the user's advanced options; a function with a long name gets a HorizontalPodAutoscaler whose name KEDA accepts.
func (p plan) advanced(user *kedav1alpha1.AdvancedConfig) *kedav1alpha1.AdvancedConfig {
	advanced := user.DeepCopy()
	if len(hpaPrefix)+len(p.object().Name) <= names.MaxLength {
		return advanced
	}
	if advanced == nil {
		advanced = &kedav1alpha1.AdvancedConfig{}
	}
	if advanced.HorizontalPodAutoscalerConfig == nil {
		advanced.HorizontalPodAutoscalerConfig = &kedav1alpha1.HorizontalPodAutoscalerConfig{}
	}
	if advanced.HorizontalPodAutoscalerConfig.Name == "" {
		advanced.HorizontalPodAutoscalerConfig.Name = p.object().Name
	}
	return advanced
}

// seconds is an interval KEDA accepts: at least one second.
func seconds(interval *int32) *int32 {
	if interval == nil {
		return nil
	}
	return ptr.To(max(*interval, 1))
}

// hasAgentTrigger tells whether a trigger of ours is among the triggers.
func (p plan) hasAgentTrigger() bool { return len(p.triggers) > len(p.in.Serving.Spec.Keda().Triggers) }
