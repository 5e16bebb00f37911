// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	"cmp"
	"maps"
	"regexp"
	"strconv"
	"strings"

	daprv1alpha1 "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/apis/internal/carry"
)

func servingToHub(from *part[ServingSpec]) *part[corev1beta2.ServingSpec] {
	s := from.Spec
	return &part[corev1beta2.ServingSpec]{Annotations: from.Annotations, Spec: corev1beta2.ServingSpec{
		ServingImpl:      *implToHub(&s.ServingImpl, s.Port, nil, from.Annotations),
		Version:          s.Version,
		Image:            s.Image,
		ImageCredentials: s.ImageCredentials,
	}}
}

func servingFromHub(from *part[corev1beta2.ServingSpec]) *part[ServingSpec] {
	s := from.Spec
	impl, port, _ := implFromHub(&s.ServingImpl)
	return &part[ServingSpec]{Annotations: pluginsFromHub(from.Annotations, &s.ServingImpl), Spec: ServingSpec{
		ServingImpl:      *impl,
		Version:          s.Version,
		Image:            s.Image,
		ImageCredentials: s.ImageCredentials,
		Port:             port,
	}}
}

func implToHub(s *ServingImpl, port *int32, route *corev1beta2.Route, annotations map[string]string) *corev1beta2.ServingImpl {
	if s == nil {
		return nil
	}
	h := &corev1beta2.ServingImpl{
		ScaleOptions: scaleToHub(s.ScaleOptions, s.Triggers),
		Outputs:      outputsToHub(s),
		Bindings:     s.Bindings,
		Pubsub:       s.Pubsub,
		States:       statesToHub(s.States),
		Params:       s.Params,
		Labels:       s.Labels,
		Annotations:  s.Annotations,
		Template:     s.Template,
		Timeout:      s.Timeout,
		Hooks:        hooksOf(annotations),
		Tracing:      tracingOf(annotations),
		WorkloadType: workloadTypeToHub(s),
	}
	if s.Runtime != RuntimeAsync {
		h.Triggers = &corev1beta2.Triggers{HTTP: &corev1beta2.HTTPTrigger{Port: portToHub(port), Route: route}, Inputs: inputsToHub(s)}
		return h
	}
	if len(s.Inputs) > 0 {
		h.Triggers = &corev1beta2.Triggers{Dapr: daprTriggersToHub(s)}
	}
	if h.HTTP() != nil { // nothing says that events call it
		h.WorkloadType = corev1beta2.WorkloadTypeDeployment
	}
	return h
}

func implFromHub(h *corev1beta2.ServingImpl) (*ServingImpl, *int32, *corev1beta2.Route) {
	if h == nil {
		return nil, nil, nil
	}
	scale, triggers := scaleFromHub(h)
	s := &ServingImpl{
		Runtime:      RuntimeAsync,
		ScaleOptions: scale,
		Outputs:      outputsFromHub(h.Outputs),
		Bindings:     h.Bindings,
		Pubsub:       h.Pubsub,
		States:       statesFromHub(h.States),
		Triggers:     triggers,
		Params:       h.Params,
		Labels:       h.Labels,
		Annotations:  annotationsFromHub(h),
		Template:     h.Template,
		Timeout:      h.Timeout,
	}
	http := h.HTTP()
	if len(h.DaprTriggers()) > 0 || http == nil {
		s.Inputs = daprTriggersFromHub(h.DaprTriggers())
		return s, nil, nil
	}
	s.Runtime = RuntimeKnative
	if h.Triggers != nil {
		s.Inputs = inputsFromHub(h.Triggers.Inputs)
	}
	return s, portFromHub(http.Port), http.Route
}

func portToHub(port *int32) *intstr.IntOrString {
	if port == nil {
		return nil
	}
	value := intstr.FromInt32(*port)
	return &value
}

