// SPDX-License-Identifier: Apache-2.0

package v1beta1_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	corev1beta1 "github.com/openfunction/openfunction/apis/core/v1beta1"
	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
)

// The conversion has to know every resource quantity that an annotation could hold.
func TestQuantitiesAreWhereTheConversionLooks(t *testing.T) {
	found := 0
	for _, spec := range []any{corev1beta1.FunctionSpec{}, corev1beta1.BuilderSpec{}, corev1beta1.ServingSpec{},
		corev1beta2.FunctionSpec{}, corev1beta2.BuilderSpec{}, corev1beta2.ServingSpec{}} {
		for _, path := range quantities(reflect.TypeOf(spec), "", nil) {
			found++
			if !strings.HasSuffix(path, ".tolerance") {
				t.Errorf("%T has a resource quantity at %s", spec, path)
			}
		}
	}
	if found == 0 {
		t.Error("there is none: the conversion needs not look")
	}
}

// quantities returns the paths of resource quantities in a type, but for pod templates.
func quantities(of reflect.Type, path string, seen []reflect.Type) (paths []string) {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return quantities(of.Elem(), path, seen)
	case reflect.Struct:
	default:
		return nil
	}
	if of == reflect.TypeFor[resource.Quantity]() {
		return []string{path}
	}
	if slices.Contains(seen, of) {
		return nil
	}
	for field := range of.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Type != reflect.TypeFor[*corev1.PodSpec]() {
			paths = append(paths, quantities(field.Type, path+"."+name, append(seen, of))...)
		}
	}
	return paths
}
