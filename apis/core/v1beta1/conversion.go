// SPDX-License-Identifier: Apache-2.0

package v1beta1

import (
	"bytes"
	"encoding/json"
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

// Convert returns an object, given as the tree of its JSON, in the other version; version is its apiVersion. Its numbers are json.Number. What
// both versions have is as it was written, and so is what comes back. It fails when a part of a v1beta1 object would be lost, and never for
// what a v1beta2 object says.
func Convert(object map[string]any, version string) (map[string]any, error) {
	from, _ := object["apiVersion"].(string)
	name, _ := object["kind"].(string)
	if k, known := kinds[name]; known {
		switch (pair{from, version}) {
		case pair{GroupVersion.String(), corev1beta2.GroupVersion.String()}:
			return k.toHub(object)
		case pair{corev1beta2.GroupVersion.String(), GroupVersion.String()}:
			return k.fromHub(object)
		}
	}
	return nil, fmt.Errorf("a %s of %s cannot be converted to %s", name, from, version)
}

type pair struct{ from, to string }

// ConvertTo makes the v1beta2 Function of this one. It fails when a part of the function would be lost.
func (f *Function) ConvertTo(to conversion.Hub) error {
	hub, ok := to.(*corev1beta2.Function)
	if !ok {
		return fmt.Errorf("a Function cannot be converted to %T", to)
	}
	f = f.DeepCopy()
	template := spokeTemplate(f.Spec.Serving).take()
	meta, spec, err := typed[FunctionSpec, corev1beta2.FunctionSpec](f.ObjectMeta, f.Spec, kinds["Function"].toHub)
	if err != nil {
		return err
	}
	hub.ObjectMeta, hub.Spec, hub.Status = meta, *spec, f.Status
	hubTemplate(hub.Spec.Serving).put(template)
	return nil
}

// ConvertFrom makes this the v1beta1 Function of a v1beta2 one. It never fails for what the function says.
func (f *Function) ConvertFrom(from conversion.Hub) error {
	hub, ok := from.(*corev1beta2.Function)
	if !ok {
		return fmt.Errorf("a Function cannot be converted from %T", from)
	}
	hub = hub.DeepCopy()
	template := hubTemplate(hub.Spec.Serving).take()
	meta, spec, err := typed[corev1beta2.FunctionSpec, FunctionSpec](hub.ObjectMeta, hub.Spec, kinds["Function"].fromHub)
	if err != nil {
		return err
	}
	f.ObjectMeta, f.Spec, f.Status = meta, *spec, hub.Status
	spokeTemplate(f.Spec.Serving).put(template)
	return nil
}

// ConvertTo makes the v1beta2 Builder of this one. It fails when a part of the build would be lost.
func (b *Builder) ConvertTo(to conversion.Hub) error {
	hub, ok := to.(*corev1beta2.Builder)
	if !ok {
		return fmt.Errorf("a Builder cannot be converted to %T", to)
	}
	b = b.DeepCopy()
	meta, spec, err := typed[BuilderSpec, corev1beta2.BuilderSpec](b.ObjectMeta, b.Spec, kinds["Builder"].toHub)
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
	meta, spec, err := typed[corev1beta2.BuilderSpec, BuilderSpec](hub.ObjectMeta, hub.Spec, kinds["Builder"].fromHub)
	if err != nil {
		return err
	}
	b.ObjectMeta, b.Spec, b.Status = meta, *spec, hub.Status
	return nil
}

// ConvertTo makes the v1beta2 Serving of this one. It fails when a part of the Serving would be lost.
func (s *Serving) ConvertTo(to conversion.Hub) error {
	hub, ok := to.(*corev1beta2.Serving)
	if !ok {
		return fmt.Errorf("a Serving cannot be converted to %T", to)
	}
	s = s.DeepCopy()
	template := spokeTemplate(&s.Spec.ServingImpl).take()
	meta, spec, err := typed[ServingSpec, corev1beta2.ServingSpec](s.ObjectMeta, s.Spec, kinds["Serving"].toHub)
	if err != nil {
		return err
	}
	hub.ObjectMeta, hub.Spec, hub.Status = meta, *spec, s.Status
	hubTemplate(&hub.Spec.ServingImpl).put(template)
	return nil
}

// ConvertFrom makes this the v1beta1 Serving of a v1beta2 one. It never fails for what the Serving says.
func (s *Serving) ConvertFrom(from conversion.Hub) error {
	hub, ok := from.(*corev1beta2.Serving)
	if !ok {
		return fmt.Errorf("a Serving cannot be converted from %T", from)
	}
	hub = hub.DeepCopy()
	template := hubTemplate(&hub.Spec.ServingImpl).take()
	meta, spec, err := typed[corev1beta2.ServingSpec, ServingSpec](hub.ObjectMeta, hub.Spec, kinds["Serving"].fromHub)
	if err != nil {
		return err
	}
	s.ObjectMeta, s.Spec, s.Status = meta, *spec, hub.Status
	spokeTemplate(&s.Spec.ServingImpl).put(template)
	return nil
}

// template is the place of a pod template among Go types. It goes around the conversion, like that of a tree.
type template struct{ at **corev1.PodSpec }

func spokeTemplate(s *ServingImpl) template {
	if s == nil {
		return template{}
	}
	return template{&s.Template}
}

func hubTemplate(s *corev1beta2.ServingImpl) template {
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

// typed converts what Go types hold. They have words of their own for what was written; the webhook does without them.
func typed[A, B any](meta metav1.ObjectMeta, spec A, convert func(map[string]any) (map[string]any, error)) (metav1.ObjectMeta, *B, error) {
	tree, err := carry.TreeOf(&spec)
	if err != nil {
		return meta, nil, err
	}
	annotations := map[string]any{}
	for key, value := range meta.Annotations {
		annotations[key] = value
	}
	result, err := convert(map[string]any{"spec": tree, "metadata": map[string]any{"annotations": annotations}})
	if err != nil {
		return meta, nil, err
	}
	to := &struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
		Spec B `json:"spec"`
	}{}
	if err := transcode(result, to); err != nil {
		return meta, nil, err
	}
	meta.Annotations = to.Metadata.Annotations
	return meta, &to.Spec, nil
}

// transcode writes JSON of one value and reads another from it.
func transcode(from, to any) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return decoder.Decode(to)
}

