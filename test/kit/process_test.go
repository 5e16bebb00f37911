// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// pretend in the environment makes this test binary a program that only waits.
const pretend = "KIT_TEST_PRETEND"

func TestSweepEndsOnlyWhatADeadOwnerLeft(t *testing.T) {
	dead := exec.Command("true")
	must(t, dead.Run())
	leftover := filepath.Join(os.TempDir(), dirPrefix+strconv.Itoa(dead.Process.Pid)+"-test")
	alive := filepath.Join(os.TempDir(), dirPrefix+strconv.Itoa(os.Getpid())+"-test")
	start := func(name, dir string) *process {
		must(t, os.MkdirAll(dir, 0o700))
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		p := &process{cmd: exec.Command(os.Args[0]), done: make(chan struct{})}
		p.cmd.Args = []string{"/somewhere/" + name, "--data-dir=" + dir + "/data"}
		p.cmd.Env = append(os.Environ(), pretend+"=1")
		must(t, p.cmd.Start())
		go func() {
			_ = p.cmd.Wait()
			close(p.done)
		}()
		t.Cleanup(func() { _ = p.cmd.Process.Kill() })
		return p
	}
	left, kept, foreign := start("etcd", leftover), start("etcd", alive), start("vi", leftover)
	sweep()
	<-left.done
	if _, err := os.Stat(leftover); !os.IsNotExist(err) {
		t.Errorf("the folder of the dead owner is still there: %v", err)
	}
	for name, p := range map[string]*process{"of a living owner": kept, "of another kind": foreign} {
		select {
		case <-p.done:
			t.Errorf("the program %s was ended", name)
		default:
		}
	}
}
