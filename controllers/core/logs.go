// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"fmt"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
)

// maxLogLines is how many lines of a log are asked for; those that do not fit the limit in bytes are dropped from the front.
const maxLogLines = 50

// PodLogs reads logs from the API server.
type PodLogs struct {
	// Clientset is allowed to get pods/log.
	Clientset kubernetes.Interface
}

// Tail returns whole lines from the end of the container's log, at most limit bytes. It is empty when the pod is gone.
func (l PodLogs) Tail(ctx context.Context, namespace, pod, container string, limit int64) (string, error) {
	if pod == "" || container == "" {
		return "", nil
	}
	options := &corev1.PodLogOptions{Container: container, TailLines: ptr.To[int64](maxLogLines)}
	stream, err := l.Clientset.CoreV1().Pods(namespace).GetLogs(pod, options).Stream(ctx)
	if apierrors.IsNotFound(err) || apierrors.IsBadRequest(err) {
		return "", nil
	} else if err != nil {
		return "", fmt.Errorf("opening the log of %s in pod %s: %w", container, pod, err)
	}
	defer stream.Close()
	text, err := io.ReadAll(io.LimitReader(stream, 1<<20))
	if err != nil {
		return "", fmt.Errorf("reading the log of %s in pod %s: %w", container, pod, err)
	}
	return lastLines(string(text), int(limit)), nil
}

// lastLines returns the whole lines that fit into limit bytes, from the end.
func lastLines(text string, limit int) string {
	text = strings.ToValidUTF8(strings.TrimRight(text, "\n"), "?")
	if len(text) <= limit {
		return text
	}
	text = text[len(text)-limit:]
	if _, rest, found := strings.Cut(text, "\n"); found {
		return rest
	}
	return strings.ToValidUTF8(text, "")
}

// lastLine is the last line with something on it: tools say there what went wrong.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
