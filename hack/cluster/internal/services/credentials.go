package services

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
)

const gitUser = "git"

// Credentials makes sure that the git server's keys and password are there, and returns the password.
func Credentials(l layout.Layout, p Ports) (password string, err error) {
	passwordFile := l.Path("git", "password")
	content, err := os.ReadFile(passwordFile)
	if err != nil || len(content) < 16 {
		content = []byte(rand.Text())
		if err := layout.WriteFile(passwordFile, content, 0o600); err != nil {
			return "", err
		}
	}
	host, err := sshKey(l.Path("git", "host_key"))
	if err != nil {
		return "", err
	}
	client, err := sshKey(l.Path("git", "client_key"))
	if err != nil {
		return "", err
	}
	if _, err := layout.WriteIfChanged(l.Path("git", "authorized_keys"), ssh.MarshalAuthorizedKey(client), 0o644); err != nil {
		return "", err
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(host)))
	known := fmt.Sprintf("%s %s\n[127.0.0.1]:%d %s\n", layout.GitName, line, p["git-ssh"], line)
	_, err = layout.WriteIfChanged(l.Path("git", "known_hosts"), []byte(known), 0o644)
	return string(content), err
}

// sshKey loads a key, making it if it is not there or broken, and returns its public half.
func sshKey(file string) (ssh.PublicKey, error) {
	if content, err := os.ReadFile(file); err == nil {
		if signer, err := ssh.ParsePrivateKey(content); err == nil {
			return signer.PublicKey(), nil
		}
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making %s: %w", file, err)
	}
	block, err := ssh.MarshalPrivateKey(private, "openfunction-cluster")
	if err != nil {
		return nil, fmt.Errorf("making %s: %w", file, err)
	}
	if err := layout.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	return ssh.NewPublicKey(public)
}
