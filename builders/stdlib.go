// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// stdlibFolder is where the builder image has the compiled standard library, in the form of a Go build cache. The Go
// buildpack knows it by the same name.
const stdlibFolder = "usr/local/share/go-stdlib"

// stdlibPackages are compiled ahead: what functions import, and with it what that needs.
var stdlibPackages = strings.Fields(`bufio bytes cmp compress/gzip context crypto/ed25519 crypto/rsa database/sql embed
	encoding/csv encoding/gob encoding/hex encoding/json encoding/xml errors expvar flag fmt hash/fnv html/template io/fs iter
	log log/slog maps math/big math/rand math/rand/v2 net/http net/http/httputil net/http/pprof net/smtp os os/exec os/signal
	os/user path/filepath reflect regexp runtime/debug slices sort strconv strings sync sync/atomic syscall testing text/tabwriter
	text/template time unicode/utf8 unique`)

// compiledStdlib compiles the standard library for a function's build. A function that imports nothing else then builds in
// seconds, and the build cache in the registry holds only what functions brought.
func compiledStdlib(w *workshop) (layer, error) {
	cache := filepath.Join(w.cache, "stdlib-"+runtime.Version()+"-"+runtime.GOARCH)
	if _, err := os.Stat(cache); err != nil {
		fmt.Println("compiling Go's standard library (once; half a minute)")
		partial := cache + ".partial"
		if err := os.RemoveAll(partial); err != nil {
			return nil, err
		}
		c := exec.Command("go", append([]string{"build", "-trimpath"}, stdlibPackages...)...)
		c.Dir = w.root
		c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=", "GOTOOLCHAIN=local", "GOCACHE="+partial)
		if output, err := c.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("compiling the standard library: %w\n%s", err, output)
		}
		if err := os.Rename(partial, cache); err != nil {
			return nil, err
		}
	}
	l := layer{}
	err := l.tree(stdlibFolder, cache, func(_ string, d fs.DirEntry) bool {
		return d.IsDir() || strings.HasSuffix(d.Name(), "-a") || strings.HasSuffix(d.Name(), "-d")
	})
	if err != nil {
		return nil, err
	}
	return l, forgetTimes(l)
}

// forgetTimes takes out of the index of a Go build cache when its entries were made, so that equal caches are equal bytes.
func forgetTimes(l layer) error {
	for name, e := range l {
		if !strings.HasSuffix(name, "-a") {
			continue
		}
		content, err := os.ReadFile(e.from)
		if err != nil {
			return err
		}
		l[name] = entry{mode: e.mode, content: withoutTime(content)}
	}
	return nil
}

// withoutTime sets the time of an entry to zero: the last of its five fields, right-aligned in 20 columns. An entry of a form
// that this does not know is left as it is.
func withoutTime(content []byte) []byte {
	const width = 20
	start := len(content) - width - len("\n")
	if fields := bytes.Fields(content); len(fields) != 5 || string(fields[0]) != "v1" || content[start-1] != ' ' {
		return content
	}
	return fmt.Appendf(content[:start:start], "%*d\n", width, 0)
}
