// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	daprv1alpha1 "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	corev1beta2 "github.com/openfunction/openfunction/apis/core/v1beta2"
	"github.com/openfunction/openfunction/pkg/apply"
	"github.com/openfunction/openfunction/pkg/core"
	"github.com/openfunction/openfunction/pkg/core/dapr"
	"github.com/openfunction/openfunction/pkg/daprd"
	"github.com/openfunction/openfunction/pkg/enqueue"
	"github.com/openfunction/openfunction/pkg/names"
	"github.com/openfunction/openfunction/pkg/problem"
)

// frameworksConfig is the ConfigMap in the operator's namespace with what the operator sets for all functions.
const frameworksConfig = "openfunction-config"

// resolveInputs reads what the Serving depends on besides its own spec.
func (r *ServingReconciler) resolveInputs(ctx context.Context, v *servingVisit) error {
	for _, resolve := range []func(context.Context, *servingVisit) error{
		r.resolveNamespace, r.resolveFrameworks, r.resolveComponents, r.resolveToken, r.resolveTrust, r.resolveStarted,
	} {
		if err := resolve(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

func (r *ServingReconciler) resolveFrameworks(ctx context.Context, v *servingVisit) (err error) {
	config := &corev1.ConfigMap{}
	err = r.Get(ctx, types.NamespacedName{Namespace: r.Settings.PlatformNamespace, Name: frameworksConfig}, config)
	if apierrors.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("reading ConfigMap %s: %w", frameworksConfig, err)
	}
	v.input.Frameworks, err = dapr.ParseFrameworks(config.Data)
	return err
}

// enqueueForFrameworks asks for every Serving when the operator's ConfigMap changes.
func (r *ServingReconciler) enqueueForFrameworks() handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, config client.Object) []reconcile.Request {
		if config.GetNamespace() != r.Settings.PlatformNamespace || config.GetName() != frameworksConfig {
			return nil
		}
		return enqueue.Every(ctx, r, &corev1beta2.ServingList{})
	})
}

// enqueueReferring asks for the Servings that refer to a Component when it comes, changes or goes.
func (r *ServingReconciler) enqueueReferring() handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, component client.Object) []reconcile.Request {
		return enqueue.Matching(ctx, r, &corev1beta2.ServingList{}, func(s *corev1beta2.Serving) bool {
			return slices.Contains(dapr.References(s), component.GetName())
		}, client.InNamespace(component.GetNamespace()))
	})
}

// resolveComponents looks up the type of every existing Component the spec refers to. One that is missing is left out.
func (r *ServingReconciler) resolveComponents(ctx context.Context, v *servingVisit) error {
	for _, name := range dapr.References(v.serving) {
		component := &daprv1alpha1.Component{}
		err := r.Get(ctx, types.NamespacedName{Namespace: v.serving.Namespace, Name: name}, component)
		if apierrors.IsNotFound(err) {
			continue
		} else if err != nil {
			return fmt.Errorf("reading Component %s: %w", name, err)
		}
		if app := dapr.AppID(v.serving); len(component.Scopes) > 0 && !slices.Contains(component.Scopes, app) {
			return problem.Stalled(corev1beta2.ComponentNotFoundReason,
				"Component %q exists but not for this function; add its app id %q to the scopes of the Component", name, app)
		}
		if v.input.Components == nil {
			v.input.Components = map[string]string{}
		}
		v.input.Components[name] = component.Spec.Type
	}
	return nil
}

// tokenBytes is how many random bytes an app token has: 256 bits.
const tokenBytes = 32

// resolveToken makes sure that the app token exists, and makes a new one when the user asks for it. Secrets are read one by one and never
// watched.
func (r *ServingReconciler) resolveToken(ctx context.Context, v *servingVisit) error {
	s := v.serving
	if !dapr.NeedsToken(s) {
		return nil
	}
	secret := &corev1.Secret{}
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: s.Namespace, Name: core.TokenChild(s.Name)}, secret)
	switch {
	case apierrors.IsNotFound(err):
		secret, err = r.createToken(ctx, v)
	case err != nil:
		err = fmt.Errorf("reading the Secret with the app token: %w", err)
	case !apply.Owns(s, secret):
		err = v.set.CheckChild(secret)
	case len(secret.Data[core.TokenKey]) == 0 || secret.Annotations[corev1beta2.RotateTokenAnnotation] != s.Annotations[corev1beta2.RotateTokenAnnotation]:
		err = r.rotateToken(ctx, s, secret)
	}
	if err != nil {
		return err
	}
	// A digest of the data and of the Secret's identity: pods that have an older token are replaced.
	v.input.TokenVersion, err = names.Hash(map[string]any{"uid": secret.UID, "data": secret.Data})
	return err
}

