// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"io"
	"net"
	nethttp "net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openfunction/openfunction/test/ports"
)

// A function whose answer waits until it is told to go on.
const slow = `
import ("fmt"; "net/http"; "os"; "time")

func Hello(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, "begun ")
	w.(http.Flusher).Flush()
	for {
		if _, err := os.Stat(r.URL.Query().Get("until")); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Fprint(w, r.URL.Path)
}
`

// TestGeneratedProgram builds and runs what is generated: it answers every path, and ends a request that runs when it is told to
// stop.
func TestGeneratedProgram(t *testing.T) {
	for pkg, dir := range map[string]string{"internal": "internal/hello", "main": "."} {
		t.Run(pkg, func(t *testing.T) {
			name := map[string]string{"internal": "hello", "main": "main"}[pkg]
			root := folder(t, map[string]string{"go.mod": "module example.com/app\n\ngo 1.22\n", dir + "/a.go": "package " + name + slow})
			at := filepath.Join(root, dir)
			p, err := inspect(at, "Hello")
			if err != nil {
				t.Fatal(err)
			}
			target, undo, err := generate(at, p.pkg.Name, "example.com/app/"+dir, p.handler)
			if err != nil {
				t.Fatal(err)
			}
			binary := filepath.Join(t.TempDir(), "function")
			c := exec.Command("go", "build", "-o", binary, target)
			c.Dir, c.Env = at, append(os.Environ(), "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0")
			if output, err := c.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			if err := undo(); err != nil {
				t.Fatal(err)
			}
			if left, _ := filepath.Glob(filepath.Join(at, "*openfunction*")); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
			serveAndStop(t, binary)
		})
	}
}

func serveAndStop(t *testing.T, binary string) {
	t.Helper()
	free, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(free)
	program := exec.Command(binary)
	program.Env = []string{"PORT=" + port}
	log, err := program.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Process.Kill() })
	line, err := bufio.NewReader(log).ReadString('\n')
	if err != nil || !strings.Contains(line, "Serving Hello on port "+port) {
		t.Fatalf("log says %q, %v", line, err)
	}

	goOn := filepath.Join(t.TempDir(), "go-on")
	request, err := nethttp.NewRequestWithContext(t.Context(), nethttp.MethodGet,
		"http://"+net.JoinHostPort("127.0.0.1", port)+"/healthz?until="+goOn, nethttp.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	var answer *nethttp.Response
	for deadline := time.Now().Add(time.Minute); ; { // the port is opened after the line is logged
		if conn, err := net.Dial("tcp", request.Host); err == nil {
			_ = conn.Close()
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	if answer, err = nethttp.DefaultClient.Do(request); err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := program.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for { // the request is running; new ones are refused
		conn, err := net.Dial("tcp", request.Host)
		if err != nil {
			break
		}
		_ = conn.Close()
		time.Sleep(time.Millisecond)
	}
	if err := os.WriteFile(goOn, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil || string(text) != "begun /healthz" {
		t.Errorf("answer %q, %v", text, err)
	}
	if err := program.Wait(); err != nil {
		t.Errorf("program ended with %v", err)
	}
}
