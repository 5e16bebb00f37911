// SPDX-License-Identifier: Apache-2.0

package conversion

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/conversion"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// handler answers the API server's requests to convert objects.
type handler struct{ scheme *runtime.Scheme }

// ServeHTTP implements http.Handler.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	review := &apiextensionsv1.ConversionReview{}
	if err := json.NewDecoder(r.Body).Decode(review); err != nil || review.Request == nil {
		http.Error(w, "the body must be a ConversionReview with a request", http.StatusBadRequest)
		return
	}
	response := &apiextensionsv1.ConversionResponse{UID: review.Request.UID, Result: metav1.Status{Status: metav1.StatusSuccess}}
	for _, object := range review.Request.Objects {
		converted, err := h.convert(object.Raw, review.Request.DesiredAPIVersion)
		if err != nil {
			response.ConvertedObjects = nil
			response.Result = metav1.Status{Status: metav1.StatusFailure, Message: err.Error()}
			log.FromContext(r.Context()).V(1).Info("Not converted", "to", review.Request.DesiredAPIVersion, "reason", err.Error())
			break
		}
		response.ConvertedObjects = append(response.ConvertedObjects, runtime.RawExtension{Raw: converted})
	}
	review.Request, review.Response = nil, response
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(review); err != nil {
		log.FromContext(r.Context()).V(1).Info("The API server went away", "reason", err.Error())
	}
}

// convert returns an object in another version.
func (h handler) convert(object []byte, version string) (converted []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			log.Log.Error(fmt.Errorf("%v", cause), "A conversion panicked", "stack", string(debug.Stack()))
			err = errors.New("the conversion panicked; its log has the details")
		}
	}()
	meta := metav1.TypeMeta{}
	if err := json.Unmarshal(object, &meta); err != nil {
		return nil, fmt.Errorf("reading the kind: %w", err)
	}
	from, err := h.scheme.New(meta.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	to, err := h.scheme.New(schema.FromAPIVersionAndKind(version, meta.Kind))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(object, from); err != nil {
		return nil, fmt.Errorf("reading the %s: %w", meta.Kind, err)
	}
	if err := between(from, to); err != nil {
		return nil, err
	}
	to.GetObjectKind().SetGroupVersionKind(schema.FromAPIVersionAndKind(version, meta.Kind))
	return asWritten(object, from, to)
}

// between converts an object into one of another version; one of the two is the hub.
func between(from, to runtime.Object) error {
	if hub, isHub := from.(conversion.Hub); isHub {
		if spoke, isSpoke := to.(conversion.Convertible); isSpoke {
			return spoke.ConvertFrom(hub)
		}
	}
	if spoke, isSpoke := from.(conversion.Convertible); isSpoke {
		if hub, isHub := to.(conversion.Hub); isHub {
			return spoke.ConvertTo(hub)
		}
	}
	return fmt.Errorf("%T cannot be converted to %T", from, to)
}
