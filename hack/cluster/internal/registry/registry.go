// Package registry serves images. Blobs and manifests lie in a folder, so that a registry that was killed has everything
// again when it comes back; a manifest is on the disk before its push is answered.
package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/openfunction/openfunction/hack/cluster/internal/layout"
)

// maxManifest is more than any manifest may have.
const maxManifest = 8 << 20

// manifestPath matches the requests that read and write manifests.
var manifestPath = regexp.MustCompile(`^/v2/(.+)/manifests/([^/]+)$`)

// kept is a manifest as it lies in the folder.
type kept struct {
	Path        string `json:"path"`
	ContentType string `json:"contentType"`
	Body        []byte `json:"body"`
}

// store keeps manifests of a registry that holds them in memory only.
type store struct {
	dir  string
	next http.Handler
}

// New returns a registry that keeps everything in a folder.
func New(dir string, logger *log.Logger) (http.Handler, error) {
	blobs, manifests := filepath.Join(dir, "blobs"), filepath.Join(dir, "manifests")
	for _, d := range []string{blobs, manifests} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("opening the registry: %w", err)
		}
	}
	s := &store{dir: manifests, next: registry.New(
		registry.WithBlobHandler(registry.NewDiskBlobHandler(blobs)),
		registry.WithReferrersSupport(true),
		registry.Logger(logger),
	)}
	return s, s.restore(logger)
}

// ServeHTTP hands every request on, and keeps or forgets a manifest once the registry has agreed.
func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !manifestPath.MatchString(r.URL.Path) || (r.Method != http.MethodPut && r.Method != http.MethodDelete) {
		s.next.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxManifest))
	if err != nil {
		http.Error(w, "reading the manifest: "+err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	s.next.ServeHTTP(answer, r)
	if answer.Code < 300 {
		if err := s.keep(r, body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// keep writes or removes the file of a manifest.
func (s *store) keep(r *http.Request, body []byte) error {
	if r.Method == http.MethodDelete {
		if err := os.Remove(s.file(r.URL.Path)); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("forgetting a manifest: %w", err)
		}
		return nil
	}
	content, err := json.Marshal(kept{Path: r.URL.Path, ContentType: r.Header.Get("Content-Type"), Body: body})
	if err != nil {
		return fmt.Errorf("keeping a manifest: %w", err)
	}
	return layout.WriteFile(s.file(r.URL.Path), content, 0o644)
}

func (s *store) file(path string) string {
	sum := sha256.Sum256([]byte(path))
	return filepath.Join(s.dir, hex.EncodeToString(sum[:])+".json")
}

// restore pushes what lies in the folder. An index is refused until the images it names are there, so rounds are made
// until one brings nothing new.
func (s *store) restore(logger *log.Logger) error {
	files, err := filepath.Glob(filepath.Join(s.dir, "*.json"))
	if err != nil {
		return fmt.Errorf("restoring the registry: %w", err)
	}
	for len(files) > 0 {
		var refused []string
		for _, f := range files {
			if !s.push(f) {
				refused = append(refused, f)
			}
		}
		if len(refused) == len(files) {
			logger.Printf("left out %d manifests that are broken or miss what they name", len(refused))
			break
		}
		files = refused
	}
	return nil
}

func (s *store) push(file string) bool {
	content, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	var k kept
	if json.Unmarshal(content, &k) != nil {
		return false
	}
	r := httptest.NewRequest(http.MethodPut, "http://registry"+k.Path, bytes.NewReader(k.Body))
	r.Header.Set("Content-Type", k.ContentType)
	answer := httptest.NewRecorder()
	s.next.ServeHTTP(answer, r)
	return answer.Code < 300
}
