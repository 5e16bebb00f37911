package goproxy

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

func TestServesTheCacheAndNothingElse(t *testing.T) {
	cache := t.TempDir()
	for file, content := range map[string]string{
		"cache/download/example.com/!upper/x/@v/v1.0.0.mod": "module example.com/Upper/x\n",
		"cache/download/example.com/!upper/x/@v/list":       "v1.0.0\n",
		"secret.mod": "secret",
	} {
		path := filepath.Join(cache, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Without a way to fetch, what is missing is missing.
	t.Setenv("GOPROXY", "off")
	proxy := New(cache, log.New(io.Discard, "", 0))
	for path, want := range map[string]int{
		"/example.com/!upper/x/@v/v1.0.0.mod":       http.StatusOK,
		"/example.com/!upper/x/@v/list":             http.StatusOK,
		"/example.com/!upper/x/@v/v9.9.9.mod":       http.StatusNotFound,
		"/example.com/!upper/x/@v/../../secret.mod": http.StatusNotFound,
		"/../../secret/@v/x.mod":                    http.StatusNotFound,
		"/example.com/!upper/x/@v/v1.0.0.lock":      http.StatusNotFound,
		"/":                                         http.StatusNotFound,
	} {
		answer := httptest.NewRecorder()
		proxy.ServeHTTP(answer, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: path}})
		if answer.Code != want {
			t.Errorf("%s answers %d (%s), want %d", path, answer.Code, answer.Body, want)
		}
	}
	answer := httptest.NewRecorder()
	proxy.ServeHTTP(answer, httptest.NewRequest(http.MethodPut, "/example.com/!upper/x/@v/v1.0.0.mod", nil))
	if answer.Code != http.StatusMethodNotAllowed {
		t.Errorf("writing answers %d", answer.Code)
	}
}
