// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openfunction/openfunction/pkg/daprd"
)

// asProgram makes the test binary the program itself, so that it can be copied and can become another one.
const asProgram = "RUN_DAPR_SHARED"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		_ = os.Unsetenv(asProgram)
		main()
	}
	os.Exit(m.Run())
}

// answer is what the API server says next.
type answer struct {
	code int
	data map[string]string // of the ConfigMap
	text string            // in place of JSON
}

// world is a pod: its service account, its folder, and an API server whose answers follow each other; the last one stays.
type world struct {
	dir, serviceAccount string
	asked               atomic.Int32
}

func newWorld(t *testing.T, answers ...answer) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), serviceAccount: t.TempDir()}
	server := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer pods-token" {
			t.Errorf("authorization %q", r.Header.Get("Authorization"))
		}
		if r.URL.Path != "/api/v1/namespaces/dapr-system/configmaps/dapr-trust-bundle" {
			t.Errorf("path %q", r.URL.Path)
		}
		a := answers[min(int(w.asked.Add(1)), len(answers))-1]
		rw.WriteHeader(a.code)
		switch {
		case a.text != "":
			_, _ = rw.Write([]byte(a.text))
		case a.code == http.StatusOK:
			_ = json.NewEncoder(rw).Encode(map[string]any{"kind": "ConfigMap", "data": a.data})
		default:
			_ = json.NewEncoder(rw).Encode(map[string]any{"kind": "Status", "message": "because of the test"})
		}
	}))
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", at.Hostname())
	t.Setenv("KUBERNETES_SERVICE_PORT", at.Port())
	put(t, filepath.Join(w.serviceAccount, "token"), "pods-token\n")
	put(t, filepath.Join(w.serviceAccount, "ca.crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	return w
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// init runs the subcommand init.
func (w *world) init(t *testing.T, more ...string) (int, string) {
	t.Helper()
	var stderr bytes.Buffer
	code := run(t.Context(), append([]string{"init", "--dir=" + w.dir, "--service-account-dir=" + w.serviceAccount, "--poll=1ms", "--timeout=30s"}, more...), &stderr)
	return code, stderr.String()
}

// become runs the subcommand run as a process of its own, which becomes env.
func (w *world) become(t *testing.T, env ...string) (string, string, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self, "run", "--dir="+w.dir, "--service-account-dir="+w.serviceAccount, "--timeout=5s", "--", "env", "-0")
	command.Env = append(append(os.Environ(), asProgram+"=yes"), env...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err = command.Run()
	for variable := range strings.SplitSeq(stdout.String(), "\x00") {
		if value, is := strings.CutPrefix(variable, trustAnchorsVariable+"="); is {
			return value, stderr.String(), err
		}
	}
	return "", stderr.String(), err
}

// root makes a certificate authority as sentry does.
func root(t *testing.T, name string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true,
		BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func bundle(anchors string) answer {
	return answer{code: http.StatusOK, data: map[string]string{"ca.crt": anchors, "jwks.json": "{}"}}
}

func TestConstantsAreThoseOfTheMaker(t *testing.T) {
	if trustAnchorsKey != daprd.TrustAnchorsKey || trustAnchorsVariable != daprd.TrustAnchorsVariable {
		t.Error("pkg/daprd says otherwise")
	}
}

func TestInitPutsBundleAndProgramInPlace(t *testing.T) {
	anchors := root(t, "first") + root(t, "second")
	w := newWorld(t, bundle(anchors))
	code, said := w.init(t)
	if code != 0 || !strings.Contains(said, "CN=first") || !strings.Contains(said, "CN=second") {
		t.Fatalf("exit %d: %s", code, said)
	}
	kept, err := os.ReadFile(filepath.Join(w.dir, anchorsFile))
	if err != nil || string(kept) != anchors {
		t.Errorf("kept %q, %v", kept, err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, wantMode := range map[string]os.FileMode{anchorsFile: 0o444, programFile: 0o555} {
		if info, err := os.Stat(filepath.Join(w.dir, name)); err != nil || info.Mode() != wantMode {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	want, wantErr := os.ReadFile(self)
	got, gotErr := os.ReadFile(filepath.Join(w.dir, programFile))
	if !bytes.Equal(want, got) {
		t.Errorf("the copy has %d bytes, the program %d (%v, %v)", len(got), len(want), gotErr, wantErr)
	}
	if left, _ := filepath.Glob(filepath.Join(w.dir, ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	// A pod whose sandbox died runs its init containers again.
	if code, said = w.init(t); code != 0 {
		t.Errorf("the second time: exit %d: %s", code, said)
	}
}

func TestInitSaysWhatItWaitsFor(t *testing.T) {
	anchors := root(t, "late")
	w := newWorld(t, answer{code: http.StatusNotFound}, answer{code: http.StatusNotFound}, answer{code: http.StatusForbidden},
		answer{code: http.StatusInternalServerError}, answer{code: http.StatusOK}, bundle("  \n"), bundle("hello"), bundle(anchors))
	code, said := w.init(t)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	lines := strings.Split(strings.TrimSpace(said), "\n")
	for i, want := range []string{
		"Waiting: Dapr's trust bundle, ConfigMap dapr-system/dapr-trust-bundle, does not exist; install Dapr into the namespace dapr-system",
		"Waiting: the pod's service account may not get ConfigMap dapr-system/dapr-trust-bundle",
		"Waiting: reading ConfigMap dapr-system/dapr-trust-bundle: the API server answered 500: because of the test",
		"Waiting: ConfigMap dapr-system/dapr-trust-bundle has no ca.crt yet; Dapr's sentry writes it",
		"Waiting: ca.crt of ConfigMap dapr-system/dapr-trust-bundle: it holds no certificate",
		"Dapr's trust bundle is in place",
	} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
			t.Fatalf("line %d is not %q in:\n%s", i, want, said)
		}
	}
	if len(lines) != 6 {
		t.Errorf("something was said twice:\n%s", said)
	}
}

func TestInitSaysItAgain(t *testing.T) {
	w := newWorld(t, answer{code: http.StatusNotFound}, answer{code: http.StatusNotFound}, answer{code: http.StatusNotFound}, bundle(root(t, "late")))
	if _, said := w.init(t, "--tell=1ns"); strings.Count(said, "Waiting: ") != 3 {
		t.Errorf("said %s", said)
	}
}

func TestInitGivesUp(t *testing.T) {
	w := newWorld(t, answer{code: http.StatusNotFound})
	code, said := w.init(t, "--timeout=300ms")
	last := said[strings.LastIndex(strings.TrimSpace(said), "\n")+1:]
	if code != 1 || !strings.HasPrefix(last, "Error: gave up after 300ms: Dapr's trust bundle, ConfigMap dapr-system/dapr-trust-bundle, does not exist") {
		t.Errorf("exit %d: %s", code, said)
	}
}

func TestInitStopsWhenTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := wait(ctx, settings{timeout: time.Hour, poll: time.Hour, tell: time.Hour, log: &bytes.Buffer{}},
		func(context.Context) ([]byte, error) { return nil, errors.New("not yet") })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestRunBecomesDaprd(t *testing.T) {
	anchors := root(t, "now")
	w := newWorld(t, bundle(anchors))
	got, said, err := w.become(t, trustAnchorsVariable+"=old", "DAPR_SHARED_POLL=1s")
	if got != anchors || err != nil {
		t.Errorf("daprd would trust %q: %v %s", got, err, said)
	}
}

func TestRunTakesWhatInitLeft(t *testing.T) {
	anchors := root(t, "kept")
	w := newWorld(t, answer{code: http.StatusServiceUnavailable, text: "<html>"})
	put(t, filepath.Join(w.dir, anchorsFile), anchors)
	got, said, err := w.become(t)
	if got != anchors || err != nil || !strings.Contains(said, "Using the trust anchors of the pod's start") {
		t.Errorf("daprd would trust %q: %v %s", got, err, said)
	}
}

func TestRunNeedsTrustAnchors(t *testing.T) {
	w := newWorld(t, answer{code: http.StatusNotFound})
	if _, said, err := w.become(t); err == nil || !strings.Contains(said, "does not exist") || !strings.Contains(said, "reading what init left") {
		t.Errorf("got %v: %s", err, said)
	}
	put(t, filepath.Join(w.dir, anchorsFile), "damaged")
	if _, said, err := w.become(t); err == nil || !strings.Contains(said, "trust anchors: it holds no certificate") {
		t.Errorf("got %v: %s", err, said)
	}
}

func TestUsage(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		env  string
		want string
	}{
		"Nothing":         {want: "usage: dapr-shared init"},
		"Unknown":         {args: []string{"install"}, want: "usage: dapr-shared init"},
		"InitWithCommand": {args: []string{"init", "daprd"}, want: `unexpected argument "daprd"`},
		"RunWithout":      {args: []string{"run"}, want: "run needs the command line of daprd after --"},
		"CheckWhat":       {args: []string{"check", "--url=http://a"}, want: "check needs --url and --app-id"},
		"Flag":            {args: []string{"init", "--speed=1"}, want: "-speed"},
		"Never":           {args: []string{"init", "--poll=0"}, want: "must be more than nothing"},
		"Environment":     {args: []string{"init"}, env: "soon", want: "DAPR_SHARED_TIMEOUT"},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.env != "" {
				t.Setenv("DAPR_SHARED_TIMEOUT", tt.env)
			}
			var stderr bytes.Buffer
			if code := run(t.Context(), tt.args, &stderr); code != 2 || !strings.Contains(stderr.String(), tt.want) {
				t.Errorf("exit %d: %s", code, stderr.String())
			}
		})
	}
}

func TestOutsideAPod(t *testing.T) {
	w := newWorld(t, answer{code: http.StatusOK})
	put(t, filepath.Join(w.serviceAccount, "ca.crt"), "no certificate")
	if code, said := w.init(t); code != 1 || !strings.Contains(said, "holds no certificate") {
		t.Errorf("exit %d: %s", code, said)
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if code, said := w.init(t); code != 1 || !strings.Contains(said, "this program runs in a pod only") {
		t.Errorf("exit %d: %s", code, said)
	}
}

func TestCheck(t *testing.T) {
	var healthy, there atomic.Bool
	const right = `{"id":"orders","runtimeVersion":"1.18.2","appConnectionProperties":{"port":80,"protocol":"http","channelAddress":"app"},
		"components":[{"name":"redis","type":"pubsub.redis"}]}`
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("dapr-api-token") != "secret":
			rw.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/v1.0/healthz/outbound" && healthy.Swap(true), r.URL.Path == "/v1.0/healthz" && there.Load(): // unhealthy once
			rw.WriteHeader(http.StatusNoContent)
		case r.URL.Path == "/v1.0/metadata":
			_, _ = rw.Write([]byte(right))
		default:
			rw.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer server.Close()
	for name, tt := range map[string]struct {
		args  []string
		token string
		code  int
		want  string
	}{
		"Right":   {[]string{"--app-id=orders", "--app-address=app", "--app-port=80"}, "secret", 0, "calls http://app:80 and has the components: redis (pubsub.redis)"},
		"Away":    {[]string{"--app-id=orders"}, "secret", 0, "cannot reach the application yet at http://app:80"},
		"AppID":   {[]string{"--app-id=other"}, "secret", 1, `daprd has the app id "orders", not "other"`},
		"Address": {[]string{"--app-id=orders", "--app-address=elsewhere"}, "secret", 1, `at "app", not at "elsewhere"`},
		"Port":    {[]string{"--app-id=orders", "--app-port=81"}, "secret", 1, "on port 80, not on 81"},
		"Token":   {[]string{"--app-id=orders"}, "guess", 1, "daprd wants another API token"},
	} {
		t.Run(name, func(t *testing.T) {
			healthy.Store(false)
			there.Store(name != "Away")
			t.Setenv("DAPR_API_TOKEN", tt.token)
			timeout := "30s"
			if tt.code != 0 {
				timeout = "200ms"
			}
			var stderr bytes.Buffer
			code := run(t.Context(), append([]string{"check", "--url=" + server.URL, "--poll=1ms", "--timeout=" + timeout}, tt.args...), &stderr)
			if code != tt.code || !strings.Contains(stderr.String(), tt.want) {
				t.Errorf("exit %d: %s", code, stderr.String())
			}
		})
	}
}

// FuzzCheckAnchors asks that what is let through can stand in an environment and holds a certificate.
func FuzzCheckAnchors(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte("\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if checkAnchors(text) != nil {
			return
		}
		if bytes.IndexByte(text, 0) >= 0 || len(text) > 128<<10 || !x509.NewCertPool().AppendCertsFromPEM(text) {
			t.Errorf("let through: %q", text)
		}
	})
}
