// SPDX-License-Identifier: Apache-2.0

package conversion

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/open-policy-agent/cert-controller/pkg/rotator"
	corev1 "k8s.io/api/core/v1"
)

// The keys of the Secret.
const (
	authorityCert = "ca.crt"
	authorityKey  = "ca.key"
	previousCert  = "ca-previous.crt"
)

// Lifetimes say how long certificates are good for, and how long before their end they are replaced.
type Lifetimes struct {
	Authority, AuthorityMargin time.Duration
	Server, ServerMargin       time.Duration
	// Overlap is how long a new authority is known to the API server before a certificate that it signed is served.
	Overlap time.Duration
}

// DefaultLifetimes are those of an authority that outlives most clusters, and of certificates that are replaced every two months.
var DefaultLifetimes = Lifetimes{
	Authority: 10 * 365 * 24 * time.Hour, AuthorityMargin: 365 * 24 * time.Hour,
	Server: 90 * 24 * time.Hour, ServerMargin: 30 * 24 * time.Hour,
	Overlap: time.Minute,
}

// authority makes and judges the certificates in a Secret. It has no clock of its own.
type authority struct {
	rotator   rotator.CertRotator
	lifetimes Lifetimes
}

// backdated is how long before it is made a certificate begins, for clocks that are behind.
const backdated = time.Hour

var serverAuth = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}

func newAuthority(hosts []string, lifetimes Lifetimes) authority {
	return authority{lifetimes: lifetimes, rotator: rotator.CertRotator{
		CAName:         "openfunction-webhook-ca",
		CAOrganization: "openfunction",
		DNSName:        hosts[0],
		ExtraDNSNames:  hosts[1:],
		ExtKeyUsages:   &serverAuth,
	}}
}

// renewAuthority puts a new authority into the Secret where there is none, or one that is about to end, and tells whether it did. The one
// before it is still trusted, and so is the one that the certificate comes from that is served until the new one is known.
func (a authority) renewAuthority(secret *corev1.Secret, now time.Time) (bool, error) {
	cert, key := secret.Data[authorityCert], secret.Data[authorityKey]
	if valid(cert, cert, key, a.rotator.CAName, nil, now.Add(a.lifetimes.AuthorityMargin)) {
		return false, nil
	}
	made, err := a.rotator.CreateCACert(now.Add(-backdated), now.Add(a.lifetimes.Authority))
	if err != nil {
		return false, fmt.Errorf("making a certificate authority: %w", err)
	}
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	switch previous := secret.Data[previousCert]; {
	case valid(cert, cert, key, a.rotator.CAName, nil, now):
		secret.Data[previousCert] = cert
	case !a.serves(previous, secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey], now):
		delete(secret.Data, previousCert)
	}
	secret.Data[authorityCert], secret.Data[authorityKey] = made.CertPEM, made.KeyPEM
	return true, nil
}

// renewServer puts a new certificate into the Secret where there is none, or one that is about to end or that another authority signed. As
// long as the one that is there can be served it waits until everybody knows a new authority. It tells whether it changed the Secret, and
// when it has to look again.
func (a authority) renewServer(secret *corev1.Secret, now time.Time) (changed bool, again time.Time, err error) {
	cert, key := secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey]
	if a.serves(secret.Data[authorityCert], cert, key, now.Add(a.lifetimes.ServerMargin)) {
		return false, a.next(secret), nil
	}
	signer, err := signerIn(secret)
	if err != nil {
		return false, time.Time{}, err
	}
	if known := signer.Cert.NotBefore.Add(backdated + a.lifetimes.Overlap); now.Before(known) && a.serves(secret.Data[previousCert], cert, key, known) {
		return false, known, nil
	}
	end := now.Add(a.lifetimes.Server)
	if end.After(signer.Cert.NotAfter) {
		end = signer.Cert.NotAfter
	}
	if cert, key, err = a.rotator.CreateCertPEM(signer, now.Add(-backdated), end); err != nil {
		return false, time.Time{}, fmt.Errorf("making a certificate: %w", err)
	}
	secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey] = cert, key
	return true, a.next(secret), nil
}

func (a authority) serves(authority, cert, key []byte, at time.Time) bool {
	return valid(authority, cert, key, a.rotator.DNSName, &serverAuth, at)
}

// valid tells whether a key pair is good at a time. That it is not is a reason to make another, whatever is wrong with it.
func valid(authority, cert, key []byte, name string, usages *[]x509.ExtKeyUsage, at time.Time) bool {
	good, err := rotator.ValidCert(authority, cert, key, name, usages, at)
	return err == nil && good
}

// next returns when the first of the certificates has to be replaced.
func (a authority) next(secret *corev1.Secret) time.Time {
	next := endOf(secret.Data[authorityCert]).Add(-a.lifetimes.AuthorityMargin)
	if server := endOf(secret.Data[corev1.TLSCertKey]).Add(-a.lifetimes.ServerMargin); server.Before(next) {
		next = server
	}
	return next
}

// endOf returns when a certificate ends.
func endOf(text []byte) time.Time {
	cert, err := parse(text)
	if err != nil {
		return time.Time{}
	}
	return cert.NotAfter
}

func parse(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

// signerIn returns the authority in a Secret, ready to sign.
func signerIn(secret *corev1.Secret) (*rotator.KeyPairArtifacts, error) {
	cert, err := parse(secret.Data[authorityCert])
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", authorityCert, err)
	}
	block, _ := pem.Decode(secret.Data[authorityKey])
	if block == nil {
		return nil, fmt.Errorf("reading %s: no PEM", authorityKey)
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", authorityKey, err)
	}
	return &rotator.KeyPairArtifacts{Cert: cert, Key: key, CertPEM: secret.Data[authorityCert], KeyPEM: secret.Data[authorityKey]}, nil
}

// signerOf returns the authority that signed the certificate in a Secret: the one before, until the next is known.
func signerOf(secret *corev1.Secret) []byte {
	certificate, err := parse(secret.Data[corev1.TLSCertKey])
	if err != nil {
		return nil
	}
	for _, text := range [][]byte{secret.Data[authorityCert], secret.Data[previousCert]} {
		if signer, err := parse(text); err == nil && certificate.CheckSignatureFrom(signer) == nil {
			return text
		}
	}
	return nil
}

// bundle returns the authorities to trust.
func bundle(secret *corev1.Secret) []byte {
	return bytes.Join([][]byte{secret.Data[authorityCert], secret.Data[previousCert]}, nil)
}