func (r *ServingReconciler) createToken(ctx context.Context, v *servingVisit) (*corev1.Secret, error) {
	s := v.serving
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: core.TokenChild(s.Name), Namespace: s.Namespace,
			Labels:      map[string]string{corev1beta2.ManagedLabel: "true", corev1beta2.ServingLabel: s.Name},
			Annotations: rotation(s)},
		Type: corev1.SecretTypeOpaque,
		Data: map[string][]byte{core.TokenKey: newToken()},
	}
	if err := controllerutil.SetControllerReference(s, secret, r.Scheme()); err != nil {
		return nil, fmt.Errorf("setting the owner of the Secret with the app token: %w", err)
	}
	if err := v.set.CheckOwner(ctx); err != nil {
		return nil, err
	}
	if err := r.Create(ctx, secret, client.FieldOwner(servingFieldOwner)); err != nil {
		return nil, fmt.Errorf("creating the Secret with the app token: %w", err)
	}
	log.FromContext(ctx).Info("Applied", "kind", "Secret", "object", klog.KObj(secret))
	return secret, nil
}

// rotateToken keeps the old token beside the new one, for the pods that still have it.
func (r *ServingReconciler) rotateToken(ctx context.Context, s *corev1beta2.Serving, secret *corev1.Secret) error {
	before := secret.DeepCopy()
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	if old := secret.Data[core.TokenKey]; len(old) > 0 {
		secret.Data[core.PreviousTokenKey] = old
	}
	secret.Data[core.TokenKey] = newToken()
	delete(secret.Annotations, corev1beta2.RotateTokenAnnotation)
	for key, wish := range rotation(s) { // what others wrote on it stays
		metav1.SetMetaDataAnnotation(&secret.ObjectMeta, key, wish)
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Patch(ctx, secret, patch, client.FieldOwner(servingFieldOwner)); err != nil {
		return fmt.Errorf("rotating the app token: %w", err)
	}
	log.FromContext(ctx).Info("Applied", "kind", "Secret", "object", klog.KObj(secret))
	return nil
}

// rotation is the annotation that tells for which wish of the user the token was made; none before the first.
func rotation(s *corev1beta2.Serving) map[string]string {
	if wish, ok := s.Annotations[corev1beta2.RotateTokenAnnotation]; ok {
		return map[string]string{corev1beta2.RotateTokenAnnotation: wish}
	}
	return nil
}

func newToken() []byte {
	secret := make([]byte, tokenBytes)
	_, _ = rand.Read(secret) // it never fails: crypto/rand ends the program instead
	return []byte(base64.RawURLEncoding.EncodeToString(secret))
}

// trustDelay is how soon it is looked for while it is not there.
const trustDelay = 2 * time.Second

// trustRecheck is how often the trust bundle is read again: it is in Dapr's namespace, which is not watched.
const trustRecheck = 10 * time.Minute

// resolveTrust reads Dapr's trust bundle for a daprd that is not injected.
func (r *ServingReconciler) resolveTrust(ctx context.Context, v *servingVisit) error {
	if !dapr.IsShared(v.serving) {
		return nil
	}
	bundle := &corev1.ConfigMap{}
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: r.Settings.DaprNamespace, Name: daprd.TrustBundle}, bundle)
	if apierrors.IsNotFound(err) {
		return problem.WaitingUntil(trustDelay, corev1beta2.DaprStartingReason,
			"Dapr has not published its certificates yet; look at the pods of dapr-sentry in namespace %s", r.Settings.DaprNamespace)
	} else if err != nil {
		return fmt.Errorf("reading Dapr's trust bundle: %w", err)
	}
	v.input.Trust = core.Trust{Anchors: bundle.Data[daprd.TrustAnchorsKey], Domain: r.TrustDomain}
	v.again(trustRecheck)
	return nil
}

// resolveStarted reads from the workload which version is known to have started.
func (r *ServingReconciler) resolveStarted(ctx context.Context, v *servingVisit) error {
	starter, ok := v.run.(core.Starter)
	if !ok {
		return nil
	}
	version, err := starter.Version(v.input)
	if err != nil {
		return err
	}
	wanted, err := v.run.Desired(v.input)
	if err != nil || len(wanted) == 0 {
		return err
	}
	workload := wanted[0].DeepCopyObject().(client.Object)
	err = r.Get(ctx, client.ObjectKeyFromObject(workload), workload)
	if apierrors.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("reading the workload: %w", err)
	}
	if apply.Owns(v.serving, workload) && workload.GetAnnotations()[corev1beta2.StartedAnnotation] == version {
		v.input.Started = version
	}
	return nil
}
