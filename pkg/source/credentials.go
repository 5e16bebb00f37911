// SPDX-License-Identifier: Apache-2.0

package source

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
)

// Credentials are the contents of a Secret of type kubernetes.io/basic-auth or kubernetes.io/ssh-auth.
type Credentials struct {
	// Username and Password are for http and https. A token goes into Password.
	Username, Password string
	// SSHKey is a private key in PEM form without a passphrase.
	SSHKey []byte
	// KnownHostsFile is the path of a known_hosts file, empty when there is none.
	KnownHostsFile string
	// CA is a PEM bundle to trust beside the system's.
	CA []byte
}

// ReadCredentials reads the folder a Secret is mounted at.
func ReadCredentials(dir string) (*Credentials, error) {
	c := &Credentials{}
	files := map[string]*[]byte{"ssh-privatekey": &c.SSHKey, "ca.crt": &c.CA}
	var username, password, knownHosts []byte
	files["username"], files["password"], files["known_hosts"] = &username, &password, &knownHosts
	for name, to := range files {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, failure(InvalidCredentials, "cannot read %s of the credentials Secret: %v", name, err)
		}
		*to = content
	}
	c.Username, c.Password = strings.TrimSpace(string(username)), strings.TrimRight(string(password), "\r\n")
	if len(knownHosts) > 0 {
		c.KnownHostsFile = filepath.Join(dir, "known_hosts")
	}
	if c.Password == "" && c.Username == "" && len(c.SSHKey) == 0 && len(c.CA) == 0 {
		return nil, failure(InvalidCredentials, "the credentials Secret has neither username and password (type "+
			"kubernetes.io/basic-auth) nor ssh-privatekey (type kubernetes.io/ssh-auth)")
	}
	if len(c.CA) > 0 && !x509.NewCertPool().AppendCertsFromPEM(c.CA) {
		return nil, failure(InvalidCredentials, "ca.crt of the credentials Secret holds no PEM certificate")
	}
	return c, nil
}

func (c *Credentials) secrets() []string {
	if c == nil {
		return nil
	}
	return []string{c.Password, strings.TrimSpace(string(c.SSHKey))}
}

// auth returns how to log in at an endpoint, nil for not at all.
func (g *Git) auth(endpoint *transport.Endpoint, progress io.Writer) (transport.AuthMethod, error) {
	switch endpoint.Protocol {
	case "http", "https":
		if g.Credentials == nil || g.Credentials.Password == "" && g.Credentials.Username == "" {
			if g.Credentials != nil && len(g.Credentials.SSHKey) > 0 {
				return nil, failure(InvalidCredentials, "the credentials Secret has an ssh key, but %s is not an ssh URL: "+
					"use a Secret with username and password, or a URL such as ssh://git@%s%s", Redact(g.URL), endpoint.Host, endpoint.Path)
			}
			return nil, nil
		}
		user := g.Credentials.Username
		if user == "" {
			user = "git" // a token alone: servers ignore the name
		}
		return &githttp.BasicAuth{Username: user, Password: g.Credentials.Password}, nil
	case "ssh":
		return g.sshAuth(endpoint, progress)
	default:
		return nil, nil
	}
}

func (g *Git) sshAuth(endpoint *transport.Endpoint, progress io.Writer) (transport.AuthMethod, error) {
	user := endpoint.User
	if user == "" {
		user = gitssh.DefaultUsername
	}
	if g.Credentials == nil || len(g.Credentials.SSHKey) == 0 {
		return nil, failure(AuthenticationFailed,
			"%s is an ssh URL and needs a key: set credentials to a Secret of type kubernetes.io/ssh-auth", Redact(g.URL))
	}
	keys, err := gitssh.NewPublicKeys(user, append(g.Credentials.SSHKey, '\n'), "")
	if err != nil {
		if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked {
			return nil, failure(InvalidCredentials, "ssh-privatekey of the credentials Secret has a passphrase: use a key without one")
		}
		return nil, failure(InvalidCredentials, "ssh-privatekey of the credentials Secret is not a private key in PEM form")
	}
	if g.Credentials.KnownHostsFile != "" {
		hosts, err := knownhosts.NewDB(g.Credentials.KnownHostsFile)
		if err != nil {
			return nil, failure(InvalidCredentials, "known_hosts of the credentials Secret cannot be read: %s", oneLine(err.Error()))
		}
		keys.HostKeyCallback = hosts.HostKeyCallback()
		keys.HostKeyAlgorithms = hosts.HostKeyAlgorithms(hostPort(endpoint))
		return keys, nil
	}
	if g.RequireKnownHosts {
		return nil, failure(InvalidCredentials, "the credentials Secret has no known_hosts, which this cluster requires: "+
			"add the output of `ssh-keyscan %s` to it under that name", endpoint.Host)
	}
	told := false
	keys.HostKeyCallback = func(host string, _ net.Addr, key ssh.PublicKey) error {
		if !told {
			fmt.Fprintf(progress, "Warning: trusting %s with host key %s %s unchecked; add known_hosts to the credentials Secret to check it\n",
				host, key.Type(), ssh.FingerprintSHA256(key))
		}
		told = true
		return nil
	}
	return keys, nil
}

func hostPort(endpoint *transport.Endpoint) string {
	port := endpoint.Port
	if port <= 0 {
		port = 22
	}
	return net.JoinHostPort(endpoint.Host, fmt.Sprint(port))
}
