// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
)

// become is `run`: it replaces this process by daprd, so that signals, exit codes and probes are daprd's own. The trust bundle is read
// again, for a daprd whose container is restarted because the root certificate has changed; without an answer, what init found holds.
func become(ctx context.Context, s settings) error {
	program, err := exec.LookPath(s.command[0])
	if err != nil {
		return fmt.Errorf("finding daprd: %w", err)
	}
	anchors, err := s.newestAnchors(ctx)
	if err != nil {
		return err
	}
	if err := checkAnchors(anchors); err != nil {
		return fmt.Errorf("trust anchors: %w", err)
	}
	environment := append(slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, trustAnchorsVariable+"=") || strings.HasPrefix(variable, "DAPR_SHARED_")
	}), trustAnchorsVariable+"="+string(anchors))
	//nolint:gosec // The command is the pod's own.
	return fmt.Errorf("starting %s: %w", program, syscall.Exec(program, s.command, environment))
}

func (s settings) newestAnchors(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, min(s.timeout, askTimeout))
	defer cancel()
	var anchors []byte
	api, err := inCluster(s.serviceAccount)
	if err == nil {
		anchors, err = api.trustAnchors(ctx, s.namespace, s.name)
	}
	if err == nil {
		return anchors, nil
	}
	kept, unread := fs.ReadFile(os.DirFS(s.dir), anchorsFile)
	if unread != nil {
		return nil, errors.Join(err, fmt.Errorf("reading what init left: %w", unread))
	}
	fmt.Fprintf(s.log, "Using the trust anchors of the pod's start: %v\n", err)
	return kept, nil
}
