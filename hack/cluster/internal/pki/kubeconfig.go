package pki

import (
	"encoding/base64"
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

// Kubeconfig writes out a kubeconfig for the holder of a leaf, with everything inline.
func (a *Authority) Kubeconfig(leaf, server string) ([]byte, error) {
	cert, err := os.ReadFile(a.CertFile(leaf))
	if err != nil {
		return nil, fmt.Errorf("making the kubeconfig of %s: %w", leaf, err)
	}
	key, err := os.ReadFile(a.KeyFile(leaf))
	if err != nil {
		return nil, fmt.Errorf("making the kubeconfig of %s: %w", leaf, err)
	}
	const name = "openfunction"
	return yaml.Marshal(map[string]any{
		"apiVersion":      "v1",
		"kind":            "Config",
		"current-context": name,
		"clusters": []any{map[string]any{"name": name, "cluster": map[string]any{
			"server":                     server,
			"certificate-authority-data": base64.StdEncoding.EncodeToString(a.CertPEM()),
		}}},
		"users": []any{map[string]any{"name": leaf, "user": map[string]any{
			"client-certificate-data": base64.StdEncoding.EncodeToString(cert),
			"client-key-data":         base64.StdEncoding.EncodeToString(key),
		}}},
		"contexts": []any{map[string]any{"name": name, "context": map[string]any{"cluster": name, "user": leaf}}},
	})
}
