package pki

import (
	"crypto/x509"
	"os"
	"testing"
	"time"
)

var (
	now    = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	server = Leaf{Name: "apiserver", User: "kube-apiserver", DNS: []string{"kubernetes"}, IPs: []string{"10.96.0.1", "127.0.0.1"}}
)

func open(t *testing.T, dir string, at time.Time) *Authority {
	t.Helper()
	a, err := Open(dir, at)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *Authority, l Leaf, at time.Time) string {
	t.Helper()
	if err := a.Issue(l, at); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(a.CertFile(l.Name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestIssueKeepsWhatIsGood(t *testing.T) {
	dir := t.TempDir()
	first := issue(t, open(t, dir, now), server, now)
	if again := issue(t, open(t, dir, now), server, now); again != first {
		t.Error("a good certificate was replaced")
	}
	if late := issue(t, open(t, dir, now), server, now.Add(lifetime-renewal/2)); late == first {
		t.Error("a certificate that is about to end was kept")
	}
	other := server
	other.IPs = []string{"10.96.0.1"}
	if issue(t, open(t, dir, now), other, now) == first {
		t.Error("a certificate for other addresses was kept")
	}
}

func TestIssueReplacesWhatIsBroken(t *testing.T) {
	for name, spoil := range map[string]func(a *Authority) error{
		"HalfACertificate": func(a *Authority) error { return os.Truncate(a.CertFile("apiserver"), 40) },
		"NoKey":            func(a *Authority) error { return os.Remove(a.KeyFile("apiserver")) },
		"AnotherKey":       func(a *Authority) error { return os.Rename(a.KeyFile("ca"), a.KeyFile("apiserver")) },
		"AnotherAuthority": func(a *Authority) error { return os.Remove(a.CertFile("ca")) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			a := open(t, dir, now)
			first := issue(t, a, server, now)
			if err := spoil(a); err != nil {
				t.Fatal(err)
			}
			a = open(t, dir, now)
			if issue(t, a, server, now) == first {
				t.Fatal("the certificate was kept")
			}
			cert, _, err := readPair(a.CertFile("apiserver"), a.KeyFile("apiserver"))
			if err != nil {
				t.Fatal(err)
			}
			roots := x509.NewCertPool()
			roots.AddCert(a.cert)
			if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: "127.0.0.1", CurrentTime: now}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSigningKeyStays(t *testing.T) {
	dir := t.TempDir()
	read := func() string {
		private, public, err := open(t, dir, now).SigningKey()
		if err != nil {
			t.Fatal(err)
		}
		a, _ := os.ReadFile(private)
		b, _ := os.ReadFile(public)
		return string(a) + string(b)
	}
	if first := read(); read() != first {
		t.Error("the key changed, and with it every token would have become worthless")
	}
}