func portFromHub(port *intstr.IntOrString) *int32 {
	if port == nil {
		return nil
	}
	value := port.IntVal
	if port.Type == intstr.String {
		number, err := strconv.ParseInt(port.StrVal, 10, 32)
		if err != nil {
			return nil
		}
		value = int32(number)
	}
	return &value
}

// componentType is what v1beta2 accepts as the type of a component.
var componentType = regexp.MustCompile(`^(bindings?|pubsub|state)[.].+$`)

// typeOf returns the type of a component that is declared in the object, and nothing for one that exists.
func (s *ServingImpl) typeOf(component string) string {
	for _, declared := range []map[string]*daprv1alpha1.ComponentSpec{s.Bindings, s.Pubsub, s.States} {
		if spec := declared[component]; spec != nil && componentType.MatchString(spec.Type) {
			return spec.Type
		}
	}
	return ""
}

func daprTriggersToHub(s *ServingImpl) []corev1beta2.DaprTrigger {
	var triggers []corev1beta2.DaprTrigger
	for _, in := range s.Inputs {
		triggers = append(triggers, corev1beta2.DaprTrigger{Name: in.Component, Type: s.typeOf(in.Component), Topic: in.Topic, InputName: in.Name})
	}
	return triggers
}

func daprTriggersFromHub(triggers []corev1beta2.DaprTrigger) []DaprIO {
	var inputs []DaprIO
	for _, t := range triggers {
		inputs = append(inputs, DaprIO{Name: cmp.Or(t.InputName, t.Name), Component: t.Name, Topic: t.Topic})
	}
	return inputs
}

// inputsToHub returns what a function that HTTP requests call reads from.
func inputsToHub(s *ServingImpl) []corev1beta2.Input {
	var inputs []corev1beta2.Input
	for _, in := range s.Inputs {
		inputs = append(inputs, corev1beta2.Input{Dapr: &corev1beta2.DaprInput{Name: in.Component, Type: s.typeOf(in.Component), Topic: in.Topic}})
	}
	return inputs
}

func inputsFromHub(inputs []corev1beta2.Input) []DaprIO {
	var list []DaprIO
	for _, in := range inputs {
		dapr := corev1beta2.DaprInput{Name: in.Name, Topic: in.Topic}
		if in.Dapr != nil {
			dapr = *in.Dapr
		}
		list = append(list, DaprIO{Name: dapr.Name, Component: dapr.Name, Topic: dapr.Topic})
	}
	return list
}

func outputsToHub(s *ServingImpl) []corev1beta2.Output {
	var outputs []corev1beta2.Output
	for _, out := range s.Outputs {
		outputs = append(outputs, corev1beta2.Output{Dapr: &corev1beta2.DaprOutput{
			Name:       out.Component,
			Type:       s.typeOf(out.Component),
			Topic:      out.Topic,
			Metadata:   out.Params,
			Operation:  out.Operation,
			OutputName: out.Name,
		}})
	}
	return outputs
}

func outputsFromHub(outputs []corev1beta2.Output) []DaprIO {
	var list []DaprIO
	for _, out := range outputs {
		io := DaprIO{Name: out.Name, Component: out.Component, Topic: out.Topic, Params: out.Params, Operation: out.Operation}
		if d := out.Dapr; d != nil {
			io = DaprIO{Name: cmp.Or(d.OutputName, d.Name), Component: d.Name, Topic: d.Topic, Params: d.Metadata, Operation: d.Operation}
		}
		list = append(list, io)
	}
	return list
}

func statesToHub(states map[string]*daprv1alpha1.ComponentSpec) map[string]*corev1beta2.State {
	var h map[string]*corev1beta2.State
	for name, spec := range states {
		if spec == nil {
			continue
		}
		if h == nil {
			h = map[string]*corev1beta2.State{}
		}
		h[name] = &corev1beta2.State{Spec: spec}
	}
	return h
}

