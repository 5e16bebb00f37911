// SPDX-License-Identifier: Apache-2.0

package conversion

import (
	"bytes"
	"crypto/x509"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// The life of a Secret: at each time it is brought up to date, and what is served must be trusted with what the API server knows.
func TestAuthorityOverTheYears(t *testing.T) {
	a := newAuthority([]string{"webhook.openfunction.svc", "webhook.openfunction"}, DefaultLifetimes)
	secret := &corev1.Secret{}
	start := time.Now()
	day := 24 * time.Hour
	ca := DefaultLifetimes.Authority - DefaultLifetimes.AuthorityMargin
	for _, step := range []struct {
		name              string
		at                time.Duration
		newCA, newServer  bool
		again             time.Duration
		authoritiesKnown  int
		signedByTheNewest bool
	}{
		{"first", 0, true, true, 60 * day, 1, true},
		{"restart", time.Hour, false, false, 60 * day, 1, true},
		{"renewal", 61 * day, false, true, 121 * day, 1, true},
		{"late renewal", 300 * day, false, true, 360 * day, 1, true},
		{"long before the end of the authority", ca - 2*day, false, true, ca, 1, true},
		{"new authority", ca + time.Hour, true, false, ca + time.Hour + time.Minute, 2, false},
		{"not known for long", ca + time.Hour + 30*time.Second, false, false, ca + time.Hour + time.Minute, 2, false},
		{"known", ca + time.Hour + time.Minute, false, true, ca + 60*day + time.Hour + time.Minute, 2, true},
		{"after years of sleep", 4 * ca, true, true, 4*ca + 60*day, 1, true},
	} {
		now := start.Add(step.at)
		newCA, err := a.renewAuthority(secret, now)
		if err != nil {
			t.Fatal(step.name, err)
		}
		newServer, again, err := a.renewServer(secret, now)
		if err != nil {
			t.Fatal(step.name, err)
		}
		if newCA != step.newCA || newServer != step.newServer {
			t.Errorf("%s: new authority %v, new certificate %v", step.name, newCA, newServer)
		}
		if late := again.Sub(start.Add(step.again)).Abs(); late > time.Minute/2 {
			t.Errorf("%s: looks again %s late", step.name, late)
		}
		if known := bytes.Count(bundle(secret), []byte("BEGIN CERTIFICATE")); known != step.authoritiesKnown {
			t.Errorf("%s: %d authorities are known", step.name, known)
		}
		if got := a.serves(secret.Data[authorityCert], secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey], now); got != step.signedByTheNewest {
			t.Errorf("%s: signed by the newest authority: %v", step.name, got)
		}
		for _, host := range []string{"webhook.openfunction.svc", "webhook.openfunction"} {
			trusted(t, step.name, secret, host, now)
		}
	}
}

// trusted fails unless an API server that knows the bundle trusts the certificate.
func trusted(t *testing.T, step string, secret *corev1.Secret, host string, now time.Time) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle(secret))
	certificate, err := parse(secret.Data[corev1.TLSCertKey])
	if err != nil {
		t.Fatal(step, err)
	}
	if _, err := certificate.Verify(x509.VerifyOptions{Roots: roots, DNSName: host, CurrentTime: now}); err != nil {
		t.Errorf("%s: %v", step, err)
	}
}

// What somebody else wrote into the Secret is replaced.
func TestAuthorityReplacesWhatItCannotRead(t *testing.T) {
	a := newAuthority([]string{"webhook"}, DefaultLifetimes)
	good := &corev1.Secret{}
	now := time.Now()
	renew := func(s *corev1.Secret) {
		t.Helper()
		if _, err := a.renewAuthority(s, now); err != nil {
			t.Fatal(err)
		}
		if _, _, err := a.renewServer(s, now); err != nil {
			t.Fatal(err)
		}
		trusted(t, "renewed", s, "webhook", now)
	}
	renew(good)
	for key := range good.Data {
		bad := good.DeepCopy()
		bad.Data[key] = []byte("nonsense")
		renew(bad)
		bad = good.DeepCopy()
		delete(bad.Data, key)
		renew(bad)
	}
}

// Who empties the Secret, or makes it anew, gets another authority, and until that is known what is served stays trusted.
func TestAuthorityAfterTheSecretWasEmptied(t *testing.T) {
	a := newAuthority([]string{"webhook"}, DefaultLifetimes)
	now := time.Now()
	held, secret := &served{}, &corev1.Secret{}
	renew := func(step string) {
		t.Helper()
		held.complete(secret)
		if _, err := a.renewAuthority(secret, now); err != nil {
			t.Fatal(step, err)
		}
		if _, _, err := a.renewServer(secret, now); err != nil {
			t.Fatal(step, err)
		}
		trusted(t, step, secret, "webhook", now)
		if err := held.set(secret); err != nil {
			t.Fatal(step, err)
		}
	}
	renew("first")
	first := secret.DeepCopy()
	for _, step := range []string{"emptied", "emptied again before the new authority is known"} {
		secret.Data = nil
		renew(step)
		if bytes.Equal(secret.Data[authorityCert], first.Data[authorityCert]) || bytes.Equal(secret.Data[authorityKey], first.Data[authorityKey]) {
			t.Errorf("%s: the authority is the one before", step)
		}
		if !bytes.Equal(secret.Data[corev1.TLSCertKey], first.Data[corev1.TLSCertKey]) {
			t.Errorf("%s: another certificate is served before its authority is known", step)
		}
	}
	now = now.Add(2 * DefaultLifetimes.Overlap)
	renew("known")
	if bytes.Equal(secret.Data[corev1.TLSCertKey], first.Data[corev1.TLSCertKey]) {
		t.Error("the certificate of the authority before is still served")
	}
}
