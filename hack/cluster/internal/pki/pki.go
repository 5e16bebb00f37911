// Package pki makes the cluster's keys and certificates: one authority that signs everything, a leaf per component, and
// the key of service account tokens. What is there and still good is kept, so that running it again changes nothing.
package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
)

const (
	lifetime = 10 * 365 * 24 * time.Hour
	// renewal is how long before its end a leaf is replaced.
	renewal = 30 * 24 * time.Hour
)

// Leaf describes a certificate.
type Leaf struct {
	// Name is the name of the files, without ending.
	Name string
	// User is the common name, which Kubernetes takes for the user.
	User string
	// Groups are the organisations, which Kubernetes takes for the groups.
	Groups []string
	// DNS and IPs are the names a server is reached by; a leaf without any is for clients only.
	DNS []string
	// IPs are addresses in text form.
	IPs []string
}

// Authority is the certificate authority in a folder.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Open loads the authority of a folder, making it if it is not there or unusable.
func Open(dir string, now time.Time) (*Authority, error) {
	a := &Authority{dir: dir}
	cert, key, err := readPair(a.CertFile("ca"), a.KeyFile("ca"))
	if err == nil && cert.IsCA && now.Before(cert.NotAfter.Add(-renewal)) {
		a.cert, a.key = cert, key
		return a, nil
	}
	key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the authority's key: %w", err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "openfunction-cluster"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	if a.cert, err = sign(template, template, key, key, now); err != nil {
		return nil, fmt.Errorf("making the authority: %w", err)
	}
	a.key = key
	return a, writePair(a.CertFile("ca"), a.KeyFile("ca"), a.cert, key)
}

// CertFile is the path of a certificate.
func (a *Authority) CertFile(name string) string { return filepath.Join(a.dir, name+".crt") }

// KeyFile is the path of a key.
func (a *Authority) KeyFile(name string) string { return filepath.Join(a.dir, name+".key") }

// CertPEM is the authority's certificate.
func (a *Authority) CertPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// Issue makes sure that a good certificate for the leaf is there.
func (a *Authority) Issue(l Leaf, now time.Time) error {
	if cert, _, err := readPair(a.CertFile(l.Name), a.KeyFile(l.Name)); err == nil && a.fits(cert, l, now) {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making the key of %s: %w", l.Name, err)
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: l.User, Organization: l.Groups},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		DNSNames:    l.DNS,
	}
	for _, ip := range l.IPs {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(ip))
	}
	if len(l.DNS)+len(l.IPs) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	cert, err := sign(template, a.cert, key, a.key, now)
	if err != nil {
		return fmt.Errorf("signing %s: %w", l.Name, err)
	}
	return writePair(a.CertFile(l.Name), a.KeyFile(l.Name), cert, key)
}

// SigningKey makes sure that the key of service account tokens is there, and returns the paths of key and public key.
func (a *Authority) SigningKey() (private, public string, err error) {
	private, public = a.KeyFile("service-accounts"), filepath.Join(a.dir, "service-accounts.pub")
	key, err := readKey(private)
	if err != nil {
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return "", "", fmt.Errorf("making the key of service accounts: %w", err)
		}
		if err := writeKey(private, key); err != nil {
			return "", "", err
		}
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return "", "", fmt.Errorf("encoding the public key of service accounts: %w", err)
	}
	_, err = layout.WriteIfChanged(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644)
	return private, public, err
}

// fits tells whether a certificate is signed by this authority, lasts, and says what the leaf asks for.
func (a *Authority) fits(cert *x509.Certificate, l Leaf, now time.Time) bool {
	ips := make([]string, 0, len(cert.IPAddresses))
	for _, ip := range cert.IPAddresses {
		ips = append(ips, ip.String())
	}
	return cert.CheckSignatureFrom(a.cert) == nil &&
		now.Before(cert.NotAfter.Add(-renewal)) &&
		cert.Subject.CommonName == l.User &&
		slices.Equal(cert.Subject.Organization, l.Groups) &&
		slices.Equal(cert.DNSNames, l.DNS) &&
		slices.Equal(ips, l.IPs)
}

func sign(template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey, now time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = now.Add(-time.Hour), now.Add(lifetime)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func readPair(certFile, keyFile string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := readKey(keyFile)
	if err != nil {
		return nil, nil, err
	}
	content, err := os.ReadFile(certFile)
	if err != nil {
		return nil, nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, nil, errors.New("no certificate in " + certFile)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, nil, err
	}
	if public, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok || !public.Equal(&key.PublicKey) {
		return nil, nil, errors.New("key and certificate do not match in " + certFile)
	}
	return cert, key, nil
}

func readKey(file string) (*ecdsa.PrivateKey, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(content)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("no key in " + file)
	}
	return x509.ParseECPrivateKey(block.Bytes)
}

// writePair writes the key first: a crash in between leaves a certificate that does not match, which is made anew.
func writePair(certFile, keyFile string, cert *x509.Certificate, key *ecdsa.PrivateKey) error {
	if err := writeKey(keyFile, key); err != nil {
		return err
	}
	return layout.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o644)
}

func writeKey(file string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", file, err)
	}
	return layout.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}
