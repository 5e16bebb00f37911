// SPDX-License-Identifier: Apache-2.0

package v1beta2

// HTTP returns the HTTP trigger in effect: the one that is set; a default one where no trigger is set at all, because a function
// without Dapr triggers is an HTTP function; and nil for a function that only Dapr triggers.
func (s *ServingImpl) HTTP() *HTTPTrigger {
	switch {
	case s.Triggers == nil:
		return &HTTPTrigger{}
	case s.Triggers.HTTP != nil:
		return s.Triggers.HTTP
	case len(s.Triggers.Dapr) == 0:
		return &HTTPTrigger{}
	default:
		return nil
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
	return s.ScaleOptions != nil && s.ScaleOptions.Keda != nil && s.ScaleOptions.Keda.HTTPScaledObject != nil
}

// EffectiveVersion returns spec.version, or DefaultVersion where none is set.
func (s *ServingSpec) EffectiveVersion() string {
	if s.Version == nil || *s.Version == "" {
		return DefaultVersion
	}
	return *s.Version
}