// statesFromHub returns the state stores that are declared. v1beta1 cannot refer to one that exists.
func statesFromHub(h map[string]*corev1beta2.State) map[string]*daprv1alpha1.ComponentSpec {
	var states map[string]*daprv1alpha1.ComponentSpec
	for name, state := range h {
		if state == nil || state.Spec == nil {
			continue
		}
		if states == nil {
			states = map[string]*daprv1alpha1.ComponentSpec{}
		}
		states[name] = state.Spec
	}
	return states
}

// annotationsFromHub returns the annotations of the workload, and among them the Dapr mode that v1beta2 has a field for.
func annotationsFromHub(h *corev1beta2.ServingImpl) map[string]string {
	if h.Dapr == nil || h.Dapr.Mode == "" || strings.EqualFold(h.Annotations[corev1beta2.InjectModeAnnotation], string(h.Dapr.Mode)) {
		return h.Annotations
	}
	annotations := map[string]string{}
	maps.Copy(annotations, h.Annotations)
	annotations[corev1beta2.InjectModeAnnotation] = strings.ToLower(string(h.Dapr.Mode))
	return annotations
}

// workloadTypeToHub returns the kind of workload that the scale options ask for.
func workloadTypeToHub(s *ServingImpl) corev1beta2.WorkloadType {
	if s.ScaleOptions == nil || s.ScaleOptions.Keda == nil {
		return ""
	}
	object, job := s.ScaleOptions.Keda.ScaledObject, s.ScaleOptions.Keda.ScaledJob
	switch {
	case s.Runtime == RuntimeAsync && job != nil:
		return corev1beta2.WorkloadTypeJob
	case object == nil:
		return ""
	case s.Runtime == RuntimeAsync:
		return cmp.Or(object.WorkloadType, corev1beta2.WorkloadTypeDeployment)
	default:
		return object.WorkloadType
	}
}

// defaultMaxReplicas is what v1beta2 holds minReplicas against when there is no maxReplicas.
const defaultMaxReplicas = 10

// scaleToHub puts what triggers the scaling beside its options. The numbers of copies in the options of KEDA win.
func scaleToHub(s *ScaleOptions, triggers []Trigger) *corev1beta2.ScaleOptions {
	if s == nil && len(triggers) == 0 {
		return nil
	}
	h := &corev1beta2.ScaleOptions{}
	if s != nil {
		h.MinReplicas, h.MaxReplicas, h.Knative = s.MinReplicas, s.MaxReplicas, s.Knative
	}
	if s == nil || s.Keda == nil {
		if len(triggers) > 0 {
			h.Keda = &corev1beta2.KedaScaleOptions{Triggers: triggersToHub(triggers)}
		}
		return h
	}
	h.Keda = &corev1beta2.KedaScaleOptions{Triggers: triggersToHub(triggers)}
	if job := s.Keda.ScaledJob; job != nil {
		options := job.KedaScaledJob
		h.Keda.ScaledJob = &options
		h.MaxReplicas = cmp.Or(job.MaxReplicaCount, h.MaxReplicas)
	}
	if object := s.Keda.ScaledObject; object != nil {
		h.Keda.ScaledObject = &corev1beta2.KedaScaledObject{
			PollingInterval: object.PollingInterval,
			CooldownPeriod:  object.CooldownPeriod,
			Advanced:        object.Advanced,
		}
		h.MaxReplicas = cmp.Or(object.MaxReplicaCount, h.MaxReplicas)
		if object.MinReplicaCount != nil && *object.MinReplicaCount > ptr.Deref(h.MaxReplicas, defaultMaxReplicas) {
			h.Keda.ScaledObject.MinReplicaCount = object.MinReplicaCount // where KEDA's own default is the limit
		} else {
			h.MinReplicas = cmp.Or(object.MinReplicaCount, h.MinReplicas)
		}
	}
	return h
}

