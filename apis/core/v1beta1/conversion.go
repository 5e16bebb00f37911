// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	"errors"
	"fmt"
	"maps"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/conversion"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/apis/internal/carry"
)

// ConversionAnnotation holds, in an object of one version, what the other version says and this one cannot. It is written by the conversion.
// An object that is edited keeps of it what does not contradict the edit.
const ConversionAnnotation = "openfunction.io/conversion"

// ConvertTo makes the v1beta2 Function of this one. It fails when a part of the function would be lost.
func (f *Function) ConvertTo(to conversion.Hub) error {
	hub, ok := to.(*corev1beta2.Function)
	if !ok {
		return fmt.Errorf("a Function cannot be converted to %T", to)
	}
	f = f.DeepCopy()
	template := templateOf(f.Spec.Serving).take()
	meta, spec, err := convert(f.ObjectMeta, f.Spec, functionSide, functionHub)
	if err != nil {
		return err
	}
	hub.ObjectMeta, hub.Spec, hub.Status = meta, *spec, f.Status
	hubTemplateOf(hub.Spec.Serving).put(template)
	return nil
}

// ConvertFrom makes this the v1beta1 Function of a v1beta2 one. It never fails for what the function says.
func (f *Function) ConvertFrom(from conversion.Hub) error {
	hub, ok := from.(*corev1beta2.Function)
	if !ok {
		return fmt.Errorf("a Function cannot be converted from %T", from)
	}
	hub = hub.DeepCopy()
	template := hubTemplateOf(hub.Spec.Serving).take()
	meta, spec, err := convert(hub.ObjectMeta, hub.Spec, functionHub, functionSide)
	if err != nil && !lossy(err) {
		return err
	}
	f.ObjectMeta, f.Spec, f.Status = meta, *spec, hub.Status
	templateOf(f.Spec.Serving).put(template)
	return nil
}

// ConvertTo makes the v1beta2 Builder of this one. It fails when a part of the build would be lost.
func (b *Builder) ConvertTo(to conversion.Hub) error {
	hub, ok := to.(*corev1beta2.Builder)
	if !ok {
		return fmt.Errorf("a Builder cannot be converted to %T", to)
	}
	b = b.DeepCopy()
	meta, spec, err := convert(b.ObjectMeta, b.Spec, builderSide, builderHub)
	if err != nil {
		return err
	}
	hub.ObjectMeta, hub.Spec, hub.Status = meta, *spec, b.Status
	return nil
}

// ConvertFrom makes this the v1beta1 Builder of a v1beta2 one. It never fails for what the build says.
func (b *Builder) ConvertFrom(from conversion.Hub) error {
	hub, ok := from.(*corev1beta2.Builder)
	if !ok {
		return fmt.Errorf("a Builder cannot be converted from %T", from)
	}
	hub = hub.DeepCopy()
	meta, spec, err := convert(hub.ObjectMeta, hub.Spec, builderHub, builderSide)
	if err != nil && !lossy(err) {
		return err
	}
	b.ObjectMeta, b.Spec, b.Status = meta, *spec, hub.Status
	return nil
}

// ConvertTo makes the v1beta2 Serving of this one. It fails when a part of it would be lost.
func (s *Serving) ConvertTo(to conversion.Hub) error {
	hub, ok := to.(*corev1beta2.Serving)
	if !ok {
		return fmt.Errorf("a Serving cannot be converted to %T", to)
	}
	s = s.DeepCopy()
	template := templateOf(&s.Spec.ServingImpl).take()
	meta, spec, err := convert(s.ObjectMeta, s.Spec, servingSide, servingHub)
	if err != nil {
		return err
	}
	hub.ObjectMeta, hub.Spec, hub.Status = meta, *spec, s.Status
	hubTemplateOf(&hub.Spec.ServingImpl).put(template)
	return nil
}

// ConvertFrom makes this the v1beta1 Serving of a v1beta2 one. It never fails for what the Serving says.
func (s *Serving) ConvertFrom(from conversion.Hub) error {
	hub, ok := from.(*corev1beta2.Serving)
	if !ok {
		return fmt.Errorf("a Serving cannot be converted from %T", from)
	}
	hub = hub.DeepCopy()
	template := hubTemplateOf(&hub.Spec.ServingImpl).take()
	meta, spec, err := convert(hub.ObjectMeta, hub.Spec, servingHub, servingSide)
	if err != nil && !lossy(err) {
		return err
	}
	s.ObjectMeta, s.Spec, s.Status = meta, *spec, hub.Status
	templateOf(&s.Spec.ServingImpl).put(template)
	return nil
}

