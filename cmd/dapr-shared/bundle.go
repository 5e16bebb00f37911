// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// askTimeout is how long one answer of the API server may take.
	askTimeout = 5 * time.Second
	// maxAnswer is more than the largest ConfigMap as JSON.
	maxAnswer = 8 << 20
)

// apiServer is Kubernetes as a pod reaches it with its service account. A client library would be eight times as large as the rest.
type apiServer struct {
	url            string
	serviceAccount fs.FS
	client         *http.Client
}

// inCluster finds the API server of the pod this runs in.
func inCluster(serviceAccount string) (*apiServer, error) {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return nil, errors.New("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this program runs in a pod only")
	}
	authorities, err := fs.ReadFile(os.DirFS(serviceAccount), "ca.crt")
	if err != nil {
		return nil, fmt.Errorf("reading the service account, which the pod must mount: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authorities) {
		return nil, fmt.Errorf("the service account's ca.crt in %s holds no certificate", serviceAccount)
	}
	return &apiServer{
		url:            "https://" + net.JoinHostPort(host, port),
		serviceAccount: os.DirFS(serviceAccount),
		client: &http.Client{
			Timeout:   askTimeout,
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}},
		},
	}, nil
}

// trustAnchors reads the trust anchors out of the ConfigMap. An error says what a user would do about it.
func (a *apiServer) trustAnchors(ctx context.Context, namespace, name string) ([]byte, error) {
	body, err := a.get(ctx, "/api/v1/namespaces/"+url.PathEscape(namespace)+"/configmaps/"+url.PathEscape(name))
	var refused *refusal
	switch {
	case errors.As(err, &refused) && refused.code == http.StatusNotFound:
		return nil, fmt.Errorf("Dapr's trust bundle, ConfigMap %s/%s, does not exist; install Dapr into the namespace %s, or name the one it is in "+
			"(shared.controlPlane.namespace)", namespace, name, namespace)
	case errors.As(err, &refused) && refused.code == http.StatusForbidden:
		return nil, fmt.Errorf("the pod's service account may not get ConfigMap %s/%s; bind it to a Role there that allows it (%s)",
			namespace, name, refused.message)
	case err != nil:
		return nil, fmt.Errorf("reading ConfigMap %s/%s: %w", namespace, name, err)
	}
	var bundle struct {
		Data map[string]string `json:"data"`
	}
	if err := json.Unmarshal(body, &bundle); err != nil {
		return nil, fmt.Errorf("reading ConfigMap %s/%s: %w", namespace, name, err)
	}
	text := bundle.Data[trustAnchorsKey]
	if strings.TrimSpace(text) == "" {
		return nil, fmt.Errorf("ConfigMap %s/%s has no %s yet; Dapr's sentry writes it when it runs, see kubectl -n %s get pods -l app=dapr-sentry",
			namespace, name, trustAnchorsKey, namespace)
	}
	if err := checkAnchors([]byte(text)); err != nil {
		return nil, fmt.Errorf("%s of ConfigMap %s/%s: %w", trustAnchorsKey, namespace, name, err)
	}
	return []byte(text), nil
}

// refusal is an answer of the API server other than 200.
type refusal struct {
	code    int
	message string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the API server answered %d: %s", r.code, r.message)
}

func (a *apiServer) get(ctx context.Context, path string) ([]byte, error) {
	token, err := fs.ReadFile(a.serviceAccount, "token") // each time: the kubelet renews it
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+path, http.NoBody) //nolint:gosec // The kubelet says where the API server is.
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	request.Header.Set("Accept", "application/json")
	response, err := a.client.Do(request) //nolint:gosec // As above.
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		var status struct {
			Message string `json:"message"`
		}
		_ = json.Unmarshal(body, &status) // a proxy on the way may not speak JSON
		return nil, &refusal{response.StatusCode, cmp.Or(status.Message, http.StatusText(response.StatusCode))}
	}
	return body, nil
}

// checkAnchors refuses what daprd would only fail on later.
func checkAnchors(text []byte) error {
	if _, err := certificates(text); err != nil {
		return err
	}
	// Linux takes no longer string into an environment.
	if size := len(trustAnchorsVariable) + 1 + len(text) + 1; size > 128<<10 {
		return fmt.Errorf("%d bytes are more than an environment variable can hold", size)
	}
	return nil
}

func certificates(text []byte) ([]*x509.Certificate, error) {
	if strings.ContainsRune(string(text), 0) {
		return nil, errors.New("it is not text")
	}
	var found []*x509.Certificate
	for rest := text; ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("it holds a %s where only certificates may be", strings.ToLower(block.Type))
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		found = append(found, certificate)
	}
	if len(found) == 0 {
		return nil, errors.New("it holds no certificate")
	}
	return found, nil
}

// describe says which certificates these are.
func describe(anchors []byte) string {
	found, err := certificates(anchors)
	if err != nil {
		return err.Error()
	}
	var texts []string
	for _, c := range found {
		texts = append(texts, fmt.Sprintf("%q until %s", c.Subject.String(), c.NotAfter.UTC().Format(time.RFC3339)))
	}
	return strings.Join(texts, ", ")
}

// write puts a file in place whole or not at all.
func write(path string, mode os.FileMode, content io.Reader) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer os.Remove(file.Name())
	_, err = io.Copy(file, content)
	if err = errors.Join(err, file.Chmod(mode), file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