// kind is how a kind is converted in each direction.
type kind struct {
	toHub, fromHub func(map[string]any) (map[string]any, error)
}

var kinds = map[string]kind{
	"Function": kindOf(functionSide, functionHub, "spec", "serving"),
	"Builder":  kindOf(builderSide, builderHub),
	"Serving":  kindOf(servingSide, servingHub, "spec"),
}

// kindOf returns the kind of two sides; path leads to what has the pod template.
func kindOf[T, H any](side spoke[T, H], other hub[H, T], path ...string) kind {
	return kind{
		toHub: func(object map[string]any) (map[string]any, error) {
			if template, exists := templateOf(object, path); exists {
				if err := transcode(template, new(*corev1.PodSpec)); err != nil { // its schema leaves that to us
					return nil, fmt.Errorf("reading the template: %w", err)
				}
			}
			result, err := convert(object, path, side, other)
			if err != nil {
				return nil, err
			}
			result["apiVersion"] = corev1beta2.GroupVersion.String()
			return result, nil
		},
		fromHub: func(object map[string]any) (map[string]any, error) {
			result, err := convert(object, path, other, side)
			if err != nil && !lossy(err) {
				return nil, err
			}
			result["apiVersion"] = GroupVersion.String()
			return result, nil
		},
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

// templateField is the pod template. It is the same in both versions and by far the largest part, so it goes around the conversion.
const templateField = "template"

// templateOf returns the pod template in the part of an object that a path leads to; a kind without a path has none.
func templateOf(object map[string]any, path []string) (template any, exists bool) {
	template, exists = inside(object, path)[templateField]
	return template, exists && len(path) > 0
}

// inside returns the object at a path, nil where there is none.
func inside(object map[string]any, path []string) map[string]any {
	for _, step := range path {
		object, _ = object[step].(map[string]any)
	}
	return object
}

// lacking returns a copy of an object without a field of the one at a path.
func lacking(object map[string]any, path []string, field string) map[string]any {
	object = maps.Clone(object)
	if len(path) == 0 {
		delete(object, field)
		return object
	}
	inner, _ := object[path[0]].(map[string]any)
	object[path[0]] = lacking(inner, path[1:], field)
	return object
}

// convert carries an object over to the other side. Metadata and status are the same in both versions, but for some annotations.
func convert[A, B any](object map[string]any, path []string, here carry.Side[part[A], part[B]], there carry.Side[part[B], part[A]]) (map[string]any, error) {
	from := map[string]any{}
	if spec, exists := object["spec"]; exists {
		from["spec"] = spec
	}
	template, hasTemplate := templateOf(object, path)
	if hasTemplate {
		from = lacking(from, path, templateField)
	}
	metadata, _ := object["metadata"].(map[string]any)
	given, _ := metadata["annotations"].(map[string]any)
	annotations, said := map[string]any{}, map[string]any{}
	var text *string
	for key, value := range given {
		switch key {
		case ConversionAnnotation:
			if carried, isText := value.(string); isText {
				text = &carried
			}
		case pluginsAnnotation, tracingAnnotation:
			said[key] = value
			from["annotations"] = said
		default:
			annotations[key] = value
		}
	}
	tree, text, err := carry.Convert(from, text, here, there)
	if err != nil && !lossy(err) {
		return nil, err
	}
	to, _ := tree.(map[string]any)
	if said, isObject := to["annotations"].(map[string]any); isObject {
		maps.Copy(annotations, said)
	}
	if text != nil {
		annotations[ConversionAnnotation] = *text
	}
	result := maps.Clone(object)
	delete(result, "spec")
	if spec, exists := to["spec"]; exists {
		result["spec"] = spec
	}
	if holder := inside(result, path); hasTemplate && holder != nil {
		holder[templateField] = template
	}
	if metadata != nil || len(annotations) > 0 {
		changed := map[string]any{}
		maps.Copy(changed, metadata)
		delete(changed, "annotations")
		if len(annotations) > 0 {
			changed["annotations"] = annotations
		}
		result["metadata"] = changed
	}
	if errors.Is(err, carry.ErrLeftOut) {
		err = fmt.Errorf("%w; use %s to change it", err, corev1beta2.GroupVersion)
	}
	return result, err
}

// lossy tells whether a conversion was made, and left something out.
func lossy(err error) bool {
	return errors.Is(err, carry.ErrLeftOut) || errors.Is(err, carry.ErrTooLarge)
}
