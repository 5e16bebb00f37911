// SPDX-License-Identifier: Apache-2.0

package v1beta2

// HTTP returns the HTTP trigger in effect: the one that is set; a default one where nothing else can call the function; and nil for a
// function that only Dapr or KEDA triggers.
func (s *ServingImpl) HTTP() *HTTPTrigger {
	if s.Triggers != nil && s.Triggers.HTTP != nil {
		return s.Triggers.HTTP
	}
	if s.isEventDriven() {
		return nil
	}
	return &HTTPTrigger{}
}

// isEventDriven tells whether the spec asks for what only event-driven functions have.
func (s *ServingImpl) isEventDriven() bool {
	if len(s.DaprTriggers()) > 0 || s.WorkloadType != "" {
		return true
	}
	keda := s.Keda()
	return len(keda.Triggers) > 0 || keda.ScaledObject != nil || keda.ScaledJob != nil
}

// DaprTriggers returns triggers.dapr.
func (s *ServingImpl) DaprTriggers() []DaprTrigger {
	if s.Triggers == nil {
		return nil
	}
	return s.Triggers.Dapr
}

// Keda returns scaleOptions.keda, empty where it is not set.
func (s *ServingImpl) Keda() KedaScaleOptions {
	if s.ScaleOptions == nil || s.ScaleOptions.Keda == nil {
		return KedaScaleOptions{}
	}
	return *s.ScaleOptions.Keda
}

// Workload returns the kind of workload an event-driven function runs as.
func (s *ServingImpl) Workload() WorkloadType {
	switch {
	case s.WorkloadType != "":
		return s.WorkloadType
	case s.Keda().ScaledJob != nil:
		return WorkloadTypeJob
	default:
		return WorkloadTypeDeployment
	}
}

// ContainerPort returns the port the function listens on; DefaultPort where none is set.
func (t *HTTPTrigger) ContainerPort() int32 {
	if t == nil || t.Port == nil || t.Port.IntValue() == 0 {
		return DefaultPort
	}
	return int32(t.Port.IntValue()) //nolint:gosec // the schema allows 0 to 65535
}

// UsesKEDA tells whether HTTP requests are served through KEDA's HTTP add-on instead of Knative.
func (s *ServingImpl) UsesKEDA() bool {
	http := s.HTTP()
	if http == nil {
		return false
	}
	if http.Engine != nil {
		return *http.Engine == EngineKeda
	}
	return s.Keda().HTTPScaledObject != nil
}

// EffectiveVersion returns spec.version, or DefaultVersion where none is set.
func (s *ServingSpec) EffectiveVersion() string {
	if s.Version == nil || *s.Version == "" {
		return DefaultVersion
	}
	return *s.Version
}
