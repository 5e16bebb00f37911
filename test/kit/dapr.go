// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/cert"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	daprEnabled = "dapr.io/enabled"
	daprAppID   = "dapr.io/app-id"
)

// daprService is the Service that Dapr's operator makes for an app.
func daprService(workload *unstructured.Unstructured) (name string, wanted bool) {
	annotations, _, _ := unstructured.NestedStringMap(workload.Object, "spec", "template", "metadata", "annotations")
	return annotations[daprAppID] + "-dapr", annotations[daprEnabled] == "true" && workload.GetDeletionTimestamp() == nil
}

// playDaprOperator makes the Service of a workload that has daprd. Dapr's takes it for whichever of two workloads changed last; here the
// one that has it keeps it.
func (cp *ControlPlane) playDaprOperator(ctx context.Context, m *mirror, o *unstructured.Unstructured) error {
	name, wanted := daprService(o)
	if !wanted {
		return nil
	}
	selector, _, _ := unstructured.NestedStringMap(o.Object, "spec", "selector", "matchLabels")
	service := &corev1.Service{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: o.GetNamespace(), Labels: map[string]string{daprEnabled: "true"},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(o, o.GroupVersionKind())}},
		Spec: corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Selector: selector, Ports: []corev1.ServicePort{
			{Name: "dapr-http", Port: 80}, {Name: "dapr-grpc", Port: 50001}, {Name: "dapr-internal", Port: 50002}}},
	}
	have := m.get(placeholders, o.GetNamespace(), name)
	if have == nil {
		err := cp.Client.Create(ctx, service)
		if apierrors.IsAlreadyExists(err) {
			return errNotYet // the onlooker has not seen it yet
		}
		return err
	}
	if owner := metav1.GetControllerOf(have); owner != nil {
		for _, kind := range []string{deployments.Kind, statefulSets.Kind} {
			for _, workload := range m.of(kind, o.GetNamespace()) {
				if other, wanted := daprService(workload); wanted && other == name && workload.GetUID() == owner.UID {
					return nil
				}
			}
		}
	}
	service.ResourceVersion = have.GetResourceVersion()
	return cp.Client.Update(ctx, service)
}

// daprd is the container that Dapr's injector adds, where its chart's value dapr_sidecar_injector.sidecarDropALLCapabilities is true.
const daprd = `{"name":"daprd","image":"registry.example.test/daprd:kit","securityContext":{"allowPrivilegeEscalation":false,"readOnlyRootFilesystem":true,
	"runAsNonRoot":true,"capabilities":{"drop":["ALL"]},"seccompProfile":{"type":"RuntimeDefault"}}}`

// playDaprInjector adds daprd to the pods that ask for it, until ctx ends.
func (cp *ControlPlane) playDaprInjector(ctx context.Context) error {
	host := "127.0.0.1"
	certificate, key, err := cert.GenerateSelfSignedCertKey(host, []net.IP{net.ParseIP(host)}, nil)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", net.JoinHostPort(host, "0"), &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13})
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(inject), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	return cp.Client.Create(ctx, &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "dapr-sidecar-injector"},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: "sidecar-injector.dapr.io", AdmissionReviewVersions: []string{"v1"},
			ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: ptr.To("https://" + listener.Addr().String()), CABundle: certificate},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
			MatchConditions: []admissionregistrationv1.MatchCondition{{Name: "asked", Expression: fmt.Sprintf(
				`has(object.metadata.annotations) && %[1]q in object.metadata.annotations && object.metadata.annotations[%[1]q] == "true"`, daprEnabled)}},
			SideEffects:   ptr.To(admissionregistrationv1.SideEffectClassNone),
			FailurePolicy: ptr.To(admissionregistrationv1.Fail),
		}},
	})
}

// inject answers the API server about one pod.
func inject(answer http.ResponseWriter, request *http.Request) {
	review := admissionv1.AdmissionReview{}
	if err := json.NewDecoder(request.Body).Decode(&review); err != nil || review.Request == nil {
		http.Error(answer, errors.Join(errors.New("no review"), err).Error(), http.StatusBadRequest)
		return
	}
	review.Response = &admissionv1.AdmissionResponse{
		UID: review.Request.UID, Allowed: true, PatchType: ptr.To(admissionv1.PatchTypeJSONPatch),
		Patch: []byte(`[{"op":"add","path":"/spec/containers/-","value":` + daprd + `}]`),
	}
	review.Request = nil
	answer.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(answer).Encode(review)
}

// concernedWithDapr are the workloads whose daprd the Service is for.
func concernedWithDapr(m *mirror, service *unstructured.Unstructured) []played {
	var workloads []played
	for _, kind := range []string{deployments.Kind, statefulSets.Kind} {
		for _, workload := range m.of(kind, service.GetNamespace()) {
			if name, wanted := daprService(workload); wanted && name == service.GetName() {
				workloads = append(workloads, played{workload.GroupVersionKind().GroupKind(), client.ObjectKeyFromObject(workload)})
			}
		}
	}
	return workloads
}