// template is the place of a pod template. It is the same in both versions and by far the largest part, so it goes around the conversion.
type template struct{ at **corev1.PodSpec }

func templateOf(s *ServingImpl) template {
	if s == nil {
		return template{}
	}
	return template{&s.Template}
}

func hubTemplateOf(s *corev1beta2.ServingImpl) template {
	if s == nil {
		return template{}
	}
	return template{&s.Template}
}

func (t template) take() *corev1.PodSpec {
	if t.at == nil {
		return nil
	}
	pod := *t.at
	*t.at = nil
	return pod
}

func (t template) put(pod *corev1.PodSpec) {
	if t.at != nil {
		*t.at = pod
	}
}

// part is what a translation reads and writes: the spec, and the annotations that v1beta2 has fields for.
type part[T any] struct {
	Annotations map[string]string `json:"annotations,omitempty"`
	Spec        T                 `json:"spec"`
}

// spoke and hub are the two sides of a kind's conversion.
type (
	spoke[T, H any] = carry.Side[part[T], part[H]]
	hub[H, T any]   = carry.Side[part[H], part[T]]
)

var (
	functionSide = spoke[FunctionSpec, corev1beta2.FunctionSpec]{
		Version: GroupVersion.Version, Translate: functionToHub, Refuses: isEndless, Lists: servingLists("spec", "serving")}
	functionHub = hub[corev1beta2.FunctionSpec, FunctionSpec]{
		Version: corev1beta2.GroupVersion.Version, Translate: functionFromHub, Refuses: isEndless,
		Lists: append(hubServingLists("spec", "serving"), hubBuildLists("spec", "build")...)}

	builderSide = spoke[BuilderSpec, corev1beta2.BuilderSpec]{Version: GroupVersion.Version, Translate: builderToHub}
	builderHub  = hub[corev1beta2.BuilderSpec, BuilderSpec]{
		Version: corev1beta2.GroupVersion.Version, Translate: builderFromHub, Lists: hubBuildLists("spec")}

	servingSide = spoke[ServingSpec, corev1beta2.ServingSpec]{
		Version: GroupVersion.Version, Translate: servingToHub, Refuses: isEndless, Lists: servingLists("spec")}
	servingHub = hub[corev1beta2.ServingSpec, ServingSpec]{
		Version: corev1beta2.GroupVersion.Version, Translate: servingFromHub, Refuses: isEndless, Lists: hubServingLists("spec")}
)

// isEndless finds resource quantities whose exponent takes for ever to compute. The schema keeps them out of objects, but anybody can write
// an annotation. Apart from the pod template, which is not carried, only KEDA's options have one.
func isEndless(name string, value any) bool {
	return name == "tolerance" && endless.MatchString(fmt.Sprint(value))
}

var endless = regexp.MustCompile(`[eE][+-]?[0-9]{3,}`)

// convert carries an object over to the other side.
func convert[A, B any](meta metav1.ObjectMeta, spec A, here carry.Side[part[A], part[B]], there carry.Side[part[B], part[A]]) (metav1.ObjectMeta, *B, error) {
	from := &part[A]{Spec: spec}
	annotations := map[string]string{}
	var text *string
	for key, value := range meta.Annotations {
		switch key {
		case ConversionAnnotation:
			text = &value
		case pluginsAnnotation, tracingAnnotation:
			if from.Annotations == nil {
				from.Annotations = map[string]string{}
			}
			from.Annotations[key] = value
		default:
			annotations[key] = value
		}
	}
	to, text, err := carry.Convert(from, text, here, there)
	if err != nil && !lossy(err) {
		return meta, nil, err
	}
	maps.Copy(annotations, to.Annotations)
	if text != nil {
		annotations[ConversionAnnotation] = *text
	}
	meta.Annotations = annotations
	if len(annotations) == 0 {
		meta.Annotations = nil
	}
	if errors.Is(err, carry.ErrLeftOut) {
		err = fmt.Errorf("%w; use %s to change it", err, corev1beta2.GroupVersion)
	}
	return meta, &to.Spec, err
}

// lossy tells whether a conversion was made, and left something out.
func lossy(err error) bool {
	return errors.Is(err, carry.ErrLeftOut) || errors.Is(err, carry.ErrTooLarge)
}
