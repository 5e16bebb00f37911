// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"

	httpv1alpha1 "github.com/kedacore/http-add-on/operator/apis/http/v1alpha1"
	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What the played KEDA and its HTTP add-on act on.
var (
	scaledObjects     = kedav1alpha1.SchemeGroupVersion.WithKind("ScaledObject").GroupKind()
	scaledJobs        = kedav1alpha1.SchemeGroupVersion.WithKind("ScaledJob").GroupKind()
	httpScaledObjects = httpv1alpha1.SchemeGroupVersion.WithKind("HTTPScaledObject").GroupKind()
)

const (
	kedaFinalizer  = "finalizer.keda.sh"
	addOnFinalizer = "httpscaledobject.http.keda.sh"
)

// RefusedTrigger is what KEDA says of a scaler whose trigger it does not understand.
const RefusedTrigger = "failed to ensure HPA is correctly created for ScaledObject: error getting scaler for trigger #0: error parsing metadata: " + WordRefused

// playScaledObject does what KEDA does where no trigger is active and every cool-down is over: the workload is brought within the bounds, and
// rests at the least of them.
func (cp *ControlPlane) playScaledObject(ctx context.Context, m *mirror, o *unstructured.Unstructured) error {
	scaler, err := typed[kedav1alpha1.ScaledObject](o)
	if err != nil {
		return err
	}
	kind := deployments
	if scaler.Spec.ScaleTargetRef.Kind != "" {
		kind = schema.FromAPIVersionAndKind(scaler.Spec.ScaleTargetRef.APIVersion, scaler.Spec.ScaleTargetRef.Kind).GroupKind()
	}
	target := m.get(kind, scaler.Namespace, scaler.Spec.ScaleTargetRef.Name)
	if scaler.DeletionTimestamp != nil {
		return cp.finalizeScaledObject(ctx, o, scaler, target)
	}
	if missing, err := cp.introduce(ctx, o, kedaFinalizer, map[string]any{kedav1alpha1.ScaledObjectOwnerAnnotation: o.GetName()}); missing || err != nil {
		return err
	}
	refusal := ""
	switch {
	case target == nil:
		refusal = fmt.Sprintf("ScaledObject doesn't have correct scaleTargetRef specification: %s %q not found", kind, scaler.Spec.ScaleTargetRef.Name)
	case says(scaler.Spec.Triggers, WordRefused):
		refusal = RefusedTrigger
	}
	before := scaler.Status.DeepCopy()
	if target != nil && scaler.Status.OriginalReplicaCount == nil {
		// KEDA asks the API server for these, not a cache, and keeps them before it scales: they are what a deleted scaler leaves behind.
		answer := &unstructured.Unstructured{}
		if err := cp.Client.SubResource("scale").Get(ctx, target.DeepCopy(), answer); err != nil {
			return err
		}
		scale, err := typed[autoscalingv1.Scale](answer)
		if err != nil {
			return err
		}
		scaler.Status.OriginalReplicaCount = &scale.Spec.Replicas
	}
	setScaler(&scaler.Status.Conditions, refusal, "ScaledObjectCheckFailed",
		kedav1alpha1.ScaledObjectConditionReadySuccessReason, kedav1alpha1.ScaledObjectConditionReadySuccessMessage)
	if !apiequality.Semantic.DeepEqual(*before, scaler.Status) {
		if err := cp.Client.Status().Update(ctx, scaler); err != nil {
			return err
		}
	}
	if refusal != "" {
		return nil
	}
	if rest := atRest(scaler.Spec, replicas(target)); rest != replicas(target) {
		return cp.scale(ctx, target, rest)
	}
	return nil
}

// introduce adds what KEDA adds to an object it has not seen yet, and tells whether that was so.
func (cp *ControlPlane) introduce(ctx context.Context, o *unstructured.Unstructured, finalizer string, labels map[string]any) (missing bool, err error) {
	has := slices.Contains(o.GetFinalizers(), finalizer)
	for key, value := range labels {
		has = has && o.GetLabels()[key] == value
	}
	if has {
		return false, nil
	}
	finalizers := o.GetFinalizers()
	if !slices.Contains(finalizers, finalizer) {
		finalizers = append(slices.Clone(finalizers), finalizer)
	}
	return true, cp.patchMetadata(ctx, o, map[string]any{"labels": labels, "finalizers": finalizers})
}

