// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
)

// tokenHeader is the header, and the gRPC metadata key, that Dapr and its SDKs pass the app token in.
const tokenHeader = "dapr-api-token" //nolint:gosec // the name of one

const (
	maxToken        = 4 << 10
	rereadTokens    = time.Second
	currentToken    = "token"
	precedingToken  = "previous"
	tokensPerSecret = 2
)

// tokens is the app token, as the mounted Secret has it now.
type tokens struct {
	dir string
	now atomic.Pointer[tokenSet]
}

// tokenSet is one state of the Secret: the token, and the one before it while a rotation goes on.
type tokenSet struct {
	values [tokensPerSecret]string // the second may be empty
	sums   [tokensPerSecret][sha256.Size]byte
}

func newTokens(dir string) (*tokens, error) {
	set, err := readTokens(dir)
	if err != nil {
		return nil, err
	}
	t := &tokens{dir: dir}
	t.now.Store(set)
	return t, nil
}

// readTokens never repeats what it read in an error.
func readTokens(dir string) (*tokenSet, error) {
	token, err := readToken(filepath.Join(dir, currentToken))
	if err != nil {
		return nil, fmt.Errorf("reading the app token: %w", err)
	}
	if token == "" {
		return nil, errors.New("the app token is empty: the agent does not work without one")
	}
	previous, err := readToken(filepath.Join(dir, precedingToken))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("reading the app token before: %w", err)
	}
	return newTokenSet(token, previous), nil
}

func newTokenSet(token, previous string) *tokenSet {
	if previous == token {
		previous = ""
	}
	s := &tokenSet{values: [tokensPerSecret]string{token, previous}}
	for i, v := range s.values {
		s.sums[i] = sha256.Sum256([]byte(v))
	}
	return s
}

func readToken(path string) (string, error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxToken {
		return "", errors.New("a token has at most 4 KiB")
	}
	token := strings.TrimSpace(string(text))
	for _, c := range []byte(token) {
		if c <= ' ' || c > '~' {
			return "", errors.New("a token has printable characters only")
		}
	}
	return token, nil
}

// accepts compares in constant time: neither how much of a token is right nor how long it is can be measured.
func (t *tokens) accepts(given string) bool {
	set, sum, ok := t.now.Load(), sha256.Sum256([]byte(given)), 0
	for i := range set.values {
		known := subtle.ConstantTimeEq(int32(min(len(set.values[i]), 1)), 1)
		ok |= known & subtle.ConstantTimeCompare(sum[:], set.sums[i][:])
	}
	return ok == 1
}

// watch reads the files again and again: the kubelet swaps a whole folder, and tells nobody. A state it cannot use changes nothing.
func (t *tokens) watch(ctx context.Context, log logr.Logger) {
	tick := time.NewTicker(rereadTokens)
	defer tick.Stop()
	broken := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		set, err := readTokens(t.dir)
		if err != nil && !broken {
			log.Error(err, "Kept the app token, its files are not usable")
		}
		if broken = err != nil; broken {
			continue
		}
		if set.values != t.now.Load().values {
			t.now.Store(set)
			log.Info("Took the new app token")
		}
	}
}
