// SPDX-License-Identifier: Apache-2.0

package knative

import (
	"net"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	kservingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/route"
)

// Run is the ServingRun on Knative Serving.
type Run struct{}

var (
	_ core.ServingRun = Run{}
	_ core.Fronted    = Run{}
	_ core.Addresser  = Run{}
	_ core.Explainer  = Run{}
)

// Name returns "knative".
func (Run) Name() string { return "knative" }

// Needs returns Knative Serving.
func (Run) Needs() core.Provider {
	return core.Provider{
		Title:   "Knative Serving",
		Kinds:   []schema.GroupVersionKind{kservingv1.SchemeGroupVersion.WithKind("Service")},
		Install: "kubectl apply -f https://github.com/knative/serving/releases/download/knative-v1.20.0/serving-crds.yaml -f https://github.com/knative/serving/releases/download/knative-v1.20.0/serving-core.yaml",
	}
}

// Desired returns the Knative Service.
func (Run) Desired(in core.Input) ([]client.Object, error) {
	service, err := service(in)
	if err != nil {
		return nil, err
	}
	return []client.Object{service}, nil
}

// Backend returns the Knative Service, which its ingress knows by its host name.
func (Run) Backend(in core.Input) route.Backend {
	host := core.ServiceHost(core.KnativeChild(in.Serving.Name), in.Serving.Namespace, in.ClusterDomain)
	return route.Backend{Address: net.JoinHostPort(host, port), Host: host}
}

// port is where Knative's ingress listens inside the cluster.
const port = "80"

// Addresses returns the address outside the cluster, where Knative gives one.
func (Run) Addresses(live core.Live) []corev1beta2.FunctionAddress {
	service, found := core.Find[*kservingv1.Service](live)
	if !found {
		return nil
	}
	url := service.Status.URL
	if url == nil || strings.HasSuffix(url.Host, ".svc."+live.ClusterDomain) {
		return nil
	}
	return []corev1beta2.FunctionAddress{{Type: ptr.To(corev1beta2.ExternalAddressType), Value: url.String()}}
}

// Explain knows the feature of Knative that is off by default and that every function needs, to learn its pod's name.
func (Run) Explain(refusal string) string {
	if !strings.Contains(refusal, "valueFrom.fieldRef") {
		return ""
	}
	return `Knative does not allow fieldRef in pods; allow it: kubectl -n knative-serving patch configmap config-features ` +
		`--type=merge -p '{"data":{"kubernetes.podspec-fieldref":"enabled"}}'`
}
