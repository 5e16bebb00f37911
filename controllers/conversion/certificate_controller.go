// SPDX-License-Identifier: Apache-2.0

package conversion

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// fieldOwner owns the caBundle of the definitions.
const fieldOwner = "openfunction-webhook"

// certificateReconciler keeps the certificate of the webhook, and the API server's trust in it.
type certificateReconciler struct {
	client    client.Client
	live      client.Reader
	clock     clock.PassiveClock
	authority authority
	crds      []string
	served    *served
}

// Reconcile replaces what is about to end, in an order in which no request fails: the API server learns of a new authority first, and only
// then a certificate is served that it signed.
func (r *certificateReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	secret := &corev1.Secret{}
	if err := r.client.Get(ctx, request.NamespacedName, secret); apierrors.IsNotFound(err) {
		log.FromContext(ctx).Info("Waiting for the Secret of the certificate; it is part of config/webhook", "secret", request.NamespacedName)
		return ctrl.Result{}, nil
	} else if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading the Secret of the certificate: %w", err)
	}
	secret = secret.DeepCopy()
	again, err := r.renew(ctx, secret)
	if apierrors.IsConflict(err) {
		return ctrl.Result{}, nil // another replica was first, and its write comes here too
	} else if err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: max(time.Second, again.Sub(r.clock.Now()))}, nil
}

func (r *certificateReconciler) renew(ctx context.Context, secret *corev1.Secret) (again time.Time, err error) {
	if err := r.served.set(secret); err != nil {
		log.FromContext(ctx).V(1).Info("The Secret has no certificate to serve yet", "reason", err.Error())
	}
	r.served.complete(secret)
	changed, err := r.authority.renewAuthority(secret, r.clock.Now())
	if err != nil {
		return again, err
	}
	if changed {
		if err := r.write(ctx, secret, "certificate authority"); err != nil {
			return again, err
		}
	}
	if err := r.trust(ctx, bundle(secret)); err != nil {
		return again, err
	}
	changed, again, err = r.authority.renewServer(secret, r.clock.Now())
	if err != nil || !changed {
		return again, err
	}
	if err := r.write(ctx, secret, "certificate"); err != nil {
		return again, err
	}
	return again, r.served.set(secret)
}

func (r *certificateReconciler) write(ctx context.Context, secret *corev1.Secret, what string) error {
	if err := r.client.Update(ctx, secret, client.FieldOwner(fieldOwner)); err != nil {
		return fmt.Errorf("writing a new %s: %w", what, err)
	}
	log.FromContext(ctx).Info("Renewed", "what", what, "secret", klog.KObj(secret))
	return nil
}

// trust tells the API server whom to trust, in every definition that is converted by a webhook.
func (r *certificateReconciler) trust(ctx context.Context, bundle []byte) error {
	var errs []error
	for _, name := range r.crds {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		err := r.live.Get(ctx, client.ObjectKey{Name: name}, crd)
		switch {
		case apierrors.IsNotFound(err):
			continue // it comes here when it is made
		case err != nil:
			errs = append(errs, fmt.Errorf("reading definition %s: %w", name, err))
			continue
		case crd.Spec.Conversion == nil || crd.Spec.Conversion.Webhook == nil || crd.Spec.Conversion.Webhook.ClientConfig == nil:
			continue
		case bytes.Equal(crd.Spec.Conversion.Webhook.ClientConfig.CABundle, bundle):
			continue
		}
		before := crd.DeepCopy()
		crd.Spec.Conversion.Webhook.ClientConfig.CABundle = bundle
		if err := r.client.Patch(ctx, crd, client.MergeFrom(before), client.FieldOwner(fieldOwner)); err != nil {
			errs = append(errs, fmt.Errorf("writing the caBundle of definition %s: %w", name, err))
			continue
		}
		log.FromContext(ctx).Info("Applied", "caBundle", name)
	}
	return errors.Join(errs...)
}

// served is the certificate that is served now, with the Secret it came from.
type served struct {
	now atomic.Pointer[pair]
}

type pair struct {
	certificate tls.Certificate
	secret      *corev1.Secret
}

// errNoCertificate passes: the first certificate is made within a second.
var errNoCertificate = errors.New("there is no certificate yet")

func (s *served) set(secret *corev1.Secret) error {
	certificate, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return fmt.Errorf("reading the certificate: %w", err)
	}
	s.now.Store(&pair{certificate: certificate, secret: secret.DeepCopy()})
	return nil
}

// complete puts what is served into a Secret that somebody emptied or made anew, so that it stays trusted until a certificate of the next
// authority is served. The key of the authority does not come back: to empty the Secret is to ask for another one.
func (s *served) complete(secret *corev1.Secret) {
	now := s.now.Load()
	if now == nil || len(secret.Data) > 0 {
		return
	}
	secret.Data = map[string][]byte{
		corev1.TLSCertKey:       now.secret.Data[corev1.TLSCertKey],
		corev1.TLSPrivateKeyKey: now.secret.Data[corev1.TLSPrivateKeyKey],
		previousCert:            signerOf(now.secret),
	}
}

// get is tls.Config.GetCertificate.
func (s *served) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if now := s.now.Load(); now != nil {
		return &now.certificate, nil
	}
	return nil, errNoCertificate
}

// check is a readiness check.
func (s *served) check(*http.Request) error {
	_, err := s.get(nil)
	return err
}
