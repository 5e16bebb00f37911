// SPDX-License-Identifier: Apache-2.0

package networking

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	networkingv1alpha1 "github.com/openfunction/openfunction/apis/networking/v1alpha1"
	"github.com/openfunction/openfunction/pkg/apply"
	"github.com/openfunction/openfunction/pkg/networking"
	"github.com/openfunction/openfunction/pkg/problem"
	"github.com/openfunction/openfunction/pkg/status"
)

// listen makes the Kubernetes Gateway where the spec describes one, and brings it the listeners.
func (r *GatewayReconciler) listen(ctx context.Context, v *gatewayVisit) error {
	g, key := v.gateway, v.gateway.Target()
	target, err := r.find(ctx, key)
	if err != nil {
		return err
	}
	switch {
	case target == nil && g.Spec.GatewayDef == nil:
		return problem.Stalled(networkingv1alpha1.GatewayNotFoundReason, "The Kubernetes Gateway %s does not exist; make it, or name another in gatewayRef", key)
	case target == nil:
		v.target, err = r.create(ctx, g)
		return err
	case g.Spec.GatewayDef != nil && !made(g, target):
		return problem.Stalled(networkingv1alpha1.NameTakenReason,
			"The Kubernetes Gateway %s exists and belongs to somebody else; name it in gatewayRef, or give gatewayDef another name", key)
	}
	v.target, err = r.adopt(ctx, g, target)
	return err
}

// find reads a Kubernetes Gateway, past the cache where that knows none.
func (r *GatewayReconciler) find(ctx context.Context, key types.NamespacedName) (*gatewayv1.Gateway, error) {
	for _, reader := range []client.Reader{r.Client, r.Live} {
		gateway := &gatewayv1.Gateway{}
		err := reader.Get(ctx, key, gateway)
		if err == nil {
			return gateway, nil
		}
		if !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("reading the Kubernetes Gateway %s: %w", key, err)
		}
	}
	return nil, nil
}

// namespaceDelay is how often the namespace of gatewayDef is looked for while it does not exist: namespaces are not watched.
const namespaceDelay = 10 * time.Second

// create makes the Kubernetes Gateway of gatewayDef. It belongs to the Gateway by a label, and where it is in the same namespace by an owner
// reference too.
func (r *GatewayReconciler) create(ctx context.Context, g *networkingv1alpha1.Gateway) (*gatewayv1.Gateway, error) {
	key := g.Target()
	gateway := &gatewayv1.Gateway{
		TypeMeta:   metav1.TypeMeta{APIVersion: gatewayv1.GroupVersion.String(), Kind: networking.GatewayKind.Kind},
		ObjectMeta: metav1.ObjectMeta{Name: key.Name, Namespace: key.Namespace, Labels: labelsOf(g)},
		Spec:       gatewayv1.GatewaySpec{GatewayClassName: g.Spec.GatewayDef.GatewayClassName},
	}
	if key.Namespace == g.Namespace {
		gateway.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(g, networkingv1alpha1.GroupVersion.WithKind("Gateway"))}
	}
	tree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(gateway)
	if err != nil {
		return nil, fmt.Errorf("converting the Kubernetes Gateway: %w", err)
	}
	delete(tree, "status")
	object := &unstructured.Unstructured{Object: tree}
	if _, err := networking.Adopt(object, g); err != nil {
		return nil, err
	}
	if err := r.Create(ctx, object, client.FieldOwner(fieldOwner)); apierrors.IsNotFound(err) {
		return nil, problem.WaitingUntil(namespaceDelay, networkingv1alpha1.NamespaceNotFoundReason,
			"Namespace %q of gatewayDef does not exist; make it, or name another", key.Namespace)
	} else if err != nil {
		return nil, apply.Refused(fmt.Errorf("making the Kubernetes Gateway %s: %w", key, err))
	}
	log.FromContext(ctx).Info("Applied", "kind", "Gateway", "object", klog.KObj(object))
	return typed(object)
}

// labelsOf are on the Kubernetes Gateway that is made for a Gateway.
func labelsOf(g *networkingv1alpha1.Gateway) map[string]string {
	return map[string]string{corev1beta2.ManagedLabel: "true", networkingv1alpha1.GatewayUIDLabel: string(g.UID)}
}

// label puts them back where somebody has taken them off, and tells whether it had to.
func label(gateway *unstructured.Unstructured, g *networkingv1alpha1.Gateway) bool {
	have, changed := gateway.GetLabels(), false
	if have == nil {
		have = map[string]string{}
	}
	for key, value := range labelsOf(g) {
		changed = changed || have[key] != value
		have[key] = value
	}
	gateway.SetLabels(have)
	return changed
}