// patchMetadata changes the metadata of an object unless it has changed meanwhile.
func (cp *ControlPlane) patchMetadata(ctx context.Context, o *unstructured.Unstructured, metadata map[string]any) error {
	metadata["resourceVersion"] = o.GetResourceVersion()
	patch, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		return err
	}
	return cp.Client.Patch(ctx, o.DeepCopy(), client.RawPatch(types.MergePatchType, patch))
}

// forget takes a finalizer away.
func (cp *ControlPlane) forget(ctx context.Context, o *unstructured.Unstructured, finalizer string) error {
	left := slices.DeleteFunc(slices.Clone(o.GetFinalizers()), func(f string) bool { return f == finalizer })
	if len(left) == len(o.GetFinalizers()) {
		return nil
	}
	return cp.patchMetadata(ctx, o, map[string]any{"finalizers": left})
}

func (cp *ControlPlane) finalizeScaledObject(ctx context.Context, o *unstructured.Unstructured, scaler *kedav1alpha1.ScaledObject, target *unstructured.Unstructured) error {
	advanced, original := scaler.Spec.Advanced, scaler.Status.OriginalReplicaCount
	if advanced != nil && advanced.RestoreToOriginalReplicaCount && original != nil && target != nil && target.GetDeletionTimestamp() == nil {
		if err := cp.scale(ctx, target, *original); client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	return cp.forget(ctx, o, kedaFinalizer)
}

// atRest is how many replicas KEDA leaves where there is nothing to do.
func atRest(spec kedav1alpha1.ScaledObjectSpec, current int32) int32 {
	least := ptr.Deref(spec.MinReplicaCount, 0)
	if least == 0 || spec.IdleReplicaCount != nil {
		return ptr.Deref(spec.IdleReplicaCount, 0)
	}
	return min(max(current, least), ptr.Deref(spec.MaxReplicaCount, 100))
}

func replicas(workload *unstructured.Unstructured) int32 {
	n, found, _ := unstructured.NestedInt64(workload.Object, "spec", "replicas")
	if !found {
		return 1
	}
	return int32(n)
}

// scale writes the replicas where KEDA does, so that whoever owns the workload sees them change.
func (cp *ControlPlane) scale(ctx context.Context, workload *unstructured.Unstructured, to int32) error {
	scale := &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: workload.GetName(), Namespace: workload.GetNamespace(), ResourceVersion: workload.GetResourceVersion()},
		Spec:       autoscalingv1.ScaleSpec{Replicas: to},
	}
	return cp.Client.SubResource("scale").Update(ctx, workload.DeepCopy(), client.WithSubResourceBody(scale))
}

// setScaler sets the conditions of a scaler whose triggers are not active.
func setScaler(conditions *kedav1alpha1.Conditions, refusal, refused, ready, message string) {
	if !conditions.AreInitialized() {
		*conditions = *kedav1alpha1.GetInitializedConditions()
	}
	if refusal != "" {
		conditions.SetReadyCondition(metav1.ConditionFalse, refused, refusal)
		conditions.SetActiveCondition(metav1.ConditionUnknown, "UnknownState", "ScaledObject check failed")
		return
	}
	conditions.SetReadyCondition(metav1.ConditionTrue, ready, message)
	conditions.SetActiveCondition(metav1.ConditionFalse, "ScalerNotActive", "Scaling is not performed because triggers are not active")
	conditions.SetFallbackCondition(metav1.ConditionFalse, "NoFallbackFound", "No fallbacks are active on this scaled object")
}

// playScaledJob does what KEDA does where there is nothing to do: it makes no Job.
func (cp *ControlPlane) playScaledJob(ctx context.Context, _ *mirror, o *unstructured.Unstructured) error {
	scaler, err := typed[kedav1alpha1.ScaledJob](o)
	if err != nil {
		return err
	}
	if scaler.DeletionTimestamp != nil {
		return cp.forget(ctx, o, kedaFinalizer)
	}
	if missing, err := cp.introduce(ctx, o, kedaFinalizer, nil); missing || err != nil {
		return err
	}
	refusal := ""
	if says(scaler.Spec.Triggers, WordRefused) {
		refusal = "Failed to ensure ScaledJob is correctly created"
	}
	before := scaler.Status.DeepCopy()
	setScaler(&scaler.Status.Conditions, refusal, "ScaledJobCheckFailed", "ScaledJobReady", "ScaledJob is defined correctly and is ready for scaling")
	if apiequality.Semantic.DeepEqual(*before, scaler.Status) {
		return nil
	}
	return cp.Client.Status().Update(ctx, scaler)
}

