// SPDX-License-Identifier: Apache-2.0

package conversion

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"

	corev1beta1 "github.com/openfunction/openfunction/apis/core/v1beta1"
)

// handler answers the API server's requests to convert objects.
type handler struct {
	// ending is closed when the process is about to end.
	ending <-chan struct{}
}

// ServeHTTP implements http.Handler.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case <-h.ending:
		// The API server keeps its connections, and would write into one that ends under it. On HTTP/2 this is a GOAWAY (golang.org/x/net/http2).
		w.Header().Set("Connection", "close")
	default:
	}
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
func (handler) convert(object []byte, version string) (converted []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			log.Log.Error(fmt.Errorf("%v", cause), "A conversion panicked", "stack", string(debug.Stack()))
			err = errors.New("the conversion panicked; its log has the details")
		}
	}()
	decoder := json.NewDecoder(bytes.NewReader(object))
	decoder.UseNumber() // which keeps numbers as they are written
	tree := map[string]any{}
	if err := decoder.Decode(&tree); err != nil {
		return nil, fmt.Errorf("reading the object: %w", err)
	}
	result, err := corev1beta1.Convert(tree, version)
	if err != nil {
		return nil, err
	}
	return json.Marshal(result)
}