func scaleFromHub(h *corev1beta2.ServingImpl) (*ScaleOptions, []Trigger) {
	if h.ScaleOptions == nil {
		return nil, nil
	}
	from, keda := h.ScaleOptions, h.Keda()
	triggers := triggersFromHub(keda.Triggers)
	onlyTriggers := from.Keda != nil && len(triggers) > 0 && keda.ScaledObject == nil && keda.ScaledJob == nil && keda.HTTPScaledObject == nil
	s := &ScaleOptions{MinReplicas: from.MinReplicas, MaxReplicas: from.MaxReplicas, Knative: from.Knative}
	if onlyTriggers && s.MinReplicas == nil && s.MaxReplicas == nil && s.Knative == nil && from.Concurrency == nil {
		return nil, triggers
	}
	if from.Keda == nil || onlyTriggers {
		return s, triggers
	}
	s.Keda = &KedaScaleOptions{}
	switch {
	case keda.ScaledObject != nil:
		o := keda.ScaledObject
		s.Keda.ScaledObject = &KedaScaledObject{
			PollingInterval: o.PollingInterval,
			CooldownPeriod:  o.CooldownPeriod,
			MinReplicaCount: cmp.Or(o.MinReplicaCount, s.MinReplicas),
			MaxReplicaCount: cmp.Or(o.MaxReplicaCount, s.MaxReplicas),
			Advanced:        o.Advanced,
		}
		if h.WorkloadType != corev1beta2.WorkloadTypeDeployment { // which is the default
			s.Keda.ScaledObject.WorkloadType = h.WorkloadType
		}
		if o.MinReplicaCount == nil {
			s.MinReplicas = nil
		}
		if o.MaxReplicaCount == nil {
			s.MaxReplicas = nil
		}
	case keda.HTTPScaledObject != nil:
		s.MinReplicas = cmp.Or(keda.HTTPScaledObject.MinReplicaCount, s.MinReplicas)
		s.MaxReplicas = cmp.Or(keda.HTTPScaledObject.MaxReplicaCount, s.MaxReplicas)
	}
	if keda.ScaledJob != nil {
		s.Keda.ScaledJob = &KedaScaledJob{KedaScaledJob: *keda.ScaledJob}
		if s.Keda.ScaledObject == nil {
			s.Keda.ScaledJob.MaxReplicaCount, s.MaxReplicas = s.MaxReplicas, nil
		}
	}
	return s, triggers
}

func triggersToHub(triggers []Trigger) []kedav1alpha1.ScaleTriggers {
	var h []kedav1alpha1.ScaleTriggers
	for _, t := range triggers {
		h = append(h, t.ScaleTriggers)
	}
	return h
}

func triggersFromHub(h []kedav1alpha1.ScaleTriggers) []Trigger {
	var triggers []Trigger
	for _, t := range h {
		triggers = append(triggers, Trigger{ScaleTriggers: t})
	}
	return triggers
}

// servingLists are the lists of a v1beta1 serving at a path that v1beta2 writes in another way.
func servingLists(path ...string) []carry.List {
	return []carry.List{
		{Path: below(path, "inputs"), Key: keyOf("name")},
		{Path: below(path, "outputs"), Key: keyOf("name")},
		{Path: below(path, "triggers"), Key: keyOf("name", "type")},
		{Path: below(path, templateField), Closed: true}, // annotations are not judged by the schema that bounds its quantities
	}
}

// hubServingLists are the lists of a v1beta2 serving at a path that v1beta1 writes in another way.
func hubServingLists(path ...string) []carry.List {
	return []carry.List{
		{Path: below(path, "triggers", "dapr"), Key: keyOf("inputName", "name")},
		{Path: below(path, "triggers", "inputs"), Key: inDapr(keyOf("name"))},
		{Path: below(path, "outputs"), Key: inDapr(keyOf("outputName", "name"))},
		{Path: below(path, "states")},
		{Path: below(path, templateField), Closed: true}, // annotations are not judged by the schema that bounds its quantities
	}
}

// inDapr finds the key of an entry that may be written inside dapr.
func inDapr(key func(map[string]any) string) func(map[string]any) string {
	return func(entry map[string]any) string {
		if inner, isObject := entry["dapr"].(map[string]any); isObject {
			entry = inner
		}
		return key(entry)
	}
}
