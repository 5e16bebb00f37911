// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"strings"
	"sync"

	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"
	ctrl "sigs.k8s.io/controller-runtime"
)

// logged is the end of what the managers of this process log, to be shown only when something fails.
var logged = newTail(1 << 20)

// keepLogs sends the log of controller-runtime and of client-go there.
var keepLogs = sync.OnceFunc(func() {
	logger := textlogger.NewLogger(textlogger.NewConfig(textlogger.Output(logged)))
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
})

// LoggedAbout are the last lines that speak of a namespace, or of what keeps a cache from being filled.
func LoggedAbout(namespace string) string {
	var lines []string
	for line := range strings.Lines(logged.String()) {
		if strings.Contains(line, namespace) || strings.Contains(line, "Failed to watch") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-40):], "")
}

// Logged is the end of what the managers of this process have logged.
func Logged() string { return logged.String() }

// tail keeps the last of what is written to it.
type tail struct {
	limit int
	mu    sync.Mutex
	data  []byte
}

func newTail(limit int) *tail { return &tail{limit: limit} }

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if extra := len(t.data) - t.limit; extra > t.limit {
		t.data = append([]byte(nil), t.data[extra:]...)
	}
	return len(p), nil
}

// String is what is kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.data)
}