// playHTTPScaledObject does what the HTTP add-on does: it makes a ScaledObject of the same name for KEDA.
func (cp *ControlPlane) playHTTPScaledObject(ctx context.Context, m *mirror, o *unstructured.Unstructured) error {
	scaler, err := typed[httpv1alpha1.HTTPScaledObject](o)
	if err != nil {
		return err
	}
	if scaler.DeletionTimestamp != nil {
		return cp.forget(ctx, o, addOnFinalizer)
	}
	if missing, err := cp.introduce(ctx, o, addOnFinalizer, nil); missing || err != nil {
		return err
	}
	ready := metav1.Condition{Type: httpv1alpha1.ConditionTypeReady, Status: metav1.ConditionTrue, ObservedGeneration: scaler.Generation,
		Reason: httpv1alpha1.ConditionReasonReconciled, Message: "ScaledObject created and configured"}
	if says(scaler.Spec, WordRefused) {
		ready.Status, ready.Reason = metav1.ConditionFalse, httpv1alpha1.ConditionReasonCreateError
		ready.Message = "Failed to create scaled objects: " + WordRefused
	} else if err := cp.scaledObjectOf(ctx, m, scaler); err != nil {
		return err
	}
	before, target := scaler.Status.DeepCopy(), scaler.Spec.ScaleTargetRef
	scaler.Status.TargetWorkload = fmt.Sprintf("%s/%s/%s", target.APIVersion, target.Kind, target.Name)
	scaler.Status.TargetService = net.JoinHostPort(target.Service, strconv.Itoa(int(target.Port)))
	meta.SetStatusCondition(&scaler.Status.Conditions, ready)
	if apiequality.Semantic.DeepEqual(*before, scaler.Status) {
		return nil
	}
	return cp.Client.Status().Update(ctx, scaler)
}

// scaledObjectOf creates or patches the add-on's ScaledObject.
func (cp *ControlPlane) scaledObjectOf(ctx context.Context, m *mirror, of *httpv1alpha1.HTTPScaledObject) error {
	spec := kedav1alpha1.ScaledObjectSpec{
		ScaleTargetRef:        &kedav1alpha1.ScaleTarget{APIVersion: of.Spec.ScaleTargetRef.APIVersion, Kind: of.Spec.ScaleTargetRef.Kind, Name: of.Spec.ScaleTargetRef.Name},
		PollingInterval:       ptr.To[int32](15),
		CooldownPeriod:        of.Spec.CooldownPeriod,
		InitialCooldownPeriod: of.Spec.InitialCooldownPeriod,
		Advanced:              &kedav1alpha1.AdvancedConfig{RestoreToOriginalReplicaCount: true},
		Triggers: []kedav1alpha1.ScaleTriggers{{Type: "external-push", Metadata: map[string]string{
			"scalerAddress": "keda-add-ons-http-external-scaler.keda:9090", "httpScaledObject": of.Name}}},
	}
	if bounds := of.Spec.Replicas; bounds != nil {
		spec.MinReplicaCount, spec.MaxReplicaCount = bounds.Min, bounds.Max
	}
	wanted := &kedav1alpha1.ScaledObject{
		TypeMeta: metav1.TypeMeta{APIVersion: kedav1alpha1.SchemeGroupVersion.String(), Kind: scaledObjects.Kind},
		ObjectMeta: metav1.ObjectMeta{Name: of.Name, Namespace: of.Namespace, Labels: maps.Clone(of.Labels), Annotations: of.Annotations,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(of, httpv1alpha1.SchemeGroupVersion.WithKind(httpScaledObjects.Kind))}},
		Spec: spec,
	}
	have := m.get(scaledObjects, of.Namespace, of.Name)
	if have == nil {
		err := cp.Client.Create(ctx, wanted)
		if apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) { // while KEDA's definitions are away, the add-on tries again
			return errNotYet
		}
		return err
	}
	is, err := typed[kedav1alpha1.ScaledObject](have)
	if err != nil {
		return err
	}
	if have.GetDeletionTimestamp() == nil && apiequality.Semantic.DeepEqual(is.Spec, wanted.Spec) && metav1.IsControlledBy(have, of) {
		return nil
	}
	return cp.Client.Patch(ctx, wanted, client.Merge)
}