// adopt brings the listeners to a Kubernetes Gateway that exists. What the cache shows decides whether there is anything to do; what is changed is
// read past it, and as it is, with what our types do not know.
func (r *GatewayReconciler) adopt(ctx context.Context, g *networkingv1alpha1.Gateway, target *gatewayv1.Gateway) (*gatewayv1.Gateway, error) {
	return r.change(ctx, target, func(gateway *unstructured.Unstructured) (bool, error) {
		changed, err := networking.Adopt(gateway, g)
		if taken, is := errors.AsType[*networking.ListenerTakenError](err); is {
			return false, problem.Stalled(networkingv1alpha1.ListenerTakenReason, "On the Kubernetes Gateway %s %s", g.Target(), taken)
		}
		if def := g.Spec.GatewayDef; err == nil && def != nil {
			changed = label(gateway, g) || changed
			class, _, _ := unstructured.NestedString(gateway.Object, "spec", "gatewayClassName")
			changed = changed || class != string(def.GatewayClassName)
			err = unstructured.SetNestedField(gateway.Object, string(def.GatewayClassName), "spec", "gatewayClassName")
		}
		return changed, err
	})
}

// confirm makes sure of the Kubernetes Gateway before a verdict that the status does not have yet is told, and others are let go for it.
func (r *GatewayReconciler) confirm(ctx context.Context, v *gatewayVisit) error {
	if !status.Concludes(v.before, v.gateway) {
		return nil
	}
	return apply.Confirm(ctx, r.Live, networking.GatewayKind, v.target)
}

// letGo takes the listeners away from Kubernetes Gateways that the spec does not name any more, once the one that it names is at work.
func (r *GatewayReconciler) letGo(ctx context.Context, v *gatewayVisit) error {
	if !isReady(v.gateway) {
		return nil
	}
	return r.releaseAll(ctx, r.Client, v.gateway, v.gateway.Target())
}

// releaseAll takes away all that was brought to Kubernetes Gateways, but for the one that is kept, and deletes what was made.
func (r *GatewayReconciler) releaseAll(ctx context.Context, from client.Reader, g *networkingv1alpha1.Gateway, keep types.NamespacedName) error {
	all := &gatewayv1.GatewayList{}
	if err := from.List(ctx, all); err != nil {
		return fmt.Errorf("listing Kubernetes Gateways: %w", err)
	}
	for i := range all.Items {
		gateway := &all.Items[i]
		if client.ObjectKeyFromObject(gateway) == keep {
			continue
		}
		if err := r.release(ctx, g, gateway); err != nil {
			return err
		}
	}
	return nil
}

func (r *GatewayReconciler) release(ctx context.Context, g *networkingv1alpha1.Gateway, gateway *gatewayv1.Gateway) error {
	switch {
	case made(g, gateway):
		if !gateway.DeletionTimestamp.IsZero() {
			return nil
		}
		uid := gateway.UID
		err := r.Delete(ctx, gateway, client.Preconditions{UID: &uid})
		if err != nil {
			return fmt.Errorf("deleting the Kubernetes Gateway %s: %w", klog.KObj(gateway), apply.LostRace(gateway, err))
		}
		log.FromContext(ctx).Info("Pruned", "kind", "Gateway", "object", klog.KObj(gateway))
	case networking.IsAdoptedBy(gateway, networking.Key(g)):
		_, err := r.change(ctx, gateway, func(object *unstructured.Unstructured) (bool, error) {
			return networking.Release(object, networking.Key(g))
		})
		return err
	}
	return nil
}

// change edits a Kubernetes Gateway where the edit changes what the cache shows, and returns it as it is then.
func (r *GatewayReconciler) change(ctx context.Context, seen *gatewayv1.Gateway, edit func(*unstructured.Unstructured) (bool, error)) (*gatewayv1.Gateway, error) {
	tree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(seen)
	if err != nil {
		return nil, fmt.Errorf("converting the Kubernetes Gateway: %w", err)
	}
	if changed, err := edit(&unstructured.Unstructured{Object: tree}); err != nil || !changed {
		return seen, err
	}
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(networking.GatewayKind)
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(seen), live); err != nil {
		return nil, fmt.Errorf("reading the Kubernetes Gateway %s: %w", klog.KObj(seen), err)
	}
	before := live.DeepCopy()
	if changed, err := edit(live); err != nil || !changed {
		return seen, err
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Patch(ctx, live, patch, client.FieldOwner(fieldOwner)); err != nil {
		return nil, apply.Refused(fmt.Errorf("changing the listeners of the Kubernetes Gateway %s: %w", klog.KObj(seen), err))
	}
	log.FromContext(ctx).Info("Applied", "kind", "Gateway", "object", klog.KObj(seen))
	return typed(live)
}

func typed(object *unstructured.Unstructured) (*gatewayv1.Gateway, error) {
	gateway := &gatewayv1.Gateway{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, gateway); err != nil {
		return nil, fmt.Errorf("reading back the Kubernetes Gateway: %w", err)
	}
	return gateway, nil
}

func (r *GatewayReconciler) grants(ctx context.Context, namespace string) ([]gatewayv1beta1.ReferenceGrant, error) {
	list := &gatewayv1beta1.ReferenceGrantList{}
	if err := r.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("listing the ReferenceGrants of %s: %w", namespace, err)
	}
	return list.Items, nil
}
